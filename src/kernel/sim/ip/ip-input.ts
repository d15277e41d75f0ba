import * as ethernet from '../../../wire/packet/ethernet.ts'
import * as icmp from '../../../wire/packet/icmp.ts'
import * as icmpv6 from '../../../wire/packet/icmpv6.ts'
import * as ipv4 from '../../../wire/packet/ipv4.ts'
import * as ipv6 from '../../../wire/packet/ipv6.ts'
import { IP_PROTOCOL } from '../../../wire/packet/protocols.ts'
import {
  isAny,
  isLinkLocalAddr,
  isLoopbackAddr,
  isMulticastAddr,
  readAddr6,
} from '../routing/addr.ts'
import { type Device, type Frame, ownOctets } from '../links/device.ts'
import { type FibNextHop, isLocalType } from '../routing/fib.ts'
import { newPacketMeta, type PacketMeta } from '../filter/filtered-packet.ts'
import { confirm, passes } from '../filter/passes.ts'
import { emit, sendError } from './ip-output.ts'
import type { Inbound, Namespace } from '../namespace.ts'
import { reassemble, reassemble6 } from './reassembly.ts'
import { sendRedirect } from './redirects.ts'
import { sendRedirect6 } from './redirects6.ts'
import { routeInput4 } from '../routing/route-input.ts'
import { translateBack } from './source-nat.ts'

/** Whom the link layer meant: us, a group, or somebody else (skb->pkt_type). */
type Addressee = 'host' | 'group' | 'other'

function addressee(device: Device, frame: Frame): Addressee {
  if (!device.needsNeighbors) return 'host'
  if (frame.destination === device.mac) return 'host'
  return ethernet.isMulticast(frame.destination) ? 'group' : 'other'
}

/** Takes an IPv4 packet that came in by a link (ip_rcv). */
export function receiveIpv4(namespace: Namespace, device: Device, frame: Frame): void {
  const to = addressee(device, frame)
  if (to === 'other') return
  const { counters } = namespace
  counters.add('Ip.InReceives')
  counters.add('IpExt.InOctets', frame.octets.length)
  if (!ipv4.check(frame.octets)) return counters.add('Ip.InHdrErrors')
  if (!ipv4.headerChecksumValid(frame.octets)) return counters.add('IpExt.InCsumErrors')
  const total = ipv4.totalLength(frame.octets)
  if (total > frame.octets.length) return counters.add('IpExt.InTruncatedPkts')
  if (total < frame.octets.length) frame.octets = frame.octets.subarray(0, total)
  const meta = newPacketMeta()
  if (!passes(namespace, 'prerouting', frame.octets, device, undefined, meta)) return
  if (namespace.packetFilter.hasSourceNat) translateBack(namespace, ownOctets(frame))
  const source = ipv4.source(frame.octets)
  const destination = ipv4.destination(frame.octets)
  // What the namespace sent to itself keeps the route it was sent by and is not judged again.
  if (frame.looped === true) return deliver4(namespace, device, frame.octets, true, true, meta)
  if (device.isLoopback && namespace.isLocal(destination)) {
    return deliver4(namespace, device, frame.octets, false, false, meta)
  }
  const route = routeInput4(namespace, device, source, destination, meta.mark)
  switch (route.kind) {
    case 'local':
      return deliver4(namespace, device, frame.octets, route.isBroadcast, to === 'group', meta)
    case 'forward':
      return to === 'host'
        ? forward4(namespace, device, frame, route.hop, route.redirect, meta)
        : undefined
    case 'error':
      return refuse4(namespace, device, frame.octets, route.errno)
    case 'martian':
      if (route.reason === 'reversePath') counters.add('TcpExt.IPReversePathFilter')
      else if (route.reason === 'destination') counters.add('Ip.InAddrErrors')
      return undefined
  }
}

/** ip_error: a router says why it did not forward; a host counts and is silent. */
function refuse4(namespace: Namespace, device: Device, octets: Uint8Array, errno: string): void {
  const { counters } = namespace
  if (device.conf.conf4.forwarding === 0) {
    if (errno === 'EHOSTUNREACH') counters.add('Ip.InAddrErrors')
    else if (errno === 'ENETUNREACH') counters.add('IpExt.InNoRoutes')
    return
  }
  const code = REFUSALS[errno]
  if (code === undefined) return
  if (errno === 'ENETUNREACH') counters.add('IpExt.InNoRoutes')
  const now = namespace.machine.clock.now()
  if (namespace.errorRate.allow(ipv4.source(octets), now, 1000, 5)) {
    sendError(namespace, octets, device, icmp.TYPE.destinationUnreachable, code)
  }
}

const REFUSALS: Readonly<Record<string, number>> = {
  EHOSTUNREACH: icmp.UNREACHABLE.host,
  ENETUNREACH: icmp.UNREACHABLE.network,
  EACCES: icmp.UNREACHABLE.communicationProhibited,
}

/** ip_forward: TTL, MTU, the forward filter, the way out. */
function forward4(
  namespace: Namespace,
  device: Device,
  frame: Frame,
  hop: FibNextHop,
  redirect: boolean,
  meta: PacketMeta,
): void {
  const { counters } = namespace
  if (ipv4.timeToLive(frame.octets) <= 1) {
    counters.add('Ip.InHdrErrors')
    return sendError(namespace, frame.octets, device, icmp.TYPE.timeExceeded, 0)
  }
  const output = hop.device!
  const mtu = hop.route.mtu ?? output.mtu
  counters.add('Ip.ForwDatagrams')
  if (frame.octets.length > mtu && ipv4.dontFragment(frame.octets)) {
    counters.add('Ip.FragFails')
    return sendError(namespace, frame.octets, device, icmp.TYPE.destinationUnreachable, 4, mtu)
  }
  const octets = ownOctets(frame)
  ipv4.decrementTimeToLive(octets)
  if (redirect) sendRedirect(namespace, octets, device, hop)
  if (!passes(namespace, 'forward', octets, device, output, meta)) return
  emit(namespace, octets, output, hop.via, hop, device, meta)
}

/** ip_local_deliver: reassembly, the input filter, the transport. */
function deliver4(
  namespace: Namespace,
  device: Device,
  octets: Uint8Array,
  isBroadcast: boolean,
  isLinkGroup: boolean,
  meta: PacketMeta,
): void {
  const whole = ipv4.isFragment(octets) ? reassemble(namespace, device, octets) : octets
  if (whole === undefined) return
  const at = ipv4.headerOctets(whole)
  deliver(namespace, {
    family: 4,
    device,
    octets: whole,
    source: ipv4.source(whole),
    destination: ipv4.destination(whole),
    protocol: ipv4.protocol(whole),
    timeToLive: ipv4.timeToLive(whole),
    at,
    end: ipv4.totalLength(whole),
    isBroadcast,
    isLinkGroup,
    meta,
  })
}

function deliver(namespace: Namespace, packet: Inbound): void {
  const { counters } = namespace
  if (!passes(namespace, 'input', packet.octets, packet.device, undefined, packet.meta)) return
  confirm(namespace, packet.octets, packet.octets, packet.meta)
  const isVersion4 = packet.family === 4
  const transport = namespace.transports.get(packet.protocol)
  if (transport !== undefined && transport(packet)) {
    counters.add(isVersion4 ? 'Ip.InDelivers' : 'Ip6.InDelivers')
    return
  }
  counters.add(isVersion4 ? 'Ip.InUnknownProtos' : 'Ip6.InUnknownProtos')
  if (packet.isBroadcast || packet.isLinkGroup) return
  if (isVersion4) {
    sendError(namespace, packet.octets, packet.device, icmp.TYPE.destinationUnreachable, 2)
  } else {
    const nextHeaderAt = 6
    sendError(
      namespace,
      packet.octets,
      packet.device,
      icmpv6.TYPE.parameterProblem,
      1,
      nextHeaderAt,
    )
  }
}

/** Takes an IPv6 packet that came in by a link (ipv6_rcv). */
export function receiveIpv6(namespace: Namespace, device: Device, frame: Frame): void {
  const to = addressee(device, frame)
  if (to === 'other' || device.conf.conf6.disable_ipv6 !== 0) return
  const { counters } = namespace
  counters.add('Ip6.InReceives')
  const { octets } = frame
  if (!ipv6.check(octets)) return counters.add('Ip6.InHdrErrors')
  const total = ipv6.HEADER_OCTETS + ipv6.payloadLength(octets)
  if (total > octets.length) return counters.add('Ip6.InTruncatedPkts')
  const meta = newPacketMeta()
  if (!passes(namespace, 'prerouting', octets, device, undefined, meta)) return
  const source = readAddr6(octets, 8)
  const destination = readAddr6(octets, 24)
  if (isMulticastAddr(source)) return counters.add('Ip6.InHdrErrors')
  if (!device.isLoopback && (isLoopbackAddr(source) || isLoopbackAddr(destination))) {
    return counters.add('Ip6.InHdrErrors')
  }
  if (isMulticastAddr(destination)) return deliver6(namespace, device, octets, total, true, meta)
  if (device.isLoopback && namespace.isLocal(destination)) {
    return deliver6(namespace, device, octets, total, false, meta)
  }
  const input = isLinkLocalAddr(destination) ? device : undefined
  const flow = { destination, source, input: device, output: input, mark: meta.mark }
  const hop = namespace.routing6.lookup(flow)
  if (typeof hop !== 'string' && isLocalType(hop.route.type)) {
    const isOurs =
      !isLinkLocalAddr(destination) ||
      device.anycast6.has(destination) ||
      device.addresses6.some((each) => each.addr === destination)
    return isOurs ? deliver6(namespace, device, octets, total, to === 'group', meta) : undefined
  }
  if (isOwnTentative(device, destination)) return undefined
  // Where there is no way a host that does not forward says so too (ip6_pkt_discard).
  if (typeof hop === 'string') return refuse6(namespace, device, octets, hop, to === 'host')
  if (namespace.sysctl.all.conf6.forwarding === 0) return counters.add('Ip6.InAddrErrors')
  if (to !== 'host' || isAny(source)) return undefined
  return forward6(namespace, device, frame, hop, meta)
}

function isOwnTentative(device: Device, destination: string): boolean {
  return device.addresses6.some((each) => each.tentative && each.addr === destination)
}

function refuse6(
  namespace: Namespace,
  device: Device,
  octets: Uint8Array,
  errno: string,
  mayAnswer: boolean,
): void {
  if (errno === 'EINVAL') return // a blackhole does not even count
  namespace.counters.add('Ip6.InNoRoutes')
  const { prohibited, noRoute } = icmpv6.UNREACHABLE
  const code = errno === 'EACCES' ? prohibited : noRoute
  if (mayAnswer) {
    sendError(namespace, octets, device, icmpv6.TYPE.destinationUnreachable, code)
  }
}

/** ip6_forward. */
function forward6(
  namespace: Namespace,
  device: Device,
  frame: Frame,
  hop: FibNextHop,
  meta: PacketMeta,
): void {
  const { counters } = namespace
  if (ipv6.hopLimit(frame.octets) <= 1) {
    counters.add('Ip6.InHdrErrors')
    return sendError(namespace, frame.octets, device, icmpv6.TYPE.timeExceeded, 0)
  }
  const output = hop.device!
  if (output === device) sendRedirect6(namespace, frame.octets, hop)
  else if (isLinkLocalAddr(readAddr6(frame.octets, 8))) {
    counters.add('Ip6.InAddrErrors')
    const { beyondScope } = icmpv6.UNREACHABLE
    return sendError(
      namespace,
      frame.octets,
      device,
      icmpv6.TYPE.destinationUnreachable,
      beyondScope,
    )
  }
  const mtu = hop.route.mtu ?? output.mtu
  counters.add('Ip6.OutForwDatagrams')
  if (frame.octets.length > mtu) {
    counters.add('Ip6.InTooBigErrors')
    return sendError(namespace, frame.octets, device, icmpv6.TYPE.packetTooBig, 0, mtu)
  }
  const octets = ownOctets(frame)
  octets[7]!--
  if (!passes(namespace, 'forward', octets, device, output, meta)) return
  emit(namespace, octets, output, hop.via, hop, device, meta)
}

function deliver6(
  namespace: Namespace,
  device: Device,
  octets: Uint8Array,
  end: number,
  isBroadcast: boolean,
  meta: PacketMeta,
): void {
  const payload = ipv6.payload(octets)
  if (payload === undefined) return namespace.counters.add('Ip6.InHdrErrors')
  if (payload.fragment !== undefined) {
    const { identification } = payload.fragment
    const whole = reassemble6(namespace, device, octets, identification)
    return whole && deliver6(namespace, device, whole, whole.length, isBroadcast, meta)
  }
  deliver(namespace, {
    family: 6,
    device,
    octets,
    source: readAddr6(octets, 8),
    destination: readAddr6(octets, 24),
    protocol: payload.protocol,
    timeToLive: ipv6.hopLimit(octets),
    at: payload.at,
    end,
    isBroadcast,
    isLinkGroup: isBroadcast,
    meta,
  })
}

/** Protocol 4 arrived and there is no tunnel for it: tunnel4_rcv answers so. */
export function refuseTunnel(namespace: Namespace, packet: Inbound): void {
  if (packet.protocol === IP_PROTOCOL.ipip && !packet.isBroadcast && !packet.isLinkGroup) {
    sendError(
      namespace,
      packet.octets,
      packet.device,
      icmp.TYPE.destinationUnreachable,
      icmp.UNREACHABLE.port,
    )
  }
}
