import type { KeyRange } from '../key-range.ts'
import {
  type RevisionedStore,
  RevisionUnavailable,
  type WriteTransaction,
} from '../revisioned-store.ts'
import type { Row } from '../store.ts'
import { decodeKeyRange } from './decode-key-range.ts'
import {
  type Compare,
  CompareResult,
  CompareTarget,
  type CompactionRequest,
  type CompactionResponse,
  type DeleteRangeRequest,
  type DeleteRangeResponse,
  type KeyValue,
  type PutRequest,
  type PutResponse,
  type RangeRequest,
  type RangeResponse,
  type RequestOp,
  type ResponseHeader,
  type ResponseOp,
  type StatusResponse,
  type TxnRequest,
  type TxnResponse,
} from './messages.ts'
import { toKeyValue } from './rows.ts'
import { sameOctets, toText } from './text.ts'

/** A request that etcd would refuse too, or that this store cannot serve; the messages are etcd's where it has one. */
export class RequestRefused extends Error {
  override readonly name = 'RequestRefused'
  readonly code: 'INVALID_ARGUMENT' | 'OUT_OF_RANGE' | 'UNIMPLEMENTED'
  constructor(code: 'INVALID_ARGUMENT' | 'OUT_OF_RANGE' | 'UNIMPLEMENTED', message: string) {
    super(message)
    this.code = code
  }
}

export const COMPACTED = 'etcdserver: mvcc: required revision has been compacted'
const FUTURE = 'etcdserver: mvcc: required revision is a future revision'
const EMPTY_KEY = 'etcdserver: key is not provided'
const TOO_MANY = 'etcdserver: too many operations in txn request'
const NESTED = 'a transaction within a transaction is not supported'
const DUPLICATE = 'etcdserver: duplicate key given in txn request'

/** As etcd's --max-txn-ops. */
const MOST_OPERATIONS = 128

/** What reads the rows of a request: the store, or a transaction under way. */
type Rows = (range: KeyRange) => Iterable<Row>

/** A response without the header, which is that of the revision when all is done. */
type Answer = (header: ResponseHeader) => ResponseOp

/** Answers etcd's KV and Maintenance services out of a store. Throws RequestRefused. */
export class KeyValueService {
  readonly #store: RevisionedStore
  /** Tells one run of the store from the next: a client that finds another one lists anew. */
  readonly #clusterId: number

  constructor(store: RevisionedStore, clusterId: number) {
    this.#store = store
    this.#clusterId = clusterId
  }

  header(revision = this.#store.revision): ResponseHeader {
    return { clusterId: this.#clusterId, memberId: this.#clusterId, revision, raftTerm: 1 }
  }

  range(request: RangeRequest): RangeResponse {
    const revision = request.revision > 0 ? request.revision : this.#store.revision
    const rows: Rows = (range) => refusing(() => this.#store.rows(range, revision))
    return { ...rangeOf(request, rows), header: this.header() }
  }

  async put(request: PutRequest): Promise<PutResponse> {
    const { responses, header } = await this.#write(() => [{ put: request }])
    return { ...responses[0]!.put!, header }
  }

  async deleteRange(request: DeleteRangeRequest): Promise<DeleteRangeResponse> {
    const { responses, header } = await this.#write(() => [{ deleteRange: request }])
    return { ...responses[0]!.deleteRange!, header }
  }

  async transact(request: TxnRequest): Promise<TxnResponse> {
    const { compare, success, failure } = request
    if (Math.max(compare.length, success.length, failure.length) > MOST_OPERATIONS) {
      throw new RequestRefused('INVALID_ARGUMENT', TOO_MANY)
    }
    let succeeded = false
    const written = await this.#write(({ rows }) => {
      succeeded = compare.every((comparison) => holds(comparison, rows))
      return succeeded ? success : failure
    })
    return { ...written, succeeded }
  }

  /** Carries out in order what `choose` chooses, all of it or nothing. */
  async #write(
    choose: (transaction: WriteTransaction) => readonly RequestOp[],
  ): Promise<{ responses: ResponseOp[]; header: ResponseHeader }> {
    const { result, revision } = await this.#store.write((transaction) =>
      choose(transaction).map((request) => this.#execute(request, transaction)),
    )
    const header = this.header(revision)
    return { responses: result.map((answer) => answer(header)), header }
  }

  #execute({ range, put, deleteRange }: RequestOp, transaction: WriteTransaction): Answer {
    if (put) {
      const response = executePut(put, transaction)
      return (header) => ({ put: { ...response, header } })
    }
    if (deleteRange) {
      const response = executeDelete(deleteRange, transaction)
      return (header) => ({ deleteRange: { ...response, header } })
    }
    if (!range) throw new RequestRefused('UNIMPLEMENTED', NESTED)
    const isPast = range.revision > 0
    const response = isPast ? this.range(range) : rangeOf(range, transaction.rows)
    return (header) => ({ range: { ...response, header } })
  }

  async compact({ revision }: CompactionRequest): Promise<CompactionResponse> {
    await this.#store.compact(revision).catch(refuse)
    return { header: this.header() }
  }

  status(): StatusResponse {
    const { revision } = this.#store
    return {
      header: this.header(),
      version: '3.4.0',
      dbSize: 0,
      leader: this.#clusterId,
      raftIndex: revision,
      raftTerm: 1,
    }
  }
}

type Headless<Response> = Omit<Response, 'header'>

/** The rows are taken at once: nothing may be written while they are. */
function rangeOf(request: RangeRequest, read: Rows): Headless<RangeResponse> {
  const rows = rowsOf(request, read)
  if (request.countOnly) return { kvs: [], more: false, count: rows.length }
  sortRows(rows, request)
  const limit = request.limit > 0 ? request.limit : rows.length
  const kvs = rows
    .slice(0, limit)
    .map((row) => toKeyValue(request.keysOnly ? { ...row, value: '' } : row))
  return { kvs, more: rows.length > limit, count: rows.length }
}

function rowsOf(
  { key, rangeEnd }: { readonly key: Uint8Array; readonly rangeEnd: Uint8Array },
  read: Rows,
): Row[] {
  if (key.length === 0) throw new RequestRefused('INVALID_ARGUMENT', EMPTY_KEY)
  return [...read(asText(() => decodeKeyRange(key, rangeEnd)))]
}

function executePut(request: PutRequest, transaction: WriteTransaction): Headless<PutResponse> {
  const { key, value } = demandPut(request)
  const before = request.prevKv ? transaction.row(key) : undefined
  distinctly(() => {
    transaction.put(key, value)
  })
  return { prevKv: before === undefined ? undefined : toKeyValue(before) }
}

function executeDelete(
  request: DeleteRangeRequest,
  transaction: WriteTransaction,
): Headless<DeleteRangeResponse> {
  const rows = rowsOf(request, transaction.rows)
  distinctly(() => {
    for (const { key } of rows) transaction.delete(key)
  })
  return { deleted: rows.length, prevKvs: request.prevKv ? rows.map(toKeyValue) : [] }
}

function distinctly(write: () => void): void {
  try {
    write()
  } catch (thrown) {
    if (!(thrown instanceof RangeError)) throw thrown
    throw new RequestRefused('INVALID_ARGUMENT', DUPLICATE)
  }
}

function holds(compare: Compare, read: Rows): boolean {
  const rows = rowsOf(compare, read)
  if (rows.length > 0) return rows.every((row) => compareRow(compare, toKeyValue(row)))
  // As in etcd: without a row all numbers are 0, and a comparison of values fails.
  if (compare.rangeEnd.length > 0) return true
  return compare.target !== CompareTarget.value && compareRow(compare, ABSENT)
}

function refusing<Result>(read: () => Result): Result {
  try {
    return read()
  } catch (thrown) {
    return refuse(thrown)
  }
}

/** A revision that is not to be had, in etcd's words. */
function refuse(thrown: unknown): never {
  if (!(thrown instanceof RevisionUnavailable)) throw thrown
  throw new RequestRefused('OUT_OF_RANGE', thrown.reason === 'future' ? FUTURE : COMPACTED)
}

const NOTHING = new Uint8Array()
const ABSENT: KeyValue = {
  key: NOTHING,
  value: NOTHING,
  createRevision: 0,
  modRevision: 0,
  version: 0,
}

function asText<Result>(read: () => Result): Result {
  try {
    return read()
  } catch (thrown) {
    if (!(thrown instanceof TypeError)) throw thrown
    throw new RequestRefused(
      'INVALID_ARGUMENT',
      'this store keeps keys and values that are UTF-8 text only',
    )
  }
}

function demandPut({ key, value, lease, ignoreValue }: PutRequest): {
  readonly key: string
  readonly value: string
} {
  if (key.length === 0) throw new RequestRefused('INVALID_ARGUMENT', EMPTY_KEY)
  if (lease !== 0) throw new RequestRefused('UNIMPLEMENTED', 'leases are not supported')
  if (ignoreValue) throw new RequestRefused('UNIMPLEMENTED', 'ignore_value is not supported')
  return asText(() => ({ key: toText(key), value: toText(value) }))
}

function compareRow(compare: Compare, kv: KeyValue): boolean {
  const difference = differenceOf(compare, kv)
  switch (compare.result) {
    case CompareResult.equal:
      return difference === 0
    case CompareResult.greater:
      return difference > 0
    case CompareResult.less:
      return difference < 0
    default:
      return difference !== 0
  }
}

/** Of the row to what it is compared with: negative, zero or positive. */
function differenceOf(compare: Compare, kv: KeyValue): number {
  switch (compare.target) {
    case CompareTarget.version:
      return kv.version - compare.version
    case CompareTarget.create:
      return kv.createRevision - compare.createRevision
    case CompareTarget.mod:
      return kv.modRevision - compare.modRevision
    case CompareTarget.value:
      return sameOctets(kv.value, compare.value) ? 0 : Buffer.compare(kv.value, compare.value)
    default:
      return 0 - compare.lease
  }
}

/** By sort target: key, version, creation, modification, value. Order 2 is descending. */
function sortRows(rows: Row[], { sortOrder, sortTarget }: RangeRequest): void {
  if (sortOrder === 0 && sortTarget === 0) return
  const sign = sortOrder === 2 ? -1 : 1
  const by = SORT[sortTarget] ?? SORT[0]!
  rows.sort((a, b) => sign * by(a, b))
}

const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

const SORT: readonly ((a: Row, b: Row) => number)[] = [
  (a, b) => byText(a.key, b.key),
  (a, b) => a.version - b.version,
  (a, b) => a.createRevision - b.createRevision,
  (a, b) => a.modRevision - b.modRevision,
  (a, b) => byText(a.value, b.value),
]
