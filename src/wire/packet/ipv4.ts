import { adjustChecksum, internetChecksum } from './checksum.ts'
import { get16, get32, set16, set32 } from './octets.ts'

/**
 * The IPv4 header (RFC 791) at an offset: `import * as ipv4`. Call {@link check} once, then read.
 * Addresses are 32-bit numbers. Options are tolerated everywhere and written nowhere.
 */

export const HEADER_OCTETS = 20

/** Whether a whole header is there and its lengths make sense; the payload may be cut. */
export function check(octets: Uint8Array, at = 0): boolean {
  return hasHeader(octets, at) && totalLength(octets, at) >= headerOctets(octets, at)
}

/** Whether a whole header is there, whatever it says of the packet's length. */
export function hasHeader(octets: Uint8Array, at = 0): boolean {
  if (octets.length - at < HEADER_OCTETS || octets[at]! >>> 4 !== 4) return false
  const header = headerOctets(octets, at)
  return header >= HEADER_OCTETS && octets.length - at >= header
}

/** Length of the header with its options. */
export function headerOctets(octets: Uint8Array, at = 0): number {
  return (octets[at]! & 15) * 4
}

export function typeOfService(octets: Uint8Array, at = 0): number {
  return octets[at + 1]!
}

export function totalLength(octets: Uint8Array, at = 0): number {
  return get16(octets, at + 2)
}

export function identification(octets: Uint8Array, at = 0): number {
  return get16(octets, at + 4)
}

export function dontFragment(octets: Uint8Array, at = 0): boolean {
  return (octets[at + 6]! & 0x40) !== 0
}

export function moreFragments(octets: Uint8Array, at = 0): boolean {
  return (octets[at + 6]! & 0x20) !== 0
}

/** In octets, not in the header's units of eight. */
export function fragmentOffset(octets: Uint8Array, at = 0): number {
  return (get16(octets, at + 6) & 0x1fff) * 8
}

export function isFragment(octets: Uint8Array, at = 0): boolean {
  return (get16(octets, at + 6) & 0x3fff) !== 0
}

export function timeToLive(octets: Uint8Array, at = 0): number {
  return octets[at + 8]!
}

export function protocol(octets: Uint8Array, at = 0): number {
  return octets[at + 9]!
}

export function headerChecksum(octets: Uint8Array, at = 0): number {
  return get16(octets, at + 10)
}

export function source(octets: Uint8Array, at = 0): number {
  return get32(octets, at + 12)
}

export function destination(octets: Uint8Array, at = 0): number {
  return get32(octets, at + 16)
}

export function headerChecksumValid(octets: Uint8Array, at = 0): boolean {
  return internetChecksum(octets, at, at + headerOctets(octets, at)) === 0
}

/** Lowers the TTL by one in place and mends the checksum (RFC 1624). */
export function decrementTimeToLive(octets: Uint8Array, at = 0): void {
  const before = get16(octets, at + 8)
  octets[at + 8]!--
  set16(octets, at + 10, adjustChecksum(get16(octets, at + 10), before, before - 0x100))
}

/** Recomputes the header checksum in place. */
export function writeChecksum(octets: Uint8Array, at = 0): void {
  set16(octets, at + 10, 0)
  set16(octets, at + 10, internetChecksum(octets, at, at + headerOctets(octets, at)))
}

export interface Ipv4Header {
  readonly source: number
  readonly destination: number
  readonly protocol: number
  readonly timeToLive: number
  readonly typeOfService?: number
  readonly identification?: number
  readonly dontFragment?: boolean
  readonly moreFragments?: boolean
  /** In octets; a multiple of eight. */
  readonly fragmentOffset?: number
}

/** Writes a header of 20 octets for a packet of `total` octets in all, checksum included. */
export function write(octets: Uint8Array, at: number, header: Ipv4Header, total: number): void {
  octets[at] = 0x45
  octets[at + 1] = header.typeOfService ?? 0
  set16(octets, at + 2, total)
  set16(octets, at + 4, header.identification ?? 0)
  const flags =
    (header.dontFragment === true ? 0x4000 : 0) | (header.moreFragments === true ? 0x2000 : 0)
  set16(octets, at + 6, flags | ((header.fragmentOffset ?? 0) >>> 3))
  octets[at + 8] = header.timeToLive
  octets[at + 9] = header.protocol
  set32(octets, at + 12, header.source)
  set32(octets, at + 16, header.destination)
  writeChecksum(octets, at)
}

/** A whole packet: a header of 20 octets and the payload. */
export function encode(header: Ipv4Header, payload: Uint8Array): Uint8Array {
  const octets = new Uint8Array(HEADER_OCTETS + payload.length)
  octets.set(payload, HEADER_OCTETS)
  write(octets, 0, header, octets.length)
  return octets
}
