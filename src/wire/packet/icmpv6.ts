import { get32, get48, set16, set32, set48 } from './octets.ts'

/**
 * ICMPv6 (RFC 4443) and neighbour discovery (RFC 4861) at an offset: `import * as icmpv6`.
 * Checksums need the IPv6 header: write them with `writeTransportChecksum` once the packet stands.
 */

export const HEADER_OCTETS = 8

/** https://www.iana.org/assignments/icmpv6-parameters */
export const TYPE = {
  destinationUnreachable: 1,
  packetTooBig: 2,
  timeExceeded: 3,
  parameterProblem: 4,
  echoRequest: 128,
  echoReply: 129,
  routerSolicitation: 133,
  routerAdvertisement: 134,
  neighborSolicitation: 135,
  neighborAdvertisement: 136,
  redirect: 137,
} as const

/** Codes of destination unreachable. */
export const UNREACHABLE = {
  noRoute: 0,
  prohibited: 1,
  beyondScope: 2,
  address: 3,
  port: 4,
} as const

const OPTION = { sourceLinkAddress: 1, targetLinkAddress: 2, redirectedHeader: 4 } as const

export function type(octets: Uint8Array, at: number): number {
  return octets[at]!
}

export function code(octets: Uint8Array, at: number): number {
  return octets[at + 1]!
}

/** Of "packet too big". */
export function mtu(octets: Uint8Array, at: number): number {
  return get32(octets, at + 4)
}

/** Errors have types below 128 (RFC 4443 section 2.1). */
export function isError(type: number): boolean {
  return type < 128
}

export interface Icmpv6Message {
  readonly type: number
  readonly code: number
  /** The 32-bit word after the checksum. */
  readonly word?: number
  readonly body: Uint8Array
}

/** Header and body; the checksum is zero until the packet stands. */
export function encode(message: Icmpv6Message): Uint8Array {
  const octets = new Uint8Array(HEADER_OCTETS + message.body.length)
  octets[0] = message.type
  octets[1] = message.code
  set32(octets, 4, message.word ?? 0)
  octets.set(message.body, HEADER_OCTETS)
  return octets
}

/** A neighbour solicitation or advertisement. */
export interface NeighborMessage {
  readonly kind: 'solicitation' | 'advertisement'
  readonly target: Uint8Array
  /** Source (solicitation) or target (advertisement) link-layer address, a 48-bit number. */
  readonly linkAddress: number | undefined
  /** Advertisement flags R, S and O (RFC 4861 section 4.4). */
  readonly router: boolean
  readonly solicited: boolean
  readonly override: boolean
}

/** Reads a solicitation or advertisement at [at, end); undefined if it is neither or malformed. */
export function decodeNeighbor(
  octets: Uint8Array,
  at: number,
  end: number,
): NeighborMessage | undefined {
  const isSolicitation = octets[at] === TYPE.neighborSolicitation
  if (!isSolicitation && octets[at] !== TYPE.neighborAdvertisement) return undefined
  if (end - at < 24 || octets[at + 1] !== 0) return undefined
  const wanted = isSolicitation ? OPTION.sourceLinkAddress : OPTION.targetLinkAddress
  let linkAddress: number | undefined
  for (let option = at + 24; option + 8 <= end;) {
    const length = octets[option + 1]! * 8
    if (length === 0) return undefined // RFC 4861 section 4.6: discard
    if (octets[option] === wanted) linkAddress = get48(octets, option + 2)
    option += length
  }
  const flags = isSolicitation ? 0 : octets[at + 4]!
  return {
    kind: isSolicitation ? 'solicitation' : 'advertisement',
    target: octets.slice(at + 8, at + 24),
    linkAddress,
    router: (flags & 0x80) !== 0,
    solicited: (flags & 0x40) !== 0,
    override: (flags & 0x20) !== 0,
  }
}

/** A solicitation or advertisement; the checksum is zero until the packet stands. */
export function encodeNeighbor(message: NeighborMessage): Uint8Array {
  const hasOption = message.linkAddress !== undefined
  const octets = new Uint8Array(24 + (hasOption ? 8 : 0))
  const isSolicitation = message.kind === 'solicitation'
  octets[0] = isSolicitation ? TYPE.neighborSolicitation : TYPE.neighborAdvertisement
  if (!isSolicitation) {
    octets[4] =
      (message.router ? 0x80 : 0) | (message.solicited ? 0x40 : 0) | (message.override ? 0x20 : 0)
  }
  octets.set(message.target, 8)
  if (message.linkAddress !== undefined) {
    set16(octets, 24, ((isSolicitation ? 1 : 2) << 8) | 1)
    set48(octets, 26, message.linkAddress)
  }
  return octets
}

/** A redirect (RFC 4861 section 4.5) with as much of the packet as fits, in units of eight octets. */
export function encodeRedirect(message: {
  readonly target: Uint8Array
  readonly destination: Uint8Array
  readonly linkAddress: number | undefined
  readonly about: Uint8Array
  readonly mostOctets: number
}): Uint8Array {
  const { linkAddress, about } = message
  const quoteAt = 40 + (linkAddress === undefined ? 0 : 8)
  const quoteOctets = Math.min(message.mostOctets - quoteAt, about.length + 8) & ~7
  const octets = new Uint8Array(quoteAt + quoteOctets)
  octets[0] = TYPE.redirect
  octets.set(message.target, 8)
  octets.set(message.destination, 24)
  if (linkAddress !== undefined) {
    set16(octets, 40, (OPTION.targetLinkAddress << 8) | 1)
    set48(octets, 42, linkAddress)
  }
  set16(octets, quoteAt, (OPTION.redirectedHeader << 8) | (quoteOctets >>> 3))
  octets.set(about.subarray(0, quoteOctets - 8), quoteAt + 8)
  return octets
}
