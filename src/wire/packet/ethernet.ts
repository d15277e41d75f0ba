import { get16, get48, set16, set48 } from './octets.ts'

/** The Ethernet II header at an offset: `import * as ethernet`. Addresses are 48-bit numbers. */

export const HEADER_OCTETS = 14
export const BROADCAST = 0xffffffffffff

export function destination(octets: Uint8Array, at = 0): number {
  return get48(octets, at)
}

export function source(octets: Uint8Array, at = 0): number {
  return get48(octets, at + 6)
}

export function etherType(octets: Uint8Array, at = 0): number {
  return get16(octets, at + 12)
}

/** Whether the address is that of a group: the lowest bit of its first octet. */
export function isMulticast(address: number): boolean {
  return (Math.floor(address / 0x10000000000) & 1) === 1
}

/** Writes a header of 14 octets. */
export function write(
  octets: Uint8Array,
  at: number,
  header: { destination: number; source: number; etherType: number },
): void {
  set48(octets, at, header.destination)
  set48(octets, at + 6, header.source)
  set16(octets, at + 12, header.etherType)
}
