import type { AgentStatus } from '../api/agent-status.ts'
import type { NeighborStatus } from '../bgp/status.ts'
import type { PacketFilterReconciler } from './packet-filter/packet-filter-reconciler.ts'

/** BGP neighbors as a status has them. */
export function neighborRows(neighbors: readonly NeighborStatus[]): AgentStatus['neighbors'] {
  return neighbors.map((neighbor) => ({
    address: neighbor.address,
    description: neighbor.description,
    remoteAs: neighbor.remoteAs,
    state: neighbor.state,
    since: neighbor.since,
    lastError: neighbor.lastError,
    endOfRibReceived: neighbor.families.every((family) => family.endOfRibReceived),
    received: neighbor.families.reduce((sum, family) => sum + family.received, 0),
  }))
}

/** Neighbors that announce more than they may, one sentence each. */
export function refusedPrefixes(neighbors: readonly NeighborStatus[]): string[] {
  return neighbors.flatMap(({ address, families }) =>
    families.flatMap(({ family, received, refused = 0 }) =>
      refused === 0
        ? []
        : `${address} has announced as many IPv${family} prefixes as it may (${received}): ` +
          `${refused} announcements of others were not taken`,
    ),
  )
}

export function filterStatus(
  filter: Pick<PacketFilterReconciler, 'unavailable' | 'counters'>,
): AgentStatus['packetFilter'] {
  const { unavailable } = filter
  const counters = [...filter.counters()]
  return {
    ...(unavailable === undefined ? {} : { unavailable }),
    counters: Object.fromEntries(counters.map(([name, { packets }]) => [name, packets])),
  }
}

/** Whether a node has all that it should have, and its neighbors have said all that they had to. */
export function isConverged(
  status: Pick<AgentStatus, 'notReady' | 'lacking' | 'problems' | 'neighbors'>,
): boolean {
  const { notReady, lacking, problems = [], neighbors } = status
  return (
    notReady === undefined &&
    lacking.length === 0 &&
    problems.length === 0 &&
    neighbors.every((row) => row.state === 'Established' && row.endOfRibReceived)
  )
}
