import { macFromOctets } from '../../net/mac-address.ts'
import { ipv4FromNumber } from '../../net/ip-address.ts'
import * as arp from './arp.ts'
import { dissect, type IpPacket, type Transport } from './dissect.ts'
import * as icmp from './icmp.ts'
import * as icmpv6 from './icmpv6.ts'
import { set48 } from './octets.ts'
import { IP_PROTOCOL } from './protocols.ts'
import * as tcp from './tcp.ts'

const PROTOCOL_NAMES: Readonly<Record<number, string>> = {
  [IP_PROTOCOL.icmp]: 'ICMP',
  [IP_PROTOCOL.ipip]: 'IPIP',
  [IP_PROTOCOL.tcp]: 'TCP',
  [IP_PROTOCOL.udp]: 'UDP',
  [IP_PROTOCOL.ipv6]: 'IPv6',
  [IP_PROTOCOL.gre]: 'GRE',
  [IP_PROTOCOL.icmpv6]: 'ICMPv6',
}

/** The packet as `tcpdump -v` would print it, on one line; what is no IP packet is said to be so. */
export function describe(octets: Uint8Array): string {
  const packet = dissect(octets)
  return packet === undefined ? `no IP packet, ${octets.length} octets` : tcpdumpLine(packet)
}

/** {@link describe} for a packet taken apart already. */
export function tcpdumpLine(packet: IpPacket): string {
  const header =
    packet.family === 4
      ? `IP (tos 0x${packet.typeOfService.toString(16)}, ttl ${packet.timeToLive}, ` +
        `id ${packet.identification}, offset ${packet.fragmentOffset}, flags [${flags(packet)}], ` +
        `proto ${protocolName(packet.protocol)}, length ${packet.totalLength}` +
        `${packet.headerChecksumValid === false ? ', bad cksum' : ''})`
      : `IP6 (hlim ${packet.timeToLive}, next-header ${protocolName(packet.protocol)} ` +
        `payload length: ${packet.totalLength - 40})`
  return `${header} ${endpoints(packet)}: ${describePayload(packet)}`
}

function protocolName(protocol: number): string {
  return `${PROTOCOL_NAMES[protocol] ?? 'unknown'} (${protocol})`
}

function flags(packet: IpPacket): string {
  const names = [packet.dontFragment ? 'DF' : '', packet.moreFragments ? '+' : ''].join('')
  return names === '' ? 'none' : names
}

function endpoints(packet: IpPacket): string {
  const { payload } = packet
  const hasPorts = payload.kind === 'tcp' || payload.kind === 'udp' || payload.kind === 'vxlan'
  const separator = '.'
  const source = hasPorts ? `${separator}${payload.sourcePort}` : ''
  const destination = hasPorts ? `${separator}${payload.destinationPort}` : ''
  return `${packet.source}${source} > ${packet.destination}${destination}`
}

function describePayload(packet: IpPacket): string {
  const { payload } = packet
  const length = packet.totalLength - (packet.payloadAt - packet.at)
  switch (payload.kind) {
    case 'ipip':
      return tcpdumpLine(payload.inner)
    case 'vxlan':
      return `VXLAN, flags [I] (0x08), vni ${payload.vni}, ${tcpdumpLine(payload.inner)}`
    case 'icmp':
      return (
        (packet.family === 4 ? describeIcmp(payload) : describeIcmpv6(payload)) +
        badChecksum(payload) +
        `, length ${length}`
      )
    case 'tcp': {
      const range =
        payload.dataOctets > 0
          ? `seq ${payload.sequence}:${(payload.sequence + payload.dataOctets) >>> 0}`
          : `seq ${payload.sequence}`
      const ack = (payload.flags & tcp.FLAG.ack) === 0 ? '' : `, ack ${payload.acknowledgment}`
      return (
        `Flags [${tcpFlags(payload.flags)}]${badChecksum(payload)}, ${range}${ack}, ` +
        `win ${payload.window}, length ${payload.dataOctets}`
      )
    }
    case 'udp':
      return `UDP${badChecksum(payload)}, length ${payload.dataOctets}`
    case 'other':
      return packet.fragmentOffset > 0
        ? `${protocolName(packet.protocol)}, fragment`
        : `${protocolName(packet.protocol)}, length ${length}`
  }
}

function badChecksum(payload: Transport): string {
  return payload.checksumValid === false ? ' (wrong checksum)' : ''
}

function tcpFlags(value: number): string {
  const letters =
    ((value & tcp.FLAG.fin) === 0 ? '' : 'F') +
    ((value & tcp.FLAG.syn) === 0 ? '' : 'S') +
    ((value & tcp.FLAG.rst) === 0 ? '' : 'R') +
    ((value & tcp.FLAG.psh) === 0 ? '' : 'P') +
    ((value & tcp.FLAG.ack) === 0 ? '' : '.') +
    ((value & tcp.FLAG.urg) === 0 ? '' : 'U')
  return letters === '' ? 'none' : letters
}

type Icmp = Extract<Transport, { kind: 'icmp' }>

const UNREACHABLE_NAMES: Readonly<Record<number, string>> = {
  [icmp.UNREACHABLE.network]: 'net unreachable',
  [icmp.UNREACHABLE.host]: 'host unreachable',
  [icmp.UNREACHABLE.protocol]: 'protocol unreachable',
  [icmp.UNREACHABLE.port]: 'port unreachable',
  [icmp.UNREACHABLE.fragmentationNeeded]: 'unreachable - need to frag',
  [icmp.UNREACHABLE.communicationProhibited]: 'unreachable - admin prohibited filter',
}

function describeIcmp(message: Icmp): string {
  const about = message.about === undefined ? '' : ` (about ${brief(message.about)})`
  switch (message.type) {
    case icmp.TYPE.echoRequest:
      return `ICMP echo request, id ${message.identifier}, seq ${message.sequence}`
    case icmp.TYPE.echoReply:
      return `ICMP echo reply, id ${message.identifier}, seq ${message.sequence}`
    case icmp.TYPE.timeExceeded:
      return message.code === icmp.TIME_EXCEEDED.timeToLive
        ? `ICMP time exceeded in-transit${about}`
        : `ICMP ip reassembly time exceeded${about}`
    case icmp.TYPE.destinationUnreachable: {
      const mtu = message.mtu === undefined ? '' : ` (mtu ${message.mtu})`
      return `ICMP ${UNREACHABLE_NAMES[message.code] ?? `unreachable, code ${message.code}`}${mtu}${about}`
    }
    default:
      return `ICMP type ${message.type}, code ${message.code}${about}`
  }
}

const ICMPV6_NAMES: Readonly<Record<number, string>> = {
  [icmpv6.TYPE.destinationUnreachable]: 'destination unreachable',
  [icmpv6.TYPE.packetTooBig]: 'packet too big',
  [icmpv6.TYPE.timeExceeded]: 'time exceeded in-transit',
  [icmpv6.TYPE.parameterProblem]: 'parameter problem',
  [icmpv6.TYPE.echoRequest]: 'echo request',
  [icmpv6.TYPE.echoReply]: 'echo reply',
  [icmpv6.TYPE.routerSolicitation]: 'router solicitation',
  [icmpv6.TYPE.routerAdvertisement]: 'router advertisement',
  [icmpv6.TYPE.neighborSolicitation]: 'neighbor solicitation',
  [icmpv6.TYPE.neighborAdvertisement]: 'neighbor advertisement',
}

function describeIcmpv6(message: Icmp): string {
  const name = ICMPV6_NAMES[message.type] ?? `type ${message.type}, code ${message.code}`
  const echo =
    message.identifier === undefined ? '' : `, id ${message.identifier}, seq ${message.sequence}`
  const mtu = message.mtu === undefined ? '' : ` (mtu ${message.mtu})`
  const about = message.about === undefined ? '' : ` (about ${brief(message.about)})`
  return `ICMP6, ${name}${mtu}${echo}${about}`
}

function brief(packet: IpPacket): string {
  return `${endpoints(packet)} ${PROTOCOL_NAMES[packet.protocol] ?? `protocol ${packet.protocol}`}`
}

/** An ARP message as tcpdump prints it. */
export function describeArp(octets: Uint8Array, at = 0): string {
  if (!arp.check(octets, at)) return `ARP, malformed, ${octets.length - at} octets`
  const sender = ipv4FromNumber(arp.senderAddress(octets, at))
  const target = ipv4FromNumber(arp.targetAddress(octets, at))
  if (arp.operation(octets, at) === arp.OPERATION.request) {
    return `ARP, Request who-has ${target} tell ${sender}`
  }
  const mac = new Uint8Array(6)
  set48(mac, 0, arp.senderMac(octets, at))
  return `ARP, Reply ${sender} is-at ${macFromOctets(mac)}`
}
