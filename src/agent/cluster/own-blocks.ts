import type { OwnBlock } from '../../bgp/filters/calico-export.ts'
import type { BlockOwner } from '../../ipam/block-owners.ts'
import type { Closable } from '../../lib/closable.ts'
import { type ClusterProblem, clusterProblem } from '../../model/cluster-problem.ts'
import type { BlockAffinity } from '../../model/resource.ts'
import { comparePrefixes, type Prefix } from '../../net/prefix.ts'
import type { RowChange, RowHandlers } from '../../store/follower.ts'

export interface OwnBlocksPorts {
  /** Tells who has a block, and every change, until closed. */
  followOwner(block: Prefix, handlers: RowHandlers<BlockOwner>): Closable
  /** All that count, and what is said of those that do not; once all have been told, and then at every change. */
  onBlocks(blocks: readonly OwnBlock[], problems: readonly ClusterProblem[]): void
}

interface Claim {
  readonly block: OwnBlock
  /** Name of the affinity. */
  readonly name: string
  /** Whose the block says that it is; undefined if it says nothing. */
  owner: string | undefined
}

/**
 * The blocks that affinities give a node. Where a block names another node the block decides, as in IPAM:
 * two nodes that announced it would each get some of the packets.
 */
export class OwnBlocks {
  readonly #node: string
  readonly #ports: OwnBlocksPorts
  readonly #claims = new Map<Prefix, Claim>()
  readonly #followed = new Map<Prefix, Closable>()
  #inSync = false

  constructor(node: string, ports: OwnBlocksPorts) {
    this.#node = node
    this.#ports = ports
  }

  apply(changes: readonly RowChange<BlockAffinity>[]): void {
    for (const { type, resource } of changes) {
      const { cidr } = resource.spec
      const block = type === 'put' ? ownBlock(resource) : undefined
      if (block === undefined) this.#drop(cidr)
      else this.#claim(block, resource.metadata.name)
    }
    this.#tell()
  }

  setInSync(): void {
    this.#inSync = true
    this.#tell()
  }

  close(): void {
    for (const following of this.#followed.values()) following.close()
  }

  #claim(block: OwnBlock, name: string): void {
    const { cidr } = block
    const known = this.#claims.get(cidr)
    if (known !== undefined) {
      this.#claims.set(cidr, { ...known, block })
      return
    }
    this.#claims.set(cidr, { block, name, owner: undefined })
    const following = this.#ports.followOwner(cidr, {
      onChanges: (changes) => this.#setOwner(cidr, changes),
      onInSync() {},
    })
    this.#followed.set(cidr, following)
  }

  #setOwner(cidr: Prefix, changes: readonly RowChange<BlockOwner>[]): void {
    const claim = this.#claims.get(cidr)
    const change = changes.findLast(({ resource }) => resource.cidr === cidr)
    if (claim === undefined || change === undefined) return
    const owner = change.type === 'put' ? change.resource.node : undefined
    if (owner === claim.owner) return
    claim.owner = owner
    this.#tell()
  }

  #drop(cidr: Prefix): void {
    this.#followed.get(cidr)?.close()
    this.#followed.delete(cidr)
    this.#claims.delete(cidr)
  }

  #tell(): void {
    if (!this.#inSync) return
    const claims = [...this.#claims.values()].sort((a, b) =>
      comparePrefixes(a.block.cidr, b.block.cidr),
    )
    const contradicted = claims.filter((claim) => this.#isContradicted(claim))
    this.#ports.onBlocks(
      claims.filter((claim) => !contradicted.includes(claim)).map(({ block }) => block),
      contradicted.map((claim) => this.#problem(claim)),
    )
  }

  /** A claim that is not confirmed promises nothing. */
  #isContradicted({ block, owner }: Claim): boolean {
    return block.state === 'confirmed' && owner !== undefined && owner !== this.#node
  }

  #problem({ name, block, owner }: Claim): ClusterProblem {
    return clusterProblem(`BlockAffinity(${name})`, {
      field: 'spec.node',
      value: this.#node,
      expected: `expected ${owner}, which block ${block.cidr} names as its owner`,
      effect: 'the block is not announced by this node',
    })
  }
}

/** An affinity without a state is one of before there were states, and confirmed. */
function ownBlock(affinity: BlockAffinity): OwnBlock | undefined {
  const { state, deleted, cidr } = affinity.spec
  if (deleted === 'true') return undefined
  return { cidr, state: state === undefined || state === '' ? 'confirmed' : state }
}
