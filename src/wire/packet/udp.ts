import { get16, set16 } from './octets.ts'

/** The UDP header (RFC 768) at an offset: `import * as udp`. */

export const HEADER_OCTETS = 8

/** Whether a header is there and its length fits; the payload may be cut. */
export function check(octets: Uint8Array, at: number, end: number): boolean {
  return end - at >= HEADER_OCTETS && length(octets, at) >= HEADER_OCTETS
}

export function sourcePort(octets: Uint8Array, at: number): number {
  return get16(octets, at)
}

export function destinationPort(octets: Uint8Array, at: number): number {
  return get16(octets, at + 2)
}

/** Header and data. */
export function length(octets: Uint8Array, at: number): number {
  return get16(octets, at + 4)
}

/** Header and data; the checksum is zero until the packet stands. */
export function encode(
  ports: { sourcePort: number; destinationPort: number },
  data: Uint8Array,
): Uint8Array {
  const octets = new Uint8Array(HEADER_OCTETS + data.length)
  set16(octets, 0, ports.sourcePort)
  set16(octets, 2, ports.destinationPort)
  set16(octets, 4, octets.length)
  octets.set(data, HEADER_OCTETS)
  return octets
}
