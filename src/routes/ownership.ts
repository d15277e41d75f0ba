import { type Route, ROUTE_PROTOCOL, ROUTE_TABLE } from '../kernel/kernel.ts'
import { NORMAL_METRIC } from './foreign-routes.ts'

/** Host ends of pods begin with it. */
export const POD_LINK_PREFIX = 'cali'

/** The VXLAN link of a node, in Calico's words. */
export const VXLAN_LINK = 'vxlan.calico'

/** Metrics that Calico and the agent give routes of BGP: none, and IPv4ElevatedRoutePriority and IPv4NormalRoutePriority. */
const BGP_METRICS: readonly number[] = [0, 512, NORMAL_METRIC]

/**
 * Whether a route is the agent's to change or remove: those it marks as its own (BIRD's number for what
 * BGP gives, Calico's for the rest; a BIRD of the host's own uses another metric, 32 unless told
 * otherwise), and all on the host ends of pods and on vxlan.calico, where nobody
 * else has business (Calico's removeExternalRoutes). IPv6 link-local routes come with the link and are
 * left.
 */
export function isOurRoute(route: Route, linkName: (index: number) => string | undefined): boolean {
  if (route.table !== ROUTE_TABLE.main || route.destination.startsWith('fe80:')) return false
  if (route.protocol === ROUTE_PROTOCOL.felix) return true
  if (route.protocol === ROUTE_PROTOCOL.bird && BGP_METRICS.includes(route.priority)) return true
  const link = route.nextHops[0]?.linkIndex
  const name = link === undefined ? undefined : linkName(link)
  return name?.startsWith(POD_LINK_PREFIX) === true || name === VXLAN_LINK
}
