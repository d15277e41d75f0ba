import { addressFromOctets, type IpAddress, ipv4FromNumber } from '../../net/ip-address.ts'
import { transportChecksumValid } from './checksum.ts'
import * as icmp from './icmp.ts'
import * as icmpv6 from './icmpv6.ts'
import * as ipv4 from './ipv4.ts'
import * as ipv6 from './ipv6.ts'
import { get16 } from './octets.ts'
import { IP_PROTOCOL } from './protocols.ts'
import * as tcp from './tcp.ts'
import * as udp from './udp.ts'
import * as vxlan from './vxlan.ts'

/** One IP packet taken apart, with what it carries. Built for people and traces, not for forwarding. */
export interface IpPacket {
  readonly family: 4 | 6
  readonly source: IpAddress
  readonly destination: IpAddress
  /** TTL or hop limit. */
  readonly timeToLive: number
  /** IPv4 protocol, or what follows IPv6's extension headers. */
  readonly protocol: number
  /** Of IPv4, or of an IPv6 fragment header; 0 otherwise. */
  readonly identification: number
  readonly typeOfService: number
  readonly dontFragment: boolean
  readonly moreFragments: boolean
  /** In octets. */
  readonly fragmentOffset: number
  /** Header and payload, as the header says. */
  readonly totalLength: number
  /** Where this packet and its payload begin in the octets that were given. */
  readonly at: number
  readonly payloadAt: number
  /** Whether octets that the header promises are missing (a capture that was cut). */
  readonly truncated: boolean
  /** Undefined for IPv6, which has none. */
  readonly headerChecksumValid: boolean | undefined
  readonly payload: IpPayload
}

export type IpPayload =
  | { readonly kind: 'ipip'; readonly inner: IpPacket }
  | {
      /** UDP to VXLAN's port with an Ethernet frame inside (RFC 7348) that carries IP. */
      readonly kind: 'vxlan'
      readonly sourcePort: number
      readonly destinationPort: number
      readonly vni: number
      readonly inner: IpPacket
      /** Of the outer datagram. */
      readonly checksumValid: boolean | undefined
    }
  | Transport
  /** A later fragment, a protocol that is not known here, or too little to tell. */
  | { readonly kind: 'other' }

export type Transport =
  | {
      readonly kind: 'icmp'
      readonly type: number
      readonly code: number
      /** Of echo messages. */
      readonly identifier: number | undefined
      readonly sequence: number | undefined
      /** Of "fragmentation needed" and "packet too big". */
      readonly mtu: number | undefined
      /** The packet that an error is about, as much of it as was sent back. */
      readonly about: IpPacket | undefined
      readonly checksumValid: boolean | undefined
    }
  | {
      readonly kind: 'tcp'
      readonly sourcePort: number
      readonly destinationPort: number
      readonly sequence: number
      readonly acknowledgment: number
      readonly flags: number
      readonly window: number
      readonly dataOctets: number
      readonly checksumValid: boolean | undefined
    }
  | {
      readonly kind: 'udp'
      readonly sourcePort: number
      readonly destinationPort: number
      readonly dataOctets: number
      readonly checksumValid: boolean | undefined
    }

/** How deep packets in packets are followed; IPIP in IPIP in an ICMP error is 4. */
const MOST_NESTED = 6

/**
 * The packet at `at`, or undefined if it is no IP packet or its header is not whole. Checksums of a
 * transport are judged only if all of it is there: `checksumValid` is undefined where it was cut.
 *
 * @param vxlanPorts UDP ports that are taken for VXLAN's
 */
export function dissect(
  octets: Uint8Array,
  at = 0,
  vxlanPorts = vxlan.PORTS,
): IpPacket | undefined {
  return dissectNested(octets, at, { depth: 0, vxlanPorts })
}

/** How a packet is looked into. */
interface Look {
  readonly depth: number
  readonly vxlanPorts: readonly number[]
}

const deeper = (look: Look): Look => ({ ...look, depth: look.depth + 1 })

function dissectNested(octets: Uint8Array, at: number, look: Look): IpPacket | undefined {
  if (look.depth >= MOST_NESTED) return undefined
  if (ipv4.check(octets, at) || isBig(octets, at)) return dissectIpv4(octets, at, look)
  if (ipv6.check(octets, at)) return dissectIpv6(octets, at, look)
  return undefined
}

/**
 * A TCP packet that is longer than its header can say, as hosts with BIG TCP hand it to themselves before
 * a link cuts it: its length is 0 then (Linux: iph_totlen).
 */
function isBig(octets: Uint8Array, at: number): boolean {
  return (
    ipv4.hasHeader(octets, at) &&
    ipv4.totalLength(octets, at) === 0 &&
    BIG_PROTOCOLS.has(ipv4.protocol(octets, at))
  )
}

const BIG_PROTOCOLS: ReadonlySet<number> = new Set([IP_PROTOCOL.tcp, IP_PROTOCOL.ipip])

/** 65,536 for one that says 0: it is at least that. */
const lengthOf = (octets: Uint8Array, at: number): number =>
  ipv4.totalLength(octets, at) || 0x1_0000

function dissectIpv4(octets: Uint8Array, at: number, look: Look): IpPacket {
  const totalLength = lengthOf(octets, at)
  const payloadAt = at + ipv4.headerOctets(octets, at)
  const span = {
    ipAt: at,
    at: payloadAt,
    end: Math.min(octets.length, at + totalLength),
    truncated: octets.length - at < totalLength,
    isFragment: ipv4.isFragment(octets, at),
  }
  const protocol = ipv4.protocol(octets, at)
  return {
    family: 4,
    source: ipv4FromNumber(ipv4.source(octets, at)),
    destination: ipv4FromNumber(ipv4.destination(octets, at)),
    timeToLive: ipv4.timeToLive(octets, at),
    protocol,
    identification: ipv4.identification(octets, at),
    typeOfService: ipv4.typeOfService(octets, at),
    dontFragment: ipv4.dontFragment(octets, at),
    moreFragments: ipv4.moreFragments(octets, at),
    fragmentOffset: ipv4.fragmentOffset(octets, at),
    totalLength,
    at,
    payloadAt,
    truncated: span.truncated,
    headerChecksumValid: ipv4.headerChecksumValid(octets, at),
    payload:
      ipv4.fragmentOffset(octets, at) > 0
        ? { kind: 'other' }
        : dissectPayload(octets, protocol, span, look),
  }
}

function dissectIpv6(octets: Uint8Array, at: number, look: Look): IpPacket {
  const totalLength = ipv6.HEADER_OCTETS + ipv6.payloadLength(octets, at)
  const found = ipv6.payload(octets, at)
  const payloadAt = Math.min(found?.at ?? octets.length, octets.length)
  const span = {
    ipAt: at,
    at: payloadAt,
    end: Math.min(octets.length, at + totalLength),
    truncated: octets.length - at < totalLength,
    isFragment: found?.fragment !== undefined,
  }
  const protocol = found?.protocol ?? IP_PROTOCOL.noNextHeader
  return {
    family: 6,
    source: addressFromOctets(ipv6.source(octets, at)),
    destination: addressFromOctets(ipv6.destination(octets, at)),
    timeToLive: ipv6.hopLimit(octets, at),
    protocol,
    identification: found?.fragment?.identification ?? 0,
    typeOfService: ipv6.trafficClass(octets, at),
    dontFragment: true,
    moreFragments: found?.fragment?.more ?? false,
    fragmentOffset: found?.fragment?.offset ?? 0,
    totalLength,
    at,
    payloadAt,
    truncated: span.truncated,
    headerChecksumValid: undefined,
    payload:
      (found?.fragment?.offset ?? 0) > 0
        ? { kind: 'other' }
        : dissectPayload(octets, protocol, span, look),
  }
}

interface Span {
  readonly ipAt: number
  readonly at: number
  readonly end: number
  readonly truncated: boolean
  readonly isFragment: boolean
}

function dissectPayload(octets: Uint8Array, protocol: number, span: Span, look: Look): IpPayload {
  const { at, end } = span
  switch (protocol) {
    case IP_PROTOCOL.ipip:
    case IP_PROTOCOL.ipv6: {
      const inner = span.isFragment ? undefined : dissectNested(octets, at, deeper(look))
      return inner === undefined ? { kind: 'other' } : { kind: 'ipip', inner }
    }
    case IP_PROTOCOL.icmp:
    case IP_PROTOCOL.icmpv6:
      return end - at < 8 ? { kind: 'other' } : dissectIcmp(octets, protocol, span, look)
    case IP_PROTOCOL.tcp:
      if (!tcp.check(octets, at, end)) return { kind: 'other' }
      return {
        kind: 'tcp',
        sourcePort: tcp.sourcePort(octets, at),
        destinationPort: tcp.destinationPort(octets, at),
        sequence: tcp.sequence(octets, at),
        acknowledgment: tcp.acknowledgment(octets, at),
        flags: tcp.flags(octets, at),
        window: tcp.window(octets, at),
        dataOctets: dataEnd(octets, span) - at - tcp.headerOctets(octets, at),
        checksumValid: checksumValid(octets, protocol, span),
      }
    case IP_PROTOCOL.udp:
      return udp.check(octets, at, end) ? dissectUdp(octets, span, look) : { kind: 'other' }
    default:
      return { kind: 'other' }
  }
}

function dissectUdp(octets: Uint8Array, span: Span, look: Look): IpPayload {
  const { at } = span
  const ends = {
    sourcePort: udp.sourcePort(octets, at),
    destinationPort: udp.destinationPort(octets, at),
    checksumValid: checksumValid(octets, IP_PROTOCOL.udp, span),
  }
  const frame = span.isFragment
    ? undefined
    : vxlan.innerFrame(octets, at, span.end, look.vxlanPorts)
  const inner = frame && dissectNested(octets, frame.packetAt, deeper(look))
  if (frame !== undefined && inner !== undefined) {
    return { kind: 'vxlan', ...ends, vni: frame.vni, inner }
  }
  return { kind: 'udp', ...ends, dataOctets: udp.length(octets, at) - udp.HEADER_OCTETS }
}

/** Where the packet ends by its own header, beyond what was captured. */
function dataEnd(octets: Uint8Array, span: Span): number {
  return octets[span.ipAt]! >>> 4 === 4
    ? span.ipAt + lengthOf(octets, span.ipAt)
    : span.ipAt + ipv6.HEADER_OCTETS + ipv6.payloadLength(octets, span.ipAt)
}

function checksumValid(octets: Uint8Array, protocol: number, span: Span): boolean | undefined {
  return span.truncated || span.isFragment
    ? undefined
    : transportChecksumValid(octets, span.ipAt, protocol, span.at, span.end)
}

function dissectIcmp(octets: Uint8Array, protocol: number, span: Span, look: Look): Transport {
  const { at } = span
  const isVersion6 = protocol === IP_PROTOCOL.icmpv6
  const type = octets[at]!
  const code = octets[at + 1]!
  const isEcho = isVersion6
    ? type === icmpv6.TYPE.echoRequest || type === icmpv6.TYPE.echoReply
    : type === icmp.TYPE.echoRequest || type === icmp.TYPE.echoReply
  const isError = isVersion6 ? icmpv6.isError(type) : icmp.isError(type)
  return {
    kind: 'icmp',
    type,
    code,
    identifier: isEcho ? get16(octets, at + 4) : undefined,
    sequence: isEcho ? get16(octets, at + 6) : undefined,
    mtu: icmpMtu(octets, at, isVersion6),
    about: isError ? dissectNested(octets, at + 8, deeper(look)) : undefined,
    checksumValid: checksumValid(octets, protocol, span),
  }
}

function icmpMtu(octets: Uint8Array, at: number, isVersion6: boolean): number | undefined {
  if (isVersion6) {
    return octets[at] === icmpv6.TYPE.packetTooBig ? icmpv6.mtu(octets, at) : undefined
  }
  return octets[at] === icmp.TYPE.destinationUnreachable &&
    octets[at + 1] === icmp.UNREACHABLE.fragmentationNeeded
    ? icmp.nextHopMtu(octets, at)
    : undefined
}
