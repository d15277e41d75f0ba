import type { Closable } from '../lib/closable.ts'
import type { Family } from '../net/ip-address.ts'
import type { Prefix } from '../net/prefix.ts'
import type { RowHandlers } from '../store/follower.ts'
import type { Block } from './block.ts'
import type { BlockOwner, BlockOwners } from './block-owners.ts'
import type { Handle } from './handle.ts'

/** A state of one object, in the words of the store; only the store knows what is in it. */
export type Revision = string

/** A value, and the revision that it is of; undefined: it is not there. */
export interface Stored<Value> {
  readonly value: Value
  readonly revision: Revision | undefined
}

/** Whether a node's claim on a block may be used: only if confirmed. */
export type AffinityState = 'confirmed' | 'pending' | 'pendingDeletion'

export interface Affinity {
  readonly node: string
  readonly cidr: Prefix
  readonly state: AffinityState
  readonly revision: Revision
}

/** A block of a list, read only when it is asked for. */
export interface ListedBlock {
  readonly cidr: Prefix
  /** Undefined if what is stored cannot be read; that is logged. */
  readonly block: Block | undefined
  belongsTo(node: string): boolean
}

/**
 * A change of one object, which takes place only if the object is as it was read. `before` undefined: only
 * if it is not there; `after` undefined: it is deleted.
 */
export type ObjectStep = {
  readonly before: Revision | undefined
} & (
  | { readonly kind: 'block'; readonly cidr: Prefix; readonly after: Block | undefined }
  | { readonly kind: 'handle'; readonly id: string; readonly after: Handle | undefined }
  | {
      readonly kind: 'affinity'
      readonly node: string
      readonly cidr: Prefix
      readonly after: AffinityState | undefined
    }
)

/**
 * The objects that IPAM keeps: blocks, handles and affinities, each with a revision of its own. A store need
 * not be able to change more than one of them at once (a Kubernetes API is not); one that can offers
 * {@link transact}. All of it throws StoreUnavailable when the store cannot be reached.
 */
export interface IpamStore {
  /** Throws UserError if what is stored is not a block. */
  block(cidr: Prefix): Promise<Stored<Block | undefined>>
  /** All of a family, in the store's order. */
  blocks(family: Family): Promise<readonly ListedBlock[]>
  /** One that is not there has no addresses. */
  handle(id: string): Promise<Stored<Handle>>
  affinity(node: string, cidr: Prefix): Promise<Affinity | undefined>
  /** Of a node, of one family or both, in the store's order. */
  affinities(node: string, family?: Family): Promise<readonly Affinity[]>
  /** Takes a step; undefined if the object is not as the step expects it. */
  write(step: ObjectStep): Promise<{ readonly revision: Revision | undefined } | undefined>
  /** Takes steps, each of another object, all at once or none of them: false. */
  readonly transact?: ((steps: readonly ObjectStep[]) => Promise<boolean>) | undefined
  /**
   * Tells which node has which block, and which addresses other nodes use: all, and then every change,
   * through outages of the store, until closed.
   */
  followOwners(family: Family, handlers: RowHandlers<BlockOwners>): Closable
  /** The same of one block, without its addresses. */
  followOwner(cidr: Prefix, handlers: RowHandlers<BlockOwner>): Closable
}
