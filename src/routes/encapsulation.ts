import type { NextHop } from '../kernel/kernel.ts'
import type { IpAddress } from '../net/ip-address.ts'
import { contains, covers, type Prefix } from '../net/prefix.ts'

type Mode = 'Never' | 'Always' | 'CrossSubnet'

/** At most one of the two modes is not "Never". */
export interface PoolEncapsulation {
  readonly cidr: Prefix
  readonly ipipMode: Mode
  readonly vxlanMode: Mode
  /** Its addresses are load balancers', and no pod has any. */
  readonly isOfServices?: boolean
}

/** What decides by which link packets to another node's pods leave. */
export interface Surroundings {
  readonly pools: readonly PoolEncapsulation[]
  /** Addresses of services: announced, and never in the kernel (Calico's rejectcidrs). */
  readonly serviceRanges: readonly Prefix[]
  /** Network of this node's own address: what CrossSubnet compares next hops with. */
  readonly nodeNetworks: readonly Prefix[]
  /** Index of tunl0, absent while there is none. */
  readonly tunnelLinkIndex: number | undefined
  /** Octets inside tunl0 towards nodes to which the path is narrower than it, by their addresses. */
  readonly pathMtus: Readonly<Record<IpAddress, number>>
  /** Index of vxlan.calico, absent while there is none. */
  readonly vxlanLinkIndex: number | undefined
  /** Index of the link that has this node's own address. */
  readonly uplinkIndex: number | undefined
  /** Addresses of this node, each as a prefix. */
  readonly ownAddresses: readonly Prefix[]
  /** Length of the longest prefix by which the host has a route of its own to an address; -1 for none. */
  hostRouteLength(address: IpAddress): number
  /** How the kernel reaches an address that is no route of ours; undefined when it does not. */
  resolve(address: IpAddress): { linkIndex: number; gateway: IpAddress | undefined } | undefined
}

/** Another node, as packets for its pods are sent to it. */
export interface RemoteNode {
  readonly address: IpAddress
  /** Of its vxlan.calico; undefined while it has none. */
  readonly tunnelAddress: IpAddress | undefined
}

/**
 * Whether routes to a prefix follow from whom its block belongs to, rather than from BGP: in pools with
 * VXLAN, as in Calico, where BGP may be absent and is not listened to.
 */
export function followsBlocks(prefix: Prefix, { pools }: Pick<Surroundings, 'pools'>): boolean {
  return isOfBlocks(poolOf(prefix, pools))
}

/** {@link followsBlocks} of what is in a pool, or in none. */
export function isOfBlocks(pool: PoolEncapsulation | undefined): boolean {
  return pool !== undefined && pool.vxlanMode !== 'Never'
}

/** The longest that matches. Calico lets no two overlap, but data of before may. */
export function poolOf(
  prefix: Prefix,
  pools: readonly PoolEncapsulation[],
): PoolEncapsulation | undefined {
  let longest: PoolEncapsulation | undefined
  for (const pool of pools) {
    if (!covers(pool.cidr, prefix)) continue
    if (longest === undefined || covers(longest.cidr, pool.cidr)) longest = pool
  }
  return longest
}

/**
 * How packets to a prefix go to the node that has it; undefined while they cannot.
 *
 * @param pool that the prefix is in: {@link poolOf}
 */
export function hopTo(
  pool: PoolEncapsulation | undefined,
  { address, tunnelAddress }: RemoteNode,
  surroundings: Surroundings,
): NextHop | undefined {
  switch (encapsulationOf(pool, address, surroundings)) {
    case 'ipip':
      return onlinkHop(address, surroundings.tunnelLinkIndex)
    case 'vxlan':
      return onlinkHop(tunnelAddress, surroundings.vxlanLinkIndex)
    case 'none':
      return isOfBlocks(pool)
        ? onlinkHop(address, surroundings.uplinkIndex)
        : directHop(address, surroundings)
  }
}

/**
 * Decided here, by the node that sends, from the next hop: inside one of my networks it is reached bare,
 * else through the tunnel (Calico's kernel export filter, and Felix's for VXLAN).
 */
function encapsulationOf(
  pool: PoolEncapsulation | undefined,
  nextHop: IpAddress,
  { nodeNetworks }: Surroundings,
): 'none' | 'ipip' | 'vxlan' {
  if (pool === undefined) return 'none'
  const kind = pool.vxlanMode === 'Never' ? 'ipip' : 'vxlan'
  switch (kind === 'vxlan' ? pool.vxlanMode : pool.ipipMode) {
    case 'Always':
      return kind
    case 'CrossSubnet':
      return nodeNetworks.some((network) => contains(network, nextHop)) ? 'none' : kind
    case 'Never':
      return 'none'
  }
}

/** `via 172.16.171.10 dev tunl0 onlink` */
function onlinkHop(
  gateway: IpAddress | undefined,
  linkIndex: number | undefined,
): NextHop | undefined {
  if (gateway === undefined || linkIndex === undefined) return undefined
  return { linkIndex, gateway, onlink: true }
}

/** A next hop that is not on a link is reached as the kernel reaches it ("gateway recursive"). */
function directHop(nextHop: IpAddress, surroundings: Surroundings): NextHop | undefined {
  const way = surroundings.resolve(nextHop)
  return way === undefined
    ? undefined
    : { linkIndex: way.linkIndex, gateway: way.gateway ?? nextHop }
}
