import { addressFromOctets, addressOctets, type IpAddress } from '../../../net/ip-address.ts'
import { ipv4FromNumber, ipv4ToNumber } from '../../../net/ip-address.ts'

/**
 * An address inside the simulation, made for maps and masks: IPv4 is its 32-bit number, IPv6 its
 * sixteen octets as eight UTF-16 units. Text appears only at the port.
 */
export type Addr = number | string

export const ANY4 = 0
export const ANY6 = '\0\0\0\0\0\0\0\0'
export const LOOPBACK6 = '\0\0\0\0\0\0\0\x01'

export function addrFromText(text: IpAddress): Addr {
  return text.includes(':') ? readAddr6(addressOctets(text), 0) : ipv4ToNumber(text)
}

export function addrToText(addr: Addr): IpAddress {
  return typeof addr === 'number' ? ipv4FromNumber(addr) : addressFromOctets(octetsOfAddr6(addr))
}

export function addrFamily(addr: Addr): 4 | 6 {
  return typeof addr === 'number' ? 4 : 6
}

export function isAny(addr: Addr): boolean {
  return addr === ANY4 || addr === ANY6
}

export function readAddr6(octets: Uint8Array, at: number): string {
  return String.fromCharCode(
    (octets[at]! << 8) | octets[at + 1]!,
    (octets[at + 2]! << 8) | octets[at + 3]!,
    (octets[at + 4]! << 8) | octets[at + 5]!,
    (octets[at + 6]! << 8) | octets[at + 7]!,
    (octets[at + 8]! << 8) | octets[at + 9]!,
    (octets[at + 10]! << 8) | octets[at + 11]!,
    (octets[at + 12]! << 8) | octets[at + 13]!,
    (octets[at + 14]! << 8) | octets[at + 15]!,
  )
}

export function octetsOfAddr6(addr: string): Uint8Array {
  const octets = new Uint8Array(16)
  for (let at = 0; at < 8; at++) {
    const unit = addr.charCodeAt(at)
    octets[at * 2] = unit >>> 8
    octets[at * 2 + 1] = unit
  }
  return octets
}

/** The address with all bits behind the first `length` cleared. */
export function maskAddr(addr: Addr, length: number): Addr {
  if (typeof addr === 'number') return length === 0 ? 0 : (addr & (-1 << (32 - length))) >>> 0
  if (length >= 128) return addr
  const whole = length >>> 4
  const rest = length & 15
  const cut = rest === 0 ? 0 : addr.charCodeAt(whole) & (0xffff << (16 - rest)) & 0xffff
  return addr.slice(0, whole) + String.fromCharCode(cut) + ANY6.slice(whole + 1)
}

/** Whether two addresses of one family agree in their first `length` bits. */
export function sameNetwork(a: Addr, b: Addr, length: number): boolean {
  return maskAddr(a, length) === maskAddr(b, length)
}

/** 224.0.0.0/4 or ff00::/8. */
export function isMulticastAddr(addr: Addr): boolean {
  return typeof addr === 'number' ? addr >>> 28 === 14 : addr.charCodeAt(0) >>> 8 === 0xff
}

/** 127.0.0.0/8 or ::1. */
export function isLoopbackAddr(addr: Addr): boolean {
  return typeof addr === 'number' ? addr >>> 24 === 127 : addr === LOOPBACK6
}

/** fe80::/10. IPv4's link-local addresses are nothing special to routing. */
export function isLinkLocalAddr(addr: Addr): boolean {
  return typeof addr === 'string' && (addr.charCodeAt(0) & 0xffc0) === 0xfe80
}

/** The multicast group at which an address listens for solicitations (RFC 4291 section 2.7.1). */
export function solicitedNode(addr: string): string {
  return (
    '\uff02\0\0\0\0\x01' +
    String.fromCharCode(0xff00 | (addr.charCodeAt(6) & 0xff), addr.charCodeAt(7))
  )
}

/** The Ethernet address of an IPv6 multicast group (RFC 2464 section 7). */
export function multicastMac6(addr: string): number {
  return 0x333300000000 + addr.charCodeAt(6) * 0x10000 + addr.charCodeAt(7)
}

/** The Ethernet address of an IPv4 multicast group (RFC 1112 section 6.4). */
export function multicastMac4(addr: number): number {
  return 0x01005e000000 + (addr & 0x7fffff)
}

/** The link-local address that Linux makes from a MAC address (RFC 4291 appendix A). */
export function linkLocalFromMac(mac: number): string {
  const high = Math.floor(mac / 0x1000000)
  const low = mac % 0x1000000
  return (
    '\ufe80\0\0\0' +
    String.fromCharCode(
      ((high >>> 8) & 0xffff) ^ 0x0200,
      ((high & 0xff) << 8) | 0xff,
      0xfe00 | (low >>> 16),
      low & 0xffff,
    )
  )
}
