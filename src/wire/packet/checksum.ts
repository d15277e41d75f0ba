import { get16 } from './octets.ts'
import { IP_PROTOCOL } from './protocols.ts'

/** The unfolded one's complement sum of a region (RFC 1071), to be continued or folded. */
export function sumOctets(octets: Uint8Array, start: number, end: number, initial = 0): number {
  let sum = initial
  let at = start
  for (; at + 1 < end; at += 2) sum += (octets[at]! << 8) | octets[at + 1]!
  if (at < end) sum += octets[at]! << 8
  return sum
}

/** The checksum field's value for a sum: folded to 16 bits and complemented. */
export function foldChecksum(sum: number): number {
  let folded = sum
  while (folded > 0xffff) folded = (folded % 0x10000) + Math.floor(folded / 0x10000)
  return ~folded & 0xffff
}

/** The Internet checksum of a region; 0 over a region whose checksum field is right. */
export function internetChecksum(octets: Uint8Array, start: number, end: number): number {
  return foldChecksum(sumOctets(octets, start, end))
}

/**
 * The value of a 16-bit checksum after one 16-bit word of what it covers has changed
 * (RFC 1624, equation 3).
 */
export function adjustChecksum(checksum: number, before: number, after: number): number {
  const sum = (~checksum & 0xffff) + (~before & 0xffff) + after
  const once = (sum & 0xffff) + (sum >>> 16)
  return ~((once & 0xffff) + (once >>> 16)) & 0xffff
}

/** The sum of TCP's and UDP's pseudo-header over the IPv4 header at `ipAt` (RFC 9293 section 3.1). */
export function pseudoSumIpv4(
  octets: Uint8Array,
  ipAt: number,
  protocol: number,
  length: number,
): number {
  return sumOctets(octets, ipAt + 12, ipAt + 20, protocol + length)
}

/** The sum of the pseudo-header over the IPv6 header at `ipAt` (RFC 8200 section 8.1). */
export function pseudoSumIpv6(
  octets: Uint8Array,
  ipAt: number,
  protocol: number,
  length: number,
): number {
  return sumOctets(octets, ipAt + 8, ipAt + 40, protocol + (length & 0xffff) + (length >>> 16))
}

/** The pseudo-header's sum over whichever IP header is at `ipAt`. */
export function pseudoSum(
  octets: Uint8Array,
  ipAt: number,
  protocol: number,
  length: number,
): number {
  return octets[ipAt]! >>> 4 === 4
    ? pseudoSumIpv4(octets, ipAt, protocol, length)
    : pseudoSumIpv6(octets, ipAt, protocol, length)
}

/** Where the checksum field is in the header of a transport protocol; undefined if it has none. */
export function transportChecksumOffset(protocol: number): number | undefined {
  switch (protocol) {
    case IP_PROTOCOL.icmp:
    case IP_PROTOCOL.icmpv6:
      return 2
    case IP_PROTOCOL.tcp:
      return 16
    case IP_PROTOCOL.udp:
      return 6
    default:
      return undefined
  }
}

/**
 * Whether the checksum of the ICMP, TCP or UDP message at [at, end) is right; undefined where there
 * is nothing to check: another protocol, or a UDP checksum of zero over IPv4 (RFC 768).
 */
export function transportChecksumValid(
  octets: Uint8Array,
  ipAt: number,
  protocol: number,
  at: number,
  end: number,
): boolean | undefined {
  const offset = transportChecksumOffset(protocol)
  if (offset === undefined || at + offset + 2 > end) return undefined
  if (protocol === IP_PROTOCOL.icmp) return internetChecksum(octets, at, end) === 0
  const isUnchecked =
    protocol === IP_PROTOCOL.udp && get16(octets, at + 6) === 0 && octets[ipAt]! >>> 4 === 4
  if (isUnchecked) return undefined
  return foldChecksum(sumOctets(octets, at, end, pseudoSum(octets, ipAt, protocol, end - at))) === 0
}

/** Computes and writes the checksum of the ICMP, TCP or UDP message at [at, end). */
export function writeTransportChecksum(
  octets: Uint8Array,
  ipAt: number,
  protocol: number,
  at: number,
  end: number,
): void {
  const offset = transportChecksumOffset(protocol)
  if (offset === undefined || at + offset + 2 > end) return
  octets[at + offset] = 0
  octets[at + offset + 1] = 0
  const pseudo = protocol === IP_PROTOCOL.icmp ? 0 : pseudoSum(octets, ipAt, protocol, end - at)
  let value = foldChecksum(sumOctets(octets, at, end, pseudo))
  if (value === 0 && protocol === IP_PROTOCOL.udp) value = 0xffff
  octets[at + offset] = value >>> 8
  octets[at + offset + 1] = value
}
