import type { NextHop } from '../kernel/kernel.ts'
import type { IpAddress } from '../net/ip-address.ts'
import { contains, covers, type Prefix } from '../net/prefix.ts'

export interface PoolEncapsulation {
  readonly cidr: Prefix
  readonly ipipMode: 'Never' | 'Always' | 'CrossSubnet'
}

/** What decides by which link packets to another node's pods leave. */
export interface Surroundings {
  readonly pools: readonly PoolEncapsulation[]
  /** Network of this node's own address: what CrossSubnet compares next hops with. */
  readonly nodeNetworks: readonly Prefix[]
  /** Index of tunl0, absent while there is none. */
  readonly tunnelLinkIndex: number | undefined
  /** How the kernel reaches an address that is no route of ours; undefined when it does not. */
  resolve(address: IpAddress): { linkIndex: number; gateway: IpAddress | undefined } | undefined
}

/**
 * How packets to a prefix go to one next hop of its route; undefined while they cannot.
 *
 * Decided here, by the node that receives the route, from the route's own next hop: inside one of my
 * networks it is reached bare, else through the tunnel (Calico's kernel export filter).
 */
export function hopTo(
  prefix: Prefix,
  nextHop: IpAddress,
  surroundings: Surroundings,
): NextHop | undefined {
  switch (encapsulationOf(prefix, nextHop, surroundings)) {
    case 'ipip':
      return tunnelHop(nextHop, surroundings.tunnelLinkIndex)
    case 'none':
      return directHop(nextHop, surroundings)
  }
}

function encapsulationOf(
  prefix: Prefix,
  nextHop: IpAddress,
  { pools, nodeNetworks }: Surroundings,
): 'none' | 'ipip' {
  const pool = pools.find(({ cidr }) => covers(cidr, prefix))
  switch (pool?.ipipMode) {
    case 'Always':
      return 'ipip'
    case 'CrossSubnet':
      return nodeNetworks.some((network) => contains(network, nextHop)) ? 'none' : 'ipip'
    case 'Never':
    case undefined:
      return 'none'
  }
}

/** `via 172.16.171.10 dev tunl0 onlink` */
function tunnelHop(nextHop: IpAddress, linkIndex: number | undefined): NextHop | undefined {
  return linkIndex === undefined ? undefined : { linkIndex, gateway: nextHop, onlink: true }
}

/** A next hop that is not on a link is reached as the kernel reaches it ("gateway recursive"). */
function directHop(nextHop: IpAddress, surroundings: Surroundings): NextHop | undefined {
  const way = surroundings.resolve(nextHop)
  return way === undefined
    ? undefined
    : { linkIndex: way.linkIndex, gateway: way.gateway ?? nextHop }
}
