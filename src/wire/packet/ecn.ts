import * as ipv4 from './ipv4.ts'

/** Congestion marks in the last two bits of TOS and traffic class (RFC 3168). */

const MASK = 3
const CAPABLE = { second: 1, first: 2 } as const
const CONGESTED = 3

/**
 * The mark of an outer header around a packet of this TOS: the packet's own, but as if nothing had been
 * congested yet (INET_ECN_encapsulate; RFC 3168 section 9.1.1, full functionality).
 */
export function outerEcn(innerTypeOfService: number): number {
  const mark = innerTypeOfService & MASK
  return mark === CONGESTED ? CAPABLE.first : mark
}

/**
 * Marks an IPv4 packet that comes out of an outer header with what that met on its way; false where the
 * packet must be dropped: it met congestion, and its sender does not know marks (INET_ECN_decapsulate; RFC
 * 6040 section 4.2).
 */
export function mergeEcn(outerTypeOfService: number, packet: Uint8Array): boolean {
  const outer = outerTypeOfService & MASK
  const before = ipv4.typeOfService(packet)
  const inner = before & MASK
  if (outer === CONGESTED && inner === 0) return false
  const isRaised = outer === CONGESTED || (outer === CAPABLE.second && inner === CAPABLE.first)
  if (!isRaised || inner === outer) return true
  packet[1] = (before & ~MASK) | outer
  ipv4.writeChecksum(packet)
  return true
}
