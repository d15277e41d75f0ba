import { hex } from '../../lib/bytes.ts'
import type { Random } from '../../lib/random.ts'
import { addressOctets, familyOf, type IpAddress, ipv4ToNumber } from '../../net/ip-address.ts'
import { writeTransportChecksum } from '../../wire/packet/checksum.ts'
import * as icmp from '../../wire/packet/icmp.ts'
import * as icmpv6 from '../../wire/packet/icmpv6.ts'
import * as ipv4 from '../../wire/packet/ipv4.ts'
import * as ipv6 from '../../wire/packet/ipv6.ts'
import { IP_PROTOCOL } from '../../wire/packet/protocols.ts'

/** What tells the packets of one trace from all others, wherever and however they are wrapped. */
export interface ProbeIdentity {
  readonly source: IpAddress
  readonly destination: IpAddress
  /** ICMP echo identifier. */
  readonly identifier: number
  /** The first octets of the payload; the answer carries them back. */
  readonly marker: Uint8Array
  /** Length of the packet, its IP header included. */
  readonly octets: number
  readonly ttl: number
  readonly dontFragment: boolean
}

const MARKER_OCTETS = 16
/** Headers and marker. */
export const PROBE_OCTETS_MIN = { 4: 20 + 8 + MARKER_OCTETS, 6: 40 + 8 + MARKER_OCTETS } as const
/** What `ping` sends: 56 octets of payload. */
export const PROBE_OCTETS = { 4: 84, 6: 104 } as const

/** The identity of a new trace: identifier and marker are random, so that traces do not meet. */
export function newProbe(
  ends: { readonly source: IpAddress; readonly destination: IpAddress },
  options: { readonly octets: number; readonly ttl: number; readonly dontFragment: boolean },
  random: Random,
): ProbeIdentity {
  const identifier = 1 + random.below(0xfffe)
  return { ...ends, ...options, identifier, marker: random.bytes(MARKER_OCTETS) }
}

/** The echo request of a try, hexadecimal; `sequence` counts tries from 1. */
export function probePacket(probe: ProbeIdentity, sequence: number): string {
  return hex(familyOf(probe.source) === 4 ? packet4(probe, sequence) : packet6(probe, sequence))
}

function body(probe: ProbeIdentity, headers: number): Uint8Array {
  const octets = new Uint8Array(Math.max(MARKER_OCTETS, probe.octets - headers))
  octets.set(probe.marker)
  return octets
}

function packet4(probe: ProbeIdentity, sequence: number): Uint8Array {
  const message = icmp.encode({
    type: icmp.TYPE.echoRequest,
    code: 0,
    first: probe.identifier,
    second: sequence,
    body: body(probe, ipv4.HEADER_OCTETS + icmp.HEADER_OCTETS),
  })
  const header = {
    source: ipv4ToNumber(probe.source),
    destination: ipv4ToNumber(probe.destination),
    protocol: IP_PROTOCOL.icmp,
    timeToLive: probe.ttl,
    // Never 0: for that the kernel would choose one of its own (raw(7)).
    identification: (probe.identifier + sequence) & 0xffff || 1,
    dontFragment: probe.dontFragment,
  }
  return ipv4.encode(header, message)
}

function packet6(probe: ProbeIdentity, sequence: number): Uint8Array {
  const message = icmpv6.encode({
    type: icmpv6.TYPE.echoRequest,
    code: 0,
    word: probe.identifier * 0x10000 + sequence,
    body: body(probe, ipv6.HEADER_OCTETS + icmpv6.HEADER_OCTETS),
  })
  const header = {
    source: addressOctets(probe.source),
    destination: addressOctets(probe.destination),
    nextHeader: IP_PROTOCOL.icmpv6,
    hopLimit: probe.ttl,
  }
  const packet = ipv6.encode(header, message)
  writeTransportChecksum(packet, 0, IP_PROTOCOL.icmpv6, ipv6.HEADER_OCTETS, packet.length)
  return packet
}
