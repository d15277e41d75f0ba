import { type Addr, ANY6, isLinkLocalAddr, isLoopbackAddr, LOOPBACK6 } from './addr.ts'
import type { Device, LinkAddr } from './device.ts'

/**
 * The source that a packet to `destination` by this link gets (RFC 6724 section 5): an address of the
 * destination's scope, of the link before others, with the longest common prefix.
 */
export function selectAddress6(device: Device, destination: Addr): string {
  if (isLoopbackAddr(destination)) return LOOPBACK6
  const wantsLinkLocal = isLinkLocalAddr(destination) || isLinkScopedGroup(destination)
  const own = best(device.addresses6, destination, wantsLinkLocal)
  if (own !== undefined) return own
  for (const other of device.namespace.devices.values()) {
    const found = other.isLoopback ? undefined : best(other.addresses6, destination, false)
    if (found !== undefined) return found
  }
  return best(device.addresses6, destination, true) ?? ANY6
}

function isLinkScopedGroup(addr: Addr): boolean {
  return typeof addr === 'string' && (addr.charCodeAt(0) & 0xff0f) === 0xff02
}

function best(
  addresses: readonly LinkAddr[],
  destination: Addr,
  linkLocal: boolean,
): string | undefined {
  let chosen: string | undefined
  let longest = -1
  for (const each of addresses) {
    const addr = each.addr as string
    if (each.tentative || isLinkLocalAddr(addr) !== linkLocal) continue
    const length = commonBits(addr, destination as string)
    if (length > longest) [chosen, longest] = [addr, length]
  }
  return chosen
}

function commonBits(a: string, b: string): number {
  for (let unit = 0; unit < 8; unit++) {
    const difference = a.charCodeAt(unit) ^ b.charCodeAt(unit)
    if (difference !== 0) return unit * 16 + Math.clz32(difference) - 16
  }
  return 128
}
