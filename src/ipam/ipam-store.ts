import { messageOf } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { parseJson } from '../model/json.ts'
import type { Family } from '../net/ip-address.ts'
import type { Prefix } from '../net/prefix.ts'
import {
  affinityKey,
  affinityPrefix,
  blockKey,
  blockPrefix,
  handleKey,
  parseAffinityKey,
  parseBlockKey,
} from '../store/keys.ts'
import type { Comparison, Operation, Row, Store } from '../store/store.ts'
import type { Block } from './block.ts'
import { decodeBlock, encodeBlock } from './block-codec.ts'
import { decodeHandle, EMPTY_HANDLE, encodeHandle, type Handle, isUnused } from './handle.ts'
import { IpamError } from './ipam-error.ts'

/** A value and the revision of the store that it is of; 0: it does not exist. */
export interface Versioned<Value> {
  readonly value: Value
  readonly modRevision: number
}

/** Whether a node's claim on a block may be used: only if confirmed. */
export type AffinityState = 'confirmed' | 'pending' | 'pendingDeletion'

export interface Affinity {
  readonly node: string
  readonly cidr: Prefix
  readonly state: AffinityState
  readonly modRevision: number
}

/** A write that takes place only if the key is still as it was read. */
export interface Write {
  readonly compare: Comparison
  readonly operation: Operation | undefined
  /** What is written, where it is a block. */
  readonly block?: Block
}

/** Blocks whose text need not be read again. */
const REMEMBERED_BLOCKS_MAX = 64

/** Tries of a change before it is given up, as in Calico. */
const TRIES = 100

/** Blocks, handles and affinities in a store. */
export class IpamStore {
  readonly #store: Store
  readonly #log: Log
  /** Blocks that were read or written last, with their texts: a node works on few of them. */
  readonly #remembered = new Map<string, { readonly text: string; readonly block: Block }>()

  constructor(store: Store, log: Log) {
    this.#store = store
    this.#log = log
  }

  /** Throws UserError if what is stored is not a block. */
  async block(cidr: Prefix): Promise<Versioned<Block | undefined>> {
    const key = blockKey(cidr)
    const { row } = await this.#store.get(key)
    if (row === undefined) return { value: undefined, modRevision: 0 }
    const known = this.#remembered.get(key)
    const value = known?.text === row.value ? known.block : decodeBlock(key, row.value)
    this.#remember(key, row.value, value)
    return { value, modRevision: row.modRevision }
  }

  #remember(key: string, text: string, block: Block): void {
    if (this.#remembered.size >= REMEMBERED_BLOCKS_MAX) this.#remembered.clear()
    this.#remembered.set(key, { text, block })
  }

  /** In order of key; a block that cannot be read is logged, and its value is undefined. */
  async blocks(family: Family): Promise<(Versioned<Block | undefined> & { cidr: Prefix })[]> {
    const { rows } = await this.#store.list(blockPrefix(family))
    return rows.flatMap((row) => {
      const cidr = parseBlockKey(row.key)
      if (cidr === undefined) return []
      return [{ cidr, value: this.#readable(row), modRevision: row.modRevision }]
    })
  }

  #readable(row: Row): Block | undefined {
    try {
      return decodeBlock(row.key, row.value)
    } catch (thrown) {
      this.#log.warn('a stored block cannot be read', { key: row.key, error: messageOf(thrown) })
      return undefined
    }
  }

  /** Of all blocks, also of those that cannot be read. */
  async blockCidrs(family: Family): Promise<ReadonlySet<Prefix>> {
    const { rows } = await this.#store.list(blockPrefix(family))
    return new Set(rows.flatMap((row) => parseBlockKey(row.key) ?? []))
  }

  async handle(id: string): Promise<Versioned<Handle>> {
    const { row } = await this.#store.get(handleKey(id))
    if (row === undefined) return { value: EMPTY_HANDLE, modRevision: 0 }
    return { value: decodeHandle(row.value), modRevision: row.modRevision }
  }

  /** Of a node, in order of key. */
  async affinities(node: string, family?: Family): Promise<Affinity[]> {
    const { rows } = await this.#store.list(affinityPrefix(node, family))
    return rows.flatMap((row) => {
      const affinity = affinityOf(row)
      return affinity === undefined ? [] : [affinity]
    })
  }

  async affinity(node: string, cidr: Prefix): Promise<Affinity | undefined> {
    const { row } = await this.#store.get(affinityKey(node, cidr))
    return row === undefined ? undefined : affinityOf(row)
  }

  /** All writes at once, or none if one of the keys was changed since it was read. */
  async write(writes: readonly Write[]): Promise<boolean> {
    const { succeeded } = await this.#store.transact({
      compare: writes.map((write) => write.compare),
      success: writes.flatMap(({ operation }) => (operation === undefined ? [] : [operation])),
    })
    if (succeeded) {
      for (const { operation, block } of writes) {
        if (block === undefined || operation === undefined || !('put' in operation)) continue
        this.#remember(operation.put, operation.value, block)
      }
    }
    return succeeded
  }

  /** Repeats `attempt` until it gives a result; undefined from it means that somebody else was faster. */
  async retry<Result>(attempt: () => Promise<Result | undefined>): Promise<Result> {
    for (let tries = 0; tries < TRIES; tries++) {
      const result = await attempt()
      if (result !== undefined) return result
    }
    throw new IpamError('busy', 'Max retries hit - excessive concurrent IPAM requests')
  }
}

/** Every write of a block raises its sequence number, so that two states of it never look alike. */
export function blockWrite(
  cidr: Prefix,
  before: { readonly modRevision: number },
  after: Block | undefined,
): Write {
  const key = blockKey(cidr)
  const compare = { key, modRevision: before.modRevision }
  if (after === undefined) return { compare, operation: { delete: key } }
  const block = { ...after, sequenceNumber: after.sequenceNumber + 1n }
  return { compare, operation: { put: key, value: encodeBlock(block) }, block }
}

/** A handle without addresses is deleted; one that never was is left alone. */
export function handleWrite(id: string, before: Versioned<Handle>, after: Handle): Write {
  const key = handleKey(id)
  const compare = { key, modRevision: before.modRevision }
  if (!isUnused(after)) return { compare, operation: { put: key, value: encodeHandle(after) } }
  return { compare, operation: before.modRevision === 0 ? undefined : { delete: key } }
}

export function affinityWrite(
  node: string,
  cidr: Prefix,
  before: Affinity | undefined,
  after: 'confirmed' | undefined,
): Write {
  const key = affinityKey(node, cidr)
  const compare = { key, modRevision: before?.modRevision ?? 0 }
  if (after === undefined) {
    return { compare, operation: before === undefined ? undefined : { delete: key } }
  }
  return { compare, operation: { put: key, value: `{"state":"${after}","deleted":false}` } }
}

/** An empty value, or one without a state, is an old way to say confirmed. */
function affinityOf(row: Row): Affinity | undefined {
  const parsed = parseAffinityKey(row.key)
  if (parsed === undefined) return undefined
  const { state } = (row.value === '' ? {} : parseJson(row.value)) as { state?: string }
  const known = state === 'pending' || state === 'pendingDeletion' ? state : 'confirmed'
  return { ...parsed, state: known, modRevision: row.modRevision }
}
