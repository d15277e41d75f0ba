import type { MemoryStore } from '../memory-store.ts'
import type { Operation, Row } from '../store.ts'
import { keyRange, rowsIn } from './key-range.ts'
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
const DUPLICATE = 'etcdserver: duplicate key given in txn request'

/** As etcd's --max-txn-ops. */
const MOST_OPERATIONS = 128

/** Answers etcd's KV and Maintenance services out of a store in memory. Throws RequestRefused. */
export class KeyValueService {
  readonly #store: MemoryStore
  /** Tells one run of the store from the next: a client that finds another one lists anew. */
  readonly #clusterId: number

  constructor(store: MemoryStore, clusterId: number) {
    this.#store = store
    this.#clusterId = clusterId
  }

  header(revision = this.#store.revision): ResponseHeader {
    return { clusterId: this.#clusterId, memberId: this.#clusterId, revision, raftTerm: 1 }
  }

  range(request: RangeRequest): RangeResponse {
    this.#demandPresent(request)
    const rows = this.#rows(request)
    if (request.countOnly) {
      return { header: this.header(), kvs: [], more: false, count: rows.length }
    }
    sortRows(rows, request)
    const limit = request.limit > 0 ? request.limit : rows.length
    const kvs = rows
      .slice(0, limit)
      .map((row) => toKeyValue(request.keysOnly ? { ...row, value: '' } : row))
    return { header: this.header(), kvs, more: rows.length > limit, count: rows.length }
  }

  #demandPresent({ revision }: RangeRequest): void {
    if (revision > this.#store.revision) throw new RequestRefused('OUT_OF_RANGE', FUTURE)
    // Values of the past are not kept.
    if (revision > 0 && revision < this.#store.revision)
      throw new RequestRefused('OUT_OF_RANGE', COMPACTED)
  }

  #rows({ key, rangeEnd }: { key: Uint8Array; rangeEnd: Uint8Array }): Row[] {
    if (key.length === 0) throw new RequestRefused('INVALID_ARGUMENT', EMPTY_KEY)
    return rowsIn(
      this.#store,
      asText(() => keyRange(key, rangeEnd)),
    )
  }

  put(request: PutRequest): PutResponse {
    const response = this.#execute([{ put: request }])[0]!.put!
    return { ...response, header: this.header() }
  }

  deleteRange(request: DeleteRangeRequest): DeleteRangeResponse {
    const response = this.#execute([{ deleteRange: request }])[0]!.deleteRange!
    return { ...response, header: this.header() }
  }

  transact(request: TxnRequest): TxnResponse {
    const { compare, success, failure } = request
    if (Math.max(compare.length, success.length, failure.length) > MOST_OPERATIONS) {
      throw new RequestRefused('INVALID_ARGUMENT', TOO_MANY)
    }
    const succeeded = compare.every((comparison) => this.#holds(comparison))
    const responses = this.#execute(succeeded ? success : failure)
    return { header: this.header(), succeeded, responses }
  }

  /** Reads before the first write see the state before, later ones the state after all writes. */
  #execute(requests: readonly RequestOp[]): ResponseOp[] {
    const writes: Operation[] = []
    const responses = requests.map((request): (() => ResponseOp) => {
      const { range, put, deleteRange } = request
      if (put) {
        writes.push(putOperation(put))
        const before = this.#store.row(asText(() => toText(put.key)))
        const prevKv = put.prevKv && before !== undefined ? toKeyValue(before) : undefined
        return () => ({ put: { header: this.header(), prevKv } })
      }
      if (deleteRange) {
        const rows = this.#rows(deleteRange)
        writes.push(...rows.map((row) => ({ delete: row.key })))
        const prevKvs = deleteRange.prevKv ? rows.map(toKeyValue) : []
        return () => ({ deleteRange: { header: this.header(), deleted: rows.length, prevKvs } })
      }
      if (!range)
        throw new RequestRefused(
          'UNIMPLEMENTED',
          'a transaction within a transaction is not supported',
        )
      const early = writes.length === 0 ? this.range(range) : undefined
      return () => ({ range: early ?? this.range(range) })
    })
    demandDistinct(writes)
    this.#store.commit(writes)
    return responses.map((respond) => respond())
  }

  #holds(compare: Compare): boolean {
    const rows = this.#rows(compare)
    if (rows.length > 0) return rows.every((row) => compareRow(compare, toKeyValue(row)))
    // As in etcd: without a row all numbers are 0, and a comparison of values fails.
    if (compare.rangeEnd.length > 0) return true
    return compare.target !== CompareTarget.value && compareRow(compare, ABSENT)
  }

  compact({ revision }: CompactionRequest): CompactionResponse {
    if (revision > this.#store.revision) throw new RequestRefused('OUT_OF_RANGE', FUTURE)
    if (revision <= this.#store.compactedRevision)
      throw new RequestRefused('OUT_OF_RANGE', COMPACTED)
    this.#store.compact(revision)
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

function putOperation({ key, value, lease, ignoreValue }: PutRequest): Operation {
  if (key.length === 0) throw new RequestRefused('INVALID_ARGUMENT', EMPTY_KEY)
  if (lease !== 0) throw new RequestRefused('UNIMPLEMENTED', 'leases are not supported')
  if (ignoreValue) throw new RequestRefused('UNIMPLEMENTED', 'ignore_value is not supported')
  return asText(() => ({ put: toText(key), value: toText(value) }))
}

function demandDistinct(writes: readonly Operation[]): void {
  const keys = writes.map((write) => ('put' in write ? write.put : write.delete))
  if (new Set(keys).size !== keys.length) throw new RequestRefused('INVALID_ARGUMENT', DUPLICATE)
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
