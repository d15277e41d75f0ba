import { type Addr, isAny, isLinkLocalAddr, isMulticastAddr } from '../routing/addr.ts'
import type { Device } from '../links/device.ts'
import type { Namespace } from '../namespace.ts'

/**
 * Whether the way back to a packet's source leads out of another link than it came in by, or nowhere:
 * `fib saddr . iif oif missing` of nftables (nft_fib4_eval, nft_fib6_eval). Those who have no address
 * yet are let through: DHCP and duplicate address detection.
 */
export function sourceIsElsewhere(
  namespace: Namespace,
  { source, destination }: { readonly source: Addr; readonly destination: Addr },
  input: Device,
): boolean {
  if (input.isLoopback) return false
  if (isAny(source) && isForNeighbors(destination)) return false
  const hop = namespace
    .routing(typeof source === 'number' ? 4 : 6)
    .lookup({ destination: source, output: isLinkLocalAddr(source) ? input : undefined })
  if (typeof hop === 'string' || hop.route.type !== 'unicast') return true
  return !hop.route.nextHops.some(({ device }) => device === input)
}

const LIMITED_BROADCAST = 0xffffffff

/** Broadcast and the groups that no router passes on. */
function isForNeighbors(destination: Addr): boolean {
  if (typeof destination === 'number') {
    return destination === LIMITED_BROADCAST || destination >>> 8 === 0xe00000
  }
  return isLinkLocalAddr(destination) || isMulticastAddr(destination)
}
