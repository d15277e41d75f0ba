import { addressOctets, type Family, ip, ipv4ToNumber } from '../../src/net/ip-address.ts'
import type { CapturedPacket } from '../../src/kernel/kernel.ts'
import { writeTransportChecksum } from '../../src/wire/packet/checksum.ts'
import { dissect, type IpPacket } from '../../src/wire/packet/dissect.ts'
import * as icmp from '../../src/wire/packet/icmp.ts'
import * as icmpv6 from '../../src/wire/packet/icmpv6.ts'
import * as ipv4 from '../../src/wire/packet/ipv4.ts'
import * as ipv6 from '../../src/wire/packet/ipv6.ts'
import { get16 } from '../../src/wire/packet/octets.ts'
import { IP_PROTOCOL } from '../../src/wire/packet/protocols.ts'
import * as udp from '../../src/wire/packet/udp.ts'
import { PORT as VXLAN_PORT } from '../../src/wire/packet/vxlan.ts'
import type { Probe } from './scenario.ts'

/** The packet of a probe, by its place in the scenario. */
export function packetOf(probe: Probe, at: number, family: Family): Uint8Array {
  if (family === 6) return packetOf6(probe, at)
  const body = new Uint8Array(probe.payload).fill(0x54)
  const { protocol, message } = messageOf(probe, at, body)
  const packet = ipv4.encode(
    {
      source: probe.source === undefined ? 0 : ipv4ToNumber(ip(probe.source)),
      destination: ipv4ToNumber(ip(probe.destination)),
      protocol,
      timeToLive: probe.timeToLive,
      identification: 0x1000 + at,
      typeOfService: probe.typeOfService ?? 0,
      dontFragment: probe.dontFragment,
    },
    message,
  )
  if (protocol === 17 && probe.source !== undefined) {
    writeTransportChecksum(packet, 0, protocol, ipv4.HEADER_OCTETS, packet.length)
  }
  return packet
}

function packetOf6(probe: Probe, at: number): Uint8Array {
  const body = new Uint8Array(probe.payload).fill(0x54)
  const { protocol, message } = messageOf6(probe, at, body)
  const packet = ipv6.encode(
    {
      source: addressOctets(ip(probe.source!)),
      destination: addressOctets(ip(probe.destination)),
      nextHeader: protocol,
      hopLimit: probe.timeToLive,
    },
    message,
  )
  if (protocol !== UNKNOWN_PROTOCOL) {
    writeTransportChecksum(packet, 0, protocol, ipv6.HEADER_OCTETS, packet.length)
  }
  return packet
}

function messageOf6(
  probe: Probe,
  at: number,
  body: Uint8Array,
): { protocol: number; message: Uint8Array } {
  if (probe.protocol !== 'echo') return messageOf(probe, at, body)
  const word = ((1000 + at) << 16) | 1
  return { protocol: 58, message: icmpv6.encode({ type: 128, code: 0, word, body }) }
}

function messageOf(
  probe: Probe,
  at: number,
  body: Uint8Array,
): { protocol: number; message: Uint8Array } {
  switch (probe.protocol) {
    case 'echo': {
      const header = { type: icmp.TYPE.echoRequest, code: 0, first: 1000 + at, second: 1 }
      return { protocol: 1, message: icmp.encode({ ...header, body }) }
    }
    case 'udp': // without a checksum where the source is left to the kernel
      return {
        protocol: 17,
        message: udp.encode({ sourcePort: 40_000 + at, destinationPort: 33_434 }, body),
      }
    case 'unknown':
      return { protocol: UNKNOWN_PROTOCOL, message: body }
  }
}

/** For experiments (RFC 3692). */
const UNKNOWN_PROTOCOL = 253

/** Reports of multicast listeners and requests for routers: RFC 3810, RFC 2710 and RFC 4861. */
const OF_ITSELF6: readonly number[] = [130, 131, 132, 133, 134, 143]

/** IGMP (protocol 2), which Linux sends of its own accord and the simulation does not. */
export function isGroupReport(packet: CapturedPacket): boolean {
  if (packet.octets[0]! >>> 4 === 4) return ipv4.protocol(packet.octets) === 2
  const payload = ipv6.payload(packet.octets)
  return payload?.protocol === 58 && OF_ITSELF6.includes(packet.octets[payload.at]!)
}

/** A captured packet on one line. */
export function describe(packet: CapturedPacket): string {
  const found = dissect(packet.octets)
  const text = found === undefined ? 'no IP' : describePacket(found, packet.octets)
  return `${packet.direction} ${text}`
}

function describePacket(packet: IpPacket, octets: Uint8Array): string {
  const flags = `${packet.dontFragment ? 'DF' : ''}${packet.moreFragments ? 'MF' : ''}`
  const head =
    `${packet.source} > ${packet.destination} ttl ${packet.timeToLive} tos ${packet.typeOfService} ` +
    `id ${packet.identification} ${flags}${packet.fragmentOffset > 0 ? `@${packet.fragmentOffset}` : ''} ` +
    `proto ${packet.protocol} length ${packet.totalLength}` +
    (packet.headerChecksumValid === false && !packet.truncated ? ' bad checksum' : '')
  const { payload } = packet
  if (payload.kind === 'udp') {
    // Whoever has the first fragment of a tunnelled packet reads UDP.
    const flow = payload.destinationPort === VXLAN_PORT ? 'flow ' : ''
    return `${head} udp ${flow}${payload.sourcePort} > ${payload.destinationPort}`
  }
  if (payload.kind === 'vxlan') {
    const { sourcePort, destinationPort, vni, inner, checksumValid } = payload
    const isSound = checksumValid !== false || isLeftToLink(packet, octets)
    const ports = `udp flow ${sourcePort} > ${destinationPort} ${isSound ? '' : 'bad '}`
    return `${head} ${ports}vni ${vni} (${describePacket(inner, octets)})`
  }
  if (payload.kind === 'ipip') return `${head} ipip (${describePacket(payload.inner, octets)})`
  if (payload.kind !== 'icmp') return `${head} ${payload.kind}`
  const about =
    payload.about === undefined ? '' : ` about (${describePacket(payload.about, octets)})`
  const sound = payload.checksumValid === false ? ' bad' : ''
  const { type, code, identifier, mtu } = payload
  return `${head} icmp ${type}/${code} ${identifier ?? ''} ${mtu ?? ''}${sound}${about}`
}

/**
 * What programs do otherwise by design is left out: all of TOS goes outside, so does DF from a size on
 * (src/platform/linux/ebpf/encapsulate.ts), and nobody tells the node itself of what they could not send.
 */
export function withoutDesign(line: string, link: string): string | undefined {
  if (link === 'lo' && /icmp 3\/.*about \(.* proto 4 /.test(line)) return undefined
  return line.replaceAll(
    / tos (\d+) (id \d+) (DF)?(\S*) proto 4 length (\d+)/g,
    (_, tos: string, id: string, flag: string | undefined, rest: string, length: string) => {
      const dontFragment = Number(length) < WHOLE_OCTETS ? (flag ?? '') : ''
      return ` tos ${Number(tos) & 3} ${id} ${dontFragment}${rest} proto 4 length ${length}`
    },
  )
}

/** From here on programs set DF, with the outer header. */
const WHOLE_OCTETS = 552

/** Whether a link was to complete the UDP checksum: the sum of the pseudo-header stands there (CHECKSUM_PARTIAL). */
function isLeftToLink({ at, payloadAt }: IpPacket, octets: Uint8Array): boolean {
  const words = [12, 14, 16, 18].map((offset) => get16(octets, at + offset))
  words.push(IP_PROTOCOL.udp, get16(octets, payloadAt + 4))
  const sum = words.reduce((total, word) => total + word, 0)
  return (sum & 0xffff) + (sum >>> 16) === get16(octets, payloadAt + 6)
}

/** Identifications and the ports of VXLAN flows are the kernel's choice: numbered in the order in which a point's list is read. */
export function numbered(
  points: Readonly<Record<string, readonly string[]>>,
): Readonly<Record<string, readonly string[]>> {
  const ids = new Map<string, string>()
  const names = Object.keys(points).sort()
  return Object.fromEntries(
    names.map((name) => [
      name,
      points[name]!.map((line) =>
        line.replaceAll(/ (id|flow) (\d+) /g, (all: string, what: string, id: string) => {
          if (id === '0') return ' id 0 '
          if (!ids.has(all)) ids.set(all, String.fromCharCode(65 + (ids.size % 26)))
          return ` ${what} ${ids.get(all)} `
        }),
      ),
    ]),
  )
}
