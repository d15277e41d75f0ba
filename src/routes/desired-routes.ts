import { type NextHop, type Route, ROUTE_PROTOCOL, ROUTE_TABLE } from '../kernel/kernel.ts'
import { ip, type IpAddress } from '../net/ip-address.ts'
import {
  contains,
  covers,
  hostPrefix,
  isHostPrefix,
  type Prefix,
  prefixLength,
} from '../net/prefix.ts'
import { NORMAL_METRIC } from './foreign-routes.ts'
import {
  followsBlocks,
  hopTo,
  isOfBlocks,
  type PoolEncapsulation,
  poolOf,
  type RemoteNode,
  type Surroundings,
} from './encapsulation.ts'

/** Everything that the routes of a node follow from. */
export interface RouteInputs {
  /** Blocks that are this node's. */
  readonly blocks: ReadonlySet<Prefix>
  /** Index of the host end of each local pod, by the pod's address. */
  readonly pods: ReadonlyMap<Prefix, number>
  /** Best paths that BGP learned: several next hops are equally good. */
  readonly learned: ReadonlyMap<Prefix, readonly IpAddress[]>
  /** Blocks of other nodes, and single addresses that another node than the block's uses. */
  readonly remote: ReadonlyMap<Prefix, RemoteNode>
  readonly surroundings: Surroundings
  /** Index of `lo`. */
  readonly loopbackLinkIndex: number
}

/**
 * The gateway of every pod on every node: an address that exists nowhere. The host's end of the veth
 * pair answers ARP for it by proxy_arp, so that all pods have the same routes.
 */
export const POD_GATEWAY = ip('169.254.1.1')

/** Where the gateway of pods has its route. */
export const POD_GATEWAY_PREFIX = hostPrefix(POD_GATEWAY)

/**
 * The route to one destination that should be in the main table of a node. Where several claim the
 * destination the first of these wins: a local pod, a block's own blackhole, what BGP learned or, in
 * pools with VXLAN, what IPAM says.
 */
export function desiredRoute(destination: Prefix, inputs: RouteInputs): Route | undefined {
  const linkIndex = inputs.pods.get(destination)
  if (linkIndex !== undefined) return linkRoute(destination, linkIndex)
  // A blackhole of one address would hide the pod itself.
  const pool = poolOf(destination, inputs.surroundings.pools)
  const isOfAgent = isOfBlocks(pool)
  if (inputs.blocks.has(destination) && !isHostPrefix(destination)) {
    return blackhole(destination, isOfAgent ? ROUTE_PROTOCOL.felix : ROUTE_PROTOCOL.bird)
  }
  if (isOfAgent) return remoteRoute(destination, pool, inputs)
  const nextHops = inputs.learned.get(destination)
  if (nextHops !== undefined && whyPassedOver(destination, inputs) !== undefined) return undefined
  if (nextHops !== undefined) return learnedRoute(destination, pool, nextHops, inputs)
  return destination === POD_GATEWAY_PREFIX ? podGatewayRoute(inputs) : undefined
}

/**
 * Why what BGP learned is not for the kernel of this node, undefined where it is. Packets to services are
 * for whoever translates their addresses. A route by which its own next hop would be reached leads nowhere
 * (BIRD: "resolvable through recursive route"), unless the host has a longer one to the next hop.
 */
export function whyPassedOver(
  destination: Prefix,
  { learned, surroundings }: Pick<RouteInputs, 'learned' | 'surroundings'>,
): string | undefined {
  const { ownAddresses } = surroundings
  if (isOfServices(destination, surroundings)) return 'an address of services'
  if (ownAddresses.includes(destination)) return 'an address of this node'
  const nextHops = learned.get(destination) ?? []
  return nextHops.length > 0 && nextHops.every((hop) => leadsBack(destination, hop, surroundings))
    ? `its next hop ${nextHops[0]} is in it, and the host has no longer route there`
    : undefined
}

/** A range that was set where pods have their addresses must not cut them off. */
function isOfServices(destination: Prefix, { serviceRanges, pools }: Surroundings): boolean {
  return (
    serviceRanges.some((range) => covers(range, destination)) &&
    !pools.some(({ cidr, isOfServices }) => isOfServices !== true && covers(cidr, destination))
  )
}

function leadsBack(prefix: Prefix, nextHop: IpAddress, { hostRouteLength }: Surroundings): boolean {
  return contains(prefix, nextHop) && hostRouteLength(nextHop) <= prefixLength(prefix)
}

/** Whether other nodes have something at a destination that there should be a route to, if one can be. */
export function isCalledFor(destination: Prefix, inputs: RouteInputs): boolean {
  if (followsBlocks(destination, inputs.surroundings)) return inputs.remote.has(destination)
  return inputs.learned.has(destination) && whyPassedOver(destination, inputs) === undefined
}

/**
 * Whether a route leads into a tunnel whose outer packets the kernel cannot send to any of the nodes: it
 * trusts the gateway of such a route (onlink), and takes it all the same.
 */
export function isCutOff(
  destination: Prefix,
  { nextHops }: Pick<Route, 'nextHops'>,
  { remote, surroundings }: Pick<RouteInputs, 'remote' | 'surroundings'>,
): boolean {
  const { tunnelLinkIndex, vxlanLinkIndex } = surroundings
  const outerAddress = ({ linkIndex, gateway }: NextHop): IpAddress | undefined => {
    if (linkIndex === tunnelLinkIndex) return gateway
    return linkIndex === vxlanLinkIndex ? remote.get(destination)?.address : undefined
  }
  const isLost = (hop: NextHop): boolean => {
    const address = outerAddress(hop)
    return address !== undefined && surroundings.resolve(address) === undefined
  }
  return nextHops.length > 0 && nextHops.every(isLost)
}

/**
 * All destinations that there may be a route to, some of them twice.
 *
 * @param inputs as they are when asked: they may change while a caller pauses
 */
export function* routeDestinations(inputs: () => RouteInputs): Generator<Prefix, undefined> {
  yield* inputs().pods.keys()
  yield* inputs().blocks
  yield* inputs().learned.keys()
  yield* inputs().remote.keys()
  yield POD_GATEWAY_PREFIX
  return undefined
}

/** `10.211.0.6 dev cali50914021272 scope link` */
export function podRoute(address: IpAddress, linkIndex: number): Route {
  return linkRoute(hostPrefix(address), linkIndex)
}

function linkRoute(destination: Prefix, linkIndex: number): Route {
  return {
    destination,
    type: 'unicast',
    table: ROUTE_TABLE.main,
    protocol: ROUTE_PROTOCOL.boot,
    scope: 'link',
    priority: 0,
    nextHops: [{ linkIndex }],
  }
}

/**
 * `169.254.1.1 dev lo`: without a route to it the kernel answers no ARP request for the gateway
 * (arp_process() asks the FIB before it looks at proxy_arp). A default route would do; not every host
 * has one. Also before the first pod and after the last: a node that has a block will have pods.
 */
function podGatewayRoute({ pods, blocks, loopbackLinkIndex }: RouteInputs): Route | undefined {
  if (pods.size === 0 && blocks.size === 0) return undefined
  return {
    destination: POD_GATEWAY_PREFIX,
    type: 'unicast',
    table: ROUTE_TABLE.main,
    protocol: ROUTE_PROTOCOL.felix,
    scope: 'link',
    priority: 0,
    nextHops: [{ linkIndex: loopbackLinkIndex }],
  }
}

/**
 * `blackhole 10.211.0.0/24 proto bird`: a packet to an address of the block that no pod has ends here
 * instead of leaving by the default route. In pools with VXLAN `proto 80`.
 */
function blackhole(block: Prefix, protocol: number): Route {
  return {
    destination: block,
    type: 'blackhole',
    table: ROUTE_TABLE.main,
    protocol,
    scope: 'global',
    priority: 0,
    nextHops: [],
  }
}

/** `10.211.3.0/24 via 10.211.3.1 dev vxlan.calico proto 80 onlink`, or `via 172.16.170.129 dev ens33 …`. */
function remoteRoute(
  destination: Prefix,
  pool: PoolEncapsulation | undefined,
  { remote, surroundings }: RouteInputs,
): Route | undefined {
  const node = remote.get(destination)
  const hop = node && hopTo(pool, node, surroundings)
  if (hop === undefined) return undefined
  return {
    destination,
    type: 'unicast',
    table: ROUTE_TABLE.main,
    protocol: ROUTE_PROTOCOL.felix,
    scope: 'global',
    priority: 0,
    nextHops: [hop],
  }
}

/** `10.211.1.0/24 via 172.16.170.129 dev ens33 proto bird`, or `… dev tunl0 onlink`. */
function learnedRoute(
  prefix: Prefix,
  pool: PoolEncapsulation | undefined,
  nextHops: readonly IpAddress[],
  { surroundings }: RouteInputs,
): Route | undefined {
  // Most have one; thousands of arrays with room for more than they hold would cost.
  let hops: readonly NextHop[] = []
  let mtu: number | undefined
  for (const nextHop of nextHops) {
    if (leadsBack(prefix, nextHop, surroundings)) continue
    const hop = hopTo(pool, { address: nextHop, tunnelAddress: undefined }, surroundings)
    if (hop === undefined) continue
    hops = hops.length === 0 ? [hop] : [...hops, hop]
    const isTunnelled = hop.linkIndex === surroundings.tunnelLinkIndex
    const pathMtu = isTunnelled ? surroundings.pathMtus[nextHop] : undefined
    if (pathMtu !== undefined) mtu = Math.min(pathMtu, mtu ?? pathMtu)
  }
  if (hops.length === 0) return undefined
  return {
    destination: prefix,
    type: 'unicast',
    table: ROUTE_TABLE.main,
    protocol: ROUTE_PROTOCOL.bird,
    scope: 'global',
    // Pools are the cluster's alone. Elsewhere the host must be free to add what it likes, and win.
    priority: pool === undefined ? NORMAL_METRIC : 0,
    nextHops: hops,
    ...(mtu === undefined ? {} : { mtu }),
  }
}
