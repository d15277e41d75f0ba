import type { BlockOwners } from '../../ipam/block-owners.ts'
import type { Closable } from '../../lib/closable.ts'
import type { Node } from '../../model/resource.ts'
import type { Prefix } from '../../net/prefix.ts'
import type { RemoteNode } from '../../routes/encapsulation.ts'
import type { RowHandlers } from '../../store/follower.ts'
import type { ClusterView } from '../cluster/cluster-view.ts'
import { RemoteBlocks } from '../cluster/remote-blocks.ts'
import { type TunnelEnd, tunnelEnd } from './vxlan-settings.ts'

export interface VxlanNetworkNeeds {
  /** Name of this node. */
  readonly node: string
  follow(handlers: RowHandlers<BlockOwners>): Closable
  /** These go elsewhere now. */
  onChanges(prefixes: readonly Prefix[]): void
  /** Every block has been told. */
  onInSync(): void
}

/**
 * Where the blocks of VXLAN pools are: the datastore's, not BGP's word. Blocks change with every pod of
 * the cluster, so they are followed only where a pool has VXLAN.
 */
export class VxlanNetwork implements Closable {
  readonly #needs: VxlanNetworkNeeds
  readonly #blocks: RemoteBlocks
  #following: Closable | undefined
  #inSync = false
  #nodes: readonly Node[] = []
  #ends: readonly TunnelEnd[] = []
  readonly #endOf = new WeakMap<Node, TunnelEnd>()

  constructor(needs: VxlanNetworkNeeds) {
    this.#needs = needs
    this.#blocks = new RemoteBlocks(needs.node)
  }

  /** Blocks of other nodes, as they are at any time. */
  get rows(): ReadonlyMap<Prefix, RemoteNode> {
    return this.#blocks.rows
  }

  /** Where the tunnel ends at other nodes; the same list as long as no node is another one. */
  get ends(): readonly TunnelEnd[] {
    return this.#ends
  }

  /** Blocks are not all known yet: routes of an agent before this one may be right. */
  get isBehind(): boolean {
    return this.#following !== undefined && !this.#inSync
  }

  /** To be called when the cluster's resources are others, or VXLAN is used or no longer used. */
  update(view: ClusterView, isUsed: boolean): void {
    if (!isUsed) {
      this.#following?.close()
      this.#following = undefined
      this.#inSync = false
      this.#setNodes([])
      this.#tell(this.#blocks.clear())
      return
    }
    this.#setNodes(view.list('Node'))
    this.#following ??= this.#needs.follow({
      onChanges: (changes) => {
        this.#tell(
          changes.flatMap(({ type, resource }) =>
            this.#blocks.setBlock(resource.cidr, type === 'put' ? resource : undefined),
          ),
        )
      },
      onInSync: () => {
        this.#inSync = true
        this.#needs.onInSync()
      },
    })
  }

  #setNodes(nodes: readonly Node[]): void {
    if (nodes === this.#nodes) return
    this.#nodes = nodes
    const ends = new Map<string, TunnelEnd>()
    for (const node of nodes) {
      const end = this.#endOf.get(node) ?? tunnelEnd(node)
      if (end === undefined || node.metadata.name === this.#needs.node) continue
      this.#endOf.set(node, end)
      ends.set(node.metadata.name, end)
    }
    this.#ends = [...ends.values()]
    this.#tell(this.#blocks.setNodes(ends))
  }

  #tell(prefixes: readonly Prefix[]): void {
    if (prefixes.length > 0) this.#needs.onChanges(prefixes)
  }

  close(): void {
    this.#following?.close()
  }
}
