import { type NextHop, type Route, ROUTE_PROTOCOL, ROUTE_TABLE } from '../kernel/kernel.ts'
import { ip, type IpAddress } from '../net/ip-address.ts'
import { contains, covers, hostPrefix, isHostPrefix, type Prefix } from '../net/prefix.ts'

/** Everything that the routes of a node follow from. */
export interface RouteInputs {
  /** Blocks that are this node's. */
  readonly blocks: readonly Prefix[]
  /** Addresses of local pods, each with the index of its host end. */
  readonly pods: readonly { readonly address: IpAddress; readonly linkIndex: number }[]
  /** Best paths that BGP learned: several next hops are equally good. */
  readonly learned: readonly { readonly prefix: Prefix; readonly nextHops: readonly IpAddress[] }[]
  readonly pools: readonly PoolEncapsulation[]
  /** Network of this node's own address: what CrossSubnet compares next hops with. */
  readonly nodeNetworks: readonly Prefix[]
  /** Index of tunl0, absent while there is none. */
  readonly tunnelLinkIndex: number | undefined
  /** Index of `lo`. */
  readonly loopbackLinkIndex: number
  /** How the kernel reaches an address that is no route of ours; undefined when it does not. */
  resolve(address: IpAddress): { linkIndex: number; gateway: IpAddress | undefined } | undefined
}

export interface PoolEncapsulation {
  readonly cidr: Prefix
  readonly ipipMode: 'Never' | 'Always' | 'CrossSubnet'
}

/**
 * The gateway of every pod on every node: an address that exists nowhere. The host's end of the veth
 * pair answers ARP for it by proxy_arp, so that all pods have the same routes.
 */
export const POD_GATEWAY = ip('169.254.1.1')

const unicast = {
  type: 'unicast',
  table: ROUTE_TABLE.main,
  priority: 0,
} as const

/**
 * The routes that should be in the main table of a node, by destination. Where two claim one
 * destination the first of these wins: a local pod, what BGP learned, a block's own blackhole.
 */
export function desiredRoutes(inputs: RouteInputs): Map<string, Route> {
  const routes = new Map<string, Route>()
  const add = (route: Route | undefined): void => {
    if (route !== undefined && !routes.has(route.destination)) routes.set(route.destination, route)
  }
  for (const { address, linkIndex } of inputs.pods) add(podRoute(address, linkIndex))
  for (const block of inputs.blocks) add(blackhole(block))
  for (const { prefix, nextHops } of inputs.learned) add(learnedRoute(prefix, nextHops, inputs))
  // Also before the first pod and after the last: a node that has a block will have pods.
  if (inputs.pods.length > 0 || inputs.blocks.length > 0) {
    // Without a route to it the kernel answers no ARP request for the gateway (arp_process() asks the
    // FIB before it looks at proxy_arp). A default route would do; not every host has one.
    add({
      ...unicast,
      destination: hostPrefix(POD_GATEWAY),
      protocol: ROUTE_PROTOCOL.felix,
      scope: 'link',
      nextHops: [{ linkIndex: inputs.loopbackLinkIndex }],
    })
  }
  return routes
}

/** `10.211.0.6 dev cali50914021272 scope link` */
export function podRoute(address: IpAddress, linkIndex: number): Route {
  return {
    ...unicast,
    destination: hostPrefix(address),
    protocol: ROUTE_PROTOCOL.boot,
    scope: 'link',
    nextHops: [{ linkIndex }],
  }
}

/**
 * `blackhole 10.211.0.0/24 proto bird`: a packet to an address of the block that no pod has ends here
 * instead of leaving by the default route. A block of one address would hide the pod itself.
 */
function blackhole(block: Prefix): Route | undefined {
  if (isHostPrefix(block)) return undefined
  return {
    destination: block,
    type: 'blackhole',
    table: ROUTE_TABLE.main,
    protocol: ROUTE_PROTOCOL.bird,
    scope: 'global',
    priority: 0,
    nextHops: [],
  }
}

/** `10.211.1.0/24 via 172.16.170.129 dev ens33 proto bird`, or `… dev tunl0 onlink`. */
function learnedRoute(
  prefix: Prefix,
  nextHops: readonly IpAddress[],
  inputs: RouteInputs,
): Route | undefined {
  const hops: NextHop[] = []
  for (const nextHop of nextHops) {
    const hop = isTunnelled(prefix, nextHop, inputs)
      ? tunnelHop(nextHop, inputs.tunnelLinkIndex)
      : directHop(nextHop, inputs)
    if (hop !== undefined) hops.push(hop)
  }
  if (hops.length === 0) return undefined
  return {
    ...unicast,
    destination: prefix,
    protocol: ROUTE_PROTOCOL.bird,
    scope: 'global',
    nextHops: hops,
  }
}

/**
 * Decided here, by the node that receives the route, from the route's own next hop: inside one of my
 * networks it is reached bare, else through the tunnel (Calico's kernel export filter).
 */
function isTunnelled(prefix: Prefix, nextHop: IpAddress, inputs: RouteInputs): boolean {
  const pool = inputs.pools.find(({ cidr }) => covers(cidr, prefix))
  switch (pool?.ipipMode) {
    case 'Always':
      return true
    case 'CrossSubnet':
      return !inputs.nodeNetworks.some((network) => contains(network, nextHop))
    case 'Never':
    case undefined:
      return false
  }
}

function tunnelHop(nextHop: IpAddress, linkIndex: number | undefined): NextHop | undefined {
  return linkIndex === undefined ? undefined : { linkIndex, gateway: nextHop, onlink: true }
}

/** A next hop that is not on a link is reached as the kernel reaches it ("gateway recursive"). */
function directHop(nextHop: IpAddress, inputs: RouteInputs): NextHop | undefined {
  const way = inputs.resolve(nextHop)
  return way === undefined
    ? undefined
    : { linkIndex: way.linkIndex, gateway: way.gateway ?? nextHop }
}
