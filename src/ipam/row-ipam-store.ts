import type { Closable } from '../lib/closable.ts'
import { messageOf } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { parseJson } from '../model/json.ts'
import type { Family } from '../net/ip-address.ts'
import type { Prefix } from '../net/prefix.ts'
import { type FollowPorts, followRows, type RowHandlers } from '../store/follower.ts'
import type { DecodedRows } from '../store/row-resource-store.ts'
import {
  affinityKey,
  affinityPrefix,
  blockKey,
  blockPrefix,
  handleKey,
  parseAffinityKey,
  parseBlockKey,
} from '../model/ipam-keys.ts'
import type { Comparison, Operation, Row, Store } from '../store/store.ts'
import { type Block, hostAffinity, nodeOf } from './block.ts'
import { decodeBlock, encodeBlock } from './block-codec.ts'
import { type BlockOwner, type BlockOwners, blockOwners } from './block-owners.ts'
import { decodeHandle, EMPTY_HANDLE, encodeHandle, type Handle } from './handle.ts'
import type {
  Affinity,
  IpamStore,
  ListedBlock,
  Revision,
  ObjectStep,
  Stored,
} from './ipam-store.ts'

interface RowPorts extends FollowPorts {
  readonly store: Store
  readonly decoded?: DecodedRows | undefined
}

export interface RowIpamStoreOptions extends RowPorts {
  /** Change one object at once, as on a store that can do no more; default: several in one transaction. */
  readonly oneByOne?: boolean | undefined
}

/** Blocks whose text need not be read again. */
const REMEMBERED_BLOCKS_MAX = 64

/** Blocks, handles and affinities as rows of a store, under Calico's keys. */
export class RowIpamStore implements IpamStore {
  readonly transact: IpamStore['transact']
  readonly #ports: RowPorts
  readonly #store: Store
  /** Blocks that were read or written last, with their texts: a node works on few of them. */
  readonly #remembered = new Map<string, { readonly text: string; readonly block: Block }>()

  constructor({ oneByOne = false, ...ports }: RowIpamStoreOptions) {
    this.#ports = ports
    this.#store = ports.store
    this.transact = oneByOne
      ? undefined
      : async (steps) => (await this.#transact(steps)) !== undefined
  }

  async block(cidr: Prefix): Promise<Stored<Block | undefined>> {
    const key = blockKey(cidr)
    const { row } = await this.#store.get(key)
    if (row === undefined) return { value: undefined, revision: undefined }
    const known = this.#remembered.get(key)
    const value = known?.text === row.value ? known.block : decodeBlock(key, row.value)
    this.#remember(key, row.value, value)
    return { value, revision: revisionOf(row) }
  }

  #remember(key: string, text: string, block: Block): void {
    if (this.#remembered.size >= REMEMBERED_BLOCKS_MAX) this.#remembered.clear()
    this.#remembered.set(key, { text, block })
  }

  async blocks(family: Family): Promise<readonly ListedBlock[]> {
    const { rows } = await this.#store.list(blockPrefix(family))
    return rows.flatMap((row) => {
      const cidr = parseBlockKey(row.key)
      return cidr === undefined ? [] : [new BlockRow(cidr, row, this.#ports.log)]
    })
  }

  async handle(id: string): Promise<Stored<Handle>> {
    const { row } = await this.#store.get(handleKey(id))
    if (row === undefined) return { value: EMPTY_HANDLE, revision: undefined }
    return { value: decodeHandle(row.value), revision: revisionOf(row) }
  }

  async affinity(node: string, cidr: Prefix): Promise<Affinity | undefined> {
    const { row } = await this.#store.get(affinityKey(node, cidr))
    return row === undefined ? undefined : affinityOf(row)
  }

  async affinities(node: string, family?: Family): Promise<Affinity[]> {
    const { rows } = await this.#store.list(affinityPrefix(node, family))
    return rows.flatMap((row) => affinityOf(row) ?? [])
  }

  async write(step: ObjectStep): Promise<{ readonly revision: Revision | undefined } | undefined> {
    const revision = await this.#transact([step])
    if (revision === undefined) return undefined
    return { revision: step.after === undefined ? undefined : String(revision) }
  }

  /** The revision of the store at which all steps were taken; undefined: none was. */
  async #transact(steps: readonly ObjectStep[]): Promise<number | undefined> {
    const operations = steps.map(operationOf)
    // Before they are written: who follows a block is told of it before this goes on.
    for (const [at, step] of steps.entries()) {
      const operation = operations[at]!
      if (step.kind !== 'block' || step.after === undefined || !('put' in operation)) continue
      this.#remember(operation.put, operation.value, step.after)
    }
    const { succeeded, revision } = await this.#store.transact({
      compare: steps.map(comparisonOf),
      success: operations,
    })
    return succeeded ? revision : undefined
  }

  followOwner(cidr: Prefix, handlers: RowHandlers<BlockOwner>): Closable {
    // What is read here is less than what others who follow blocks read, and nothing of it is worth keeping.
    const { decoded: _, lastGood: __, ...ports } = this.#ports
    return followRows(ports, blockKey(cidr), (row) => this.#ownerIn(row), handlers)
  }

  /** Most changes are this node's own, and what it wrote is remembered. */
  #ownerIn({ key, value }: Row): BlockOwner {
    const known = this.#remembered.get(key)
    const block = known?.text === value ? known.block : decodeBlock(key, value)
    return { cidr: block.cidr, node: nodeOf(block) }
  }

  followOwners(family: Family, handlers: RowHandlers<BlockOwners>): Closable {
    return followRows(
      this.#ports,
      blockPrefix(family),
      ({ key, value }) => blockOwners(decodeBlock(key, value)),
      handlers,
    )
  }
}

class BlockRow implements ListedBlock {
  readonly cidr: Prefix
  readonly #row: Row
  readonly #log: Log
  #read: { readonly block: Block | undefined } | undefined

  constructor(cidr: Prefix, row: Row, log: Log) {
    this.cidr = cidr
    this.#row = row
    this.#log = log
  }

  get block(): Block | undefined {
    return (this.#read ??= { block: this.#decode() }).block
  }

  #decode(): Block | undefined {
    const { key, value } = this.#row
    try {
      return decodeBlock(key, value)
    } catch (thrown) {
      this.#log.warn('Failed to read a stored block', { key, error: messageOf(thrown) })
      return undefined
    }
  }

  /** Most blocks are others', and need not be read to tell that. */
  belongsTo(node: string): boolean {
    const affinity = hostAffinity(node)
    return this.#row.value.includes(affinity) && this.block?.affinity === affinity
  }
}

function keyOf(step: ObjectStep): string {
  if (step.kind === 'handle') return handleKey(step.id)
  return step.kind === 'block' ? blockKey(step.cidr) : affinityKey(step.node, step.cidr)
}

function comparisonOf(step: ObjectStep): Comparison {
  // A revision of this store is a number in decimal.
  return { key: keyOf(step), modRevision: step.before === undefined ? 0 : Number(step.before) }
}

function operationOf(step: ObjectStep): Operation {
  const key = keyOf(step)
  const value = valueOf(step)
  return value === undefined ? { delete: key } : { put: key, value }
}

function valueOf(step: ObjectStep): string | undefined {
  if (step.after === undefined) return undefined
  if (step.kind === 'affinity') return `{"state":"${step.after}","deleted":false}`
  return step.kind === 'block' ? encodeBlock(step.after) : encodeHandle(step.after)
}

function revisionOf(row: Row): Revision {
  return String(row.modRevision)
}

/** An empty value, or one without a state, is an old way to say confirmed. */
function affinityOf(row: Row): Affinity | undefined {
  const parsed = parseAffinityKey(row.key)
  if (parsed === undefined) return undefined
  const { state } = (row.value === '' ? {} : parseJson(row.value)) as { state?: string }
  const known = state === 'pending' || state === 'pendingDeletion' ? state : 'confirmed'
  return { ...parsed, state: known, revision: revisionOf(row) }
}
