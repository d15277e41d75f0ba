import type { BlockOwners } from '../../ipam/block-owners.ts'
import type { Closable } from '../../lib/closable.ts'
import type { ReconcileOutcome, Reconciler } from '../../lib/reconcile/reconciler.ts'
import type { Prefix } from '../../net/prefix.ts'
import type { RemoteNode } from '../../routes/encapsulation.ts'
import type { RowHandlers } from '../../store/follower.ts'
import { RemoteBlocks } from './remote-blocks.ts'

export interface RemoteBlocksNeeds {
  /** Name of this node. */
  readonly node: string
  follow(handlers: RowHandlers<BlockOwners>): Closable
  /** These go elsewhere now. */
  onChanges(prefixes: readonly Prefix[]): void
  /** Whether all blocks have been read. */
  onKnown(isKnown: boolean): void
}

/**
 * Follows where the blocks of VXLAN pools are: the datastore's, not BGP's word. Blocks change with every
 * pod of the cluster, so they are followed only where a pool has VXLAN. Desired are the ends of the tunnel
 * at other nodes, by name; undefined where there is no VXLAN.
 */
export class RemoteBlocksReconciler implements Reconciler<
  ReadonlyMap<string, RemoteNode> | undefined
> {
  readonly name = 'blocks of other nodes'
  readonly pace = { retry: { firstMilliseconds: 2_000, mostMilliseconds: 30_000 } } as const
  readonly #needs: RemoteBlocksNeeds
  readonly #blocks: RemoteBlocks
  #following: Closable | undefined
  #isKnown = false

  constructor(needs: RemoteBlocksNeeds) {
    this.#needs = needs
    this.#blocks = new RemoteBlocks(needs.node)
  }

  /** Blocks of other nodes, as they are at any time. */
  get rows(): ReadonlyMap<Prefix, RemoteNode> {
    return this.#blocks.rows
  }

  reconcile(ends: ReadonlyMap<string, RemoteNode> | undefined): ReconcileOutcome {
    this.#tell(this.#blocks.setNodes(ends ?? new Map()))
    if (ends === undefined) this.#unfollow()
    else this.#following ??= this.#follow()
    return 'done'
  }

  #unfollow(): void {
    this.#following?.close()
    this.#following = undefined
    this.#setKnown(false)
    this.#tell(this.#blocks.clear())
  }

  #follow(): Closable {
    return this.#needs.follow({
      onChanges: (changes) => {
        this.#tell(
          changes.flatMap(({ type, resource }) =>
            this.#blocks.setBlock(resource.cidr, type === 'put' ? resource : undefined),
          ),
        )
      },
      onInSync: () => {
        this.#setKnown(true)
      },
    })
  }

  #setKnown(isKnown: boolean): void {
    if (isKnown === this.#isKnown) return
    this.#isKnown = isKnown
    this.#needs.onKnown(isKnown)
  }

  /** Until then routes of an agent before this one may be right. */
  problems(): readonly string[] {
    const isBehind = this.#following !== undefined && !this.#isKnown
    return isBehind ? ['the blocks of other nodes have not been read yet'] : []
  }

  #tell(prefixes: readonly Prefix[]): void {
    if (prefixes.length > 0) this.#needs.onChanges(prefixes)
  }

  stop(): void {
    this.#following?.close()
  }
}
