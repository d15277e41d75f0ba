import type { OwnBlock } from '../../bgp/filters/calico-export.ts'
import type { BlockOwners } from '../../ipam/block-owners.ts'
import type { Closable } from '../../lib/closable.ts'
import type { ClusterProblem } from '../../model/cluster-problem.ts'
import type { Kind, Resource } from '../../model/resource.ts'
import type { FollowProblem, RowHandlers } from '../../store/follower.ts'

/** The datastore, as far as the agent follows it. */
export interface ClusterFeed {
  /** Tells what is there, then every change, across outages, until closed. */
  follow(handlers: {
    /** @param createRevision of the store: which of two rows is the older */
    onSet(resource: Resource, createRevision: number): void
    onDelete(kind: Kind, name: string): void
    /** All that was there has been told; after an outage perhaps again. */
    onInSync(): void
    /** All rows that cannot be read now, or not as a whole, whenever that changes. */
    onProblems(problems: readonly FollowProblem[]): void
  }): Closable
  /** The blocks of one node, and what contradicts others: all of it, at first and at every change. */
  followBlocks(
    node: string,
    onBlocks: (blocks: readonly OwnBlock[], problems: readonly ClusterProblem[]) => void,
    onProblems: (problems: readonly FollowProblem[]) => void,
  ): Closable
  /** Which node has which block, of all blocks. */
  followBlockOwners(handlers: RowHandlers<BlockOwners>): Closable
}
