import { transportChecksumValid } from '../../../wire/packet/checksum.ts'
import * as icmp from '../../../wire/packet/icmp.ts'
import * as icmpv6 from '../../../wire/packet/icmpv6.ts'
import * as ipv4 from '../../../wire/packet/ipv4.ts'
import * as ipv6 from '../../../wire/packet/ipv6.ts'
import { IP_PROTOCOL } from '../../../wire/packet/protocols.ts'
import { type Addr, isMulticastAddr, readAddr6 } from '../routing/addr.ts'
import { buildPacket, routeOutput, sendLocal } from './ip-output.ts'
import { receiveNeighborMessage } from './nd-input.ts'
import type { Inbound, Namespace } from '../namespace.ts'

/** What an unreachable's code means to a socket (icmp_err_convert in net/ipv4/icmp.c). */
const UNREACHABLE_ERRNOS = [
  'ENETUNREACH',
  'EHOSTUNREACH',
  'ENOPROTOOPT',
  'ECONNREFUSED',
  'EMSGSIZE',
  'EOPNOTSUPP',
  'ENETUNREACH',
  'EHOSTDOWN',
  'ENONET',
  'ENETUNREACH',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EHOSTUNREACH',
  'EHOSTUNREACH',
  'EHOSTUNREACH',
  'EHOSTUNREACH',
] as const

/** The path MTU that routes forget after ten minutes, and the least that is believed (net/ipv4/route.c). */
const PATH_MTU_MILLISECONDS = 600_000
const LEAST_PATH_MTU = 552

/** Takes ICMP for this namespace (icmp_rcv). */
export function receiveIcmp(namespace: Namespace, packet: Inbound): boolean {
  const { counters } = namespace
  const { octets, at, end } = packet
  counters.add('Icmp.InMsgs')
  if (end - at < icmp.HEADER_OCTETS) {
    counters.add('Icmp.InErrors')
    return true
  }
  if (transportChecksumValid(octets, 0, IP_PROTOCOL.icmp, at, end) !== true) {
    counters.add('Icmp.InErrors')
    counters.add('Icmp.InCsumErrors')
    return true
  }
  switch (icmp.type(octets, at)) {
    case icmp.TYPE.echoRequest:
      counters.add('Icmp.InEchos')
      echo4(namespace, packet)
      break
    case icmp.TYPE.echoReply:
      counters.add('Icmp.InEchoReps')
      break
    case icmp.TYPE.destinationUnreachable:
      counters.add('Icmp.InDestUnreachs')
      error4(namespace, packet)
      break
    case icmp.TYPE.timeExceeded:
      counters.add('Icmp.InTimeExcds')
      error4(namespace, packet)
      break
    case icmp.TYPE.redirect:
      counters.add('Icmp.InRedirects')
      break
    default:
  }
  return true
}

/** icmp_echo and icmp_reply: the answer leaves by a route of its own, from the address that was asked. */
function echo4(namespace: Namespace, packet: Inbound): void {
  const { sysctl, counters } = namespace
  if (sysctl.number('ipv4.icmp_echo_ignore_all') !== 0) return
  const ignoresGroups = sysctl.number('ipv4.icmp_echo_ignore_broadcasts') !== 0
  const isGroup = packet.isBroadcast || isMulticastAddr(packet.destination)
  if (isGroup && ignoresGroups) return
  const message = packet.octets.slice(packet.at, packet.end)
  message[0] = icmp.TYPE.echoReply
  const source = isGroup ? undefined : packet.destination
  const route = routeOutput(namespace, { destination: packet.source, source })
  if (typeof route === 'string') return
  counters.add('Icmp.OutMsgs')
  counters.add('Icmp.OutEchoReps')
  const reply = {
    destination: packet.source,
    protocol: IP_PROTOCOL.icmp,
    payload: message,
    typeOfService: ipv4.typeOfService(packet.octets),
  }
  sendLocal(namespace, buildPacket(namespace, route.source, reply), route)
}

/** An error about a packet of ours: the socket that sent it hears of it, and path MTUs are learned. */
function error4(namespace: Namespace, packet: Inbound): void {
  const inner = packet.at + icmp.HEADER_OCTETS
  const { octets } = packet
  if (!ipv4.check(octets, inner) || inner + ipv4.headerOctets(octets, inner) + 8 > packet.end) {
    return namespace.counters.add('Icmp.InErrors')
  }
  const type = icmp.type(octets, packet.at)
  const code = icmp.code(octets, packet.at)
  const destination = ipv4.destination(octets, inner)
  let mtu: number | undefined
  if (type === icmp.TYPE.destinationUnreachable && code === icmp.UNREACHABLE.fragmentationNeeded) {
    mtu = Math.max(LEAST_PATH_MTU, icmp.nextHopMtu(octets, packet.at))
    learnPathMtu(namespace, destination, mtu)
  }
  namespace.transportErrors.get(ipv4.protocol(octets, inner))?.({
    protocol: ipv4.protocol(octets, inner),
    source: ipv4.source(octets, inner),
    destination,
    octets,
    at: inner + ipv4.headerOctets(octets, inner),
    errno:
      type === icmp.TYPE.timeExceeded
        ? 'EHOSTUNREACH'
        : (UNREACHABLE_ERRNOS[code] ?? 'EHOSTUNREACH'),
    mtu,
  })
}

function learnPathMtu(namespace: Namespace, destination: Addr, mtu: number): void {
  const until = namespace.machine.clock.now() + PATH_MTU_MILLISECONDS
  namespace.pathMtu.set(destination, { mtu, until })
}

/** Takes ICMPv6 for this namespace (icmpv6_rcv). */
export function receiveIcmpv6(namespace: Namespace, packet: Inbound): boolean {
  const { counters } = namespace
  const { octets, at, end } = packet
  counters.add('Icmp6.InMsgs')
  const isSound =
    end - at >= 4 && transportChecksumValid(octets, 0, IP_PROTOCOL.icmpv6, at, end) === true
  if (!isSound) {
    counters.add('Icmp6.InErrors')
    counters.add('Icmp6.InCsumErrors')
    return true
  }
  switch (icmpv6.type(octets, at)) {
    case icmpv6.TYPE.echoRequest:
      counters.add('Icmp6.InEchos')
      echo6(namespace, packet)
      break
    case icmpv6.TYPE.echoReply:
      counters.add('Icmp6.InEchoReplies')
      break
    case icmpv6.TYPE.neighborSolicitation:
    case icmpv6.TYPE.neighborAdvertisement:
      receiveNeighborMessage(namespace, packet)
      break
    case icmpv6.TYPE.redirect:
      counters.add('Icmp6.InRedirects')
      break
    case icmpv6.TYPE.destinationUnreachable:
      counters.add('Icmp6.InDestUnreachs')
      error6(namespace, packet)
      break
    case icmpv6.TYPE.packetTooBig:
      counters.add('Icmp6.InPktTooBigs')
      error6(namespace, packet)
      break
    case icmpv6.TYPE.timeExceeded:
      counters.add('Icmp6.InTimeExcds')
      error6(namespace, packet)
      break
    default:
  }
  return true
}

function echo6(namespace: Namespace, packet: Inbound): void {
  if (namespace.sysctl.number('ipv6.icmp.echo_ignore_all') !== 0) return
  const message = packet.octets.slice(packet.at, packet.end)
  message[0] = icmpv6.TYPE.echoReply
  const isAnycast = [...namespace.devices.values()].some(({ anycast6 }) =>
    anycast6.has(packet.destination),
  )
  const isGroup = isMulticastAddr(packet.destination) || isAnycast
  const source = isGroup ? undefined : packet.destination
  const route = routeOutput(namespace, {
    destination: packet.source,
    source,
    output: isLinkScoped(packet.source) ? packet.device : undefined,
  })
  if (typeof route === 'string') return
  namespace.counters.add('Icmp6.OutMsgs')
  namespace.counters.add('Icmp6.OutEchoReplies')
  const reply = {
    destination: packet.source,
    protocol: IP_PROTOCOL.icmpv6,
    payload: message,
    typeOfService: ipv6.trafficClass(packet.octets),
  }
  const { hop_limit: hopLimit } = route.device.conf.conf6
  sendLocal(namespace, buildPacket(namespace, route.source, reply, hopLimit), route)
}

function isLinkScoped(addr: Addr): boolean {
  return typeof addr === 'string' && (addr.charCodeAt(0) & 0xffc0) === 0xfe80
}

function error6(namespace: Namespace, packet: Inbound): void {
  const inner = packet.at + icmpv6.HEADER_OCTETS
  const { octets } = packet
  if (packet.end - inner < ipv6.HEADER_OCTETS + 8) return namespace.counters.add('Icmp6.InErrors')
  const payload = ipv6.payload(octets, inner)
  if (payload === undefined) return undefined
  const type = icmpv6.type(octets, packet.at)
  const destination = readAddr6(octets, inner + 24)
  let mtu: number | undefined
  if (type === icmpv6.TYPE.packetTooBig) {
    mtu = Math.max(1280, icmpv6.mtu(octets, packet.at))
    learnPathMtu(namespace, destination, mtu)
  }
  const code = icmpv6.code(octets, packet.at)
  return namespace.transportErrors.get(payload.protocol)?.({
    protocol: payload.protocol,
    source: readAddr6(octets, inner + 8),
    destination,
    octets,
    at: payload.at,
    errno:
      type === icmpv6.TYPE.destinationUnreachable
        ? (ERRNOS6[code] ?? 'EPROTO')
        : mtu === undefined
          ? 'EHOSTUNREACH'
          : 'EMSGSIZE',
    mtu,
  })
}

/** tab_unreach in net/ipv6/icmp.c. */
const ERRNOS6 = [
  'ENETUNREACH',
  'EACCES',
  'EHOSTUNREACH',
  'EHOSTUNREACH',
  'ECONNREFUSED',
  'EACCES',
  'EACCES',
] as const
