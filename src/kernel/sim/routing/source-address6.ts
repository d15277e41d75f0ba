import { type Addr, ANY6, isLinkLocalAddr, isLoopbackAddr, LOOPBACK6 } from './addr.ts'
import type { Device } from '../links/device.ts'

/**
 * The source that a packet to `destination` by this link gets (RFC 6724 section 5): an address of the
 * destination's scope, of the link before others, with the longest common prefix within its own.
 */
export function selectAddress6(device: Device, destination: Addr): string {
  if (isLoopbackAddr(destination)) return LOOPBACK6
  if (isLinkLocalAddr(destination) || isLinkScopedGroup(destination)) {
    return best(device, [device], destination, true) ?? ANY6
  }
  const devices = [device, ...device.namespace.devices.values()]
  const global = best(device, devices, destination, false)
  return global ?? best(device, devices, destination, true) ?? LOOPBACK6
}

function isLinkScopedGroup(addr: Addr): boolean {
  return typeof addr === 'string' && (addr.charCodeAt(0) & 0xff0f) === 0xff02
}

/** The first of those that score best: on the outgoing link before the others (rule 5), then by prefix (rule 8). */
function best(
  output: Device,
  devices: readonly Device[],
  destination: Addr,
  linkLocal: boolean,
): string | undefined {
  let chosen: string | undefined
  let highest = -1
  for (const device of devices) {
    for (const each of device.addresses6) {
      const addr = each.addr as string
      if (each.tentative || addr === LOOPBACK6 || isLinkLocalAddr(addr) !== linkLocal) continue
      // What is behind the prefix says nothing (ipv6_get_saddr_eval caps it).
      const common = Math.min(commonBits(addr, destination as string), each.length)
      const score = (addr === destination ? 512 : 0) + (device === output ? 256 : 0) + common
      if (score > highest) [chosen, highest] = [addr, score]
    }
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
