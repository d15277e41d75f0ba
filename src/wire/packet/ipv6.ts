import { get16, get32, set16, set32 } from './octets.ts'
import { IP_PROTOCOL } from './protocols.ts'

/** The IPv6 header (RFC 8200) at an offset: `import * as ipv6`. Addresses are views of 16 octets. */

export const HEADER_OCTETS = 40

/** Whether a whole header is there; the payload may be cut. */
export function check(octets: Uint8Array, at = 0): boolean {
  return octets.length - at >= HEADER_OCTETS && octets[at]! >>> 4 === 6
}

export function trafficClass(octets: Uint8Array, at = 0): number {
  return (get16(octets, at) >>> 4) & 0xff
}

export function payloadLength(octets: Uint8Array, at = 0): number {
  return get16(octets, at + 4)
}

export function nextHeader(octets: Uint8Array, at = 0): number {
  return octets[at + 6]!
}

export function hopLimit(octets: Uint8Array, at = 0): number {
  return octets[at + 7]!
}

export function source(octets: Uint8Array, at = 0): Uint8Array {
  return octets.subarray(at + 8, at + 24)
}

export function destination(octets: Uint8Array, at = 0): Uint8Array {
  return octets.subarray(at + 24, at + 40)
}

/** What stands behind the extension headers. */
export interface Ipv6Payload {
  readonly protocol: number
  readonly at: number
  /** The fragment header's fields, if there was one. */
  readonly fragment?: {
    readonly offset: number
    readonly more: boolean
    readonly identification: number
  }
}

/** Walks the extension headers; undefined if they run past the end or are too many to be honest. */
export function payload(octets: Uint8Array, at = 0): Ipv6Payload | undefined {
  let protocol = nextHeader(octets, at)
  let next = at + HEADER_OCTETS
  let fragment: Ipv6Payload['fragment']
  for (let count = 0; count < 8; count++) {
    const isFragment = protocol === IP_PROTOCOL.fragment
    const isOptions =
      protocol === IP_PROTOCOL.hopByHop ||
      protocol === IP_PROTOCOL.routing ||
      protocol === IP_PROTOCOL.destinationOptions
    if (!isFragment && !isOptions) {
      return fragment === undefined ? { protocol, at: next } : { protocol, at: next, fragment }
    }
    if (next + 8 > octets.length) return undefined
    if (isFragment) {
      const field = get16(octets, next + 2)
      fragment = {
        offset: field & 0xfff8,
        more: (field & 1) === 1,
        identification: get32(octets, next + 4),
      }
    }
    protocol = octets[next]!
    next += isFragment ? 8 : (octets[next + 1]! + 1) * 8
    if (fragment !== undefined && fragment.offset > 0) return { protocol, at: next, fragment }
  }
  return undefined
}

export interface Ipv6Header {
  readonly source: Uint8Array
  readonly destination: Uint8Array
  readonly nextHeader: number
  readonly hopLimit: number
  readonly trafficClass?: number
  readonly flowLabel?: number
}

/** Writes a header of 40 octets for a payload of `length` octets. */
export function write(octets: Uint8Array, at: number, header: Ipv6Header, length: number): void {
  set32(octets, at, 0x60000000 | ((header.trafficClass ?? 0) << 20) | (header.flowLabel ?? 0))
  set16(octets, at + 4, length)
  octets[at + 6] = header.nextHeader
  octets[at + 7] = header.hopLimit
  octets.set(header.source, at + 8)
  octets.set(header.destination, at + 24)
}

/** A whole packet without extension headers. */
export function encode(header: Ipv6Header, payload: Uint8Array): Uint8Array {
  const octets = new Uint8Array(HEADER_OCTETS + payload.length)
  write(octets, 0, header, payload.length)
  octets.set(payload, HEADER_OCTETS)
  return octets
}
