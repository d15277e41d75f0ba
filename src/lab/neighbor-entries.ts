import type { Journal } from '../api/lab-status.ts'
import type { Topology } from './topology-schema.ts'

export type NeighborEntries = NonNullable<Journal['neighborEntries']>

/** Of one interface beside its neighbors: groups and routers that IPv6 speaks to, broadcast. */
const GROUPS_PER_INTERFACE = 5

/**
 * The most entries that a lab's namespaces have at one time: each host one for every other host of its
 * networks, as a full mesh of BGP sessions makes them, each pod and its node one for the other.
 */
export function neighborEntries(
  topology: Pick<Topology, 'networks' | 'nodes' | 'routers' | 'pods'>,
): NeighborEntries {
  const { networks, nodes, routers, pods } = topology
  const cables = [...nodes, ...routers].flatMap(({ interfaces }) => interfaces)
  const ends = 2 * (cables.length + pods.length) + networks.length
  let meetings = 0
  for (const { name } of networks) {
    const hosts = cables.filter(({ network }) => network === name).length
    meetings += hosts * (hosts - 1)
  }
  return {
    ipv4: meetings + 2 * pods.length + ends,
    ipv6: GROUPS_PER_INTERFACE * ends,
  }
}
