import { ETHER_TYPE, IP_PROTOCOL } from '../../../wire/packet/protocols.ts'
import { writeTransportChecksum } from '../../../wire/packet/checksum.ts'
import * as ethernet from '../../../wire/packet/ethernet.ts'
import { fragmentIpv4 } from '../../../wire/packet/ipv4-fragments.ts'
import { fragmentIpv6 } from '../../../wire/packet/ipv6-fragments.ts'
import * as icmp from '../../../wire/packet/icmp.ts'
import * as icmpv6 from '../../../wire/packet/icmpv6.ts'
import * as ipv4 from '../../../wire/packet/ipv4.ts'
import * as ipv6 from '../../../wire/packet/ipv6.ts'
import {
  type Addr,
  isLinkLocalAddr,
  isLoopbackAddr,
  isMulticastAddr,
  multicastMac4,
  multicastMac6,
  octetsOfAddr6,
  readAddr6,
} from '../routing/addr.ts'
import type { Device } from '../links/device.ts'
import { type FibNextHop, isLocalType } from '../routing/fib.ts'
import { newPacketMeta, type PacketMeta } from '../filter/filtered-packet.ts'
import { confirm, passes } from '../filter/passes.ts'
import { sendIcmpError } from './icmp-errors.ts'
import { addressType, type Namespace } from '../namespace.ts'
import { translateSource } from './source-nat.ts'
import { type NoRoute, selectAddress4 } from '../routing/routing.ts'
import { selectAddress6 } from '../routing/source-address6.ts'

/** Where a packet of the namespace's own would go and which source it would have. */
export interface OutputRoute {
  readonly hop: FibNextHop
  readonly device: Device
  readonly gateway: Addr | undefined
  readonly source: Addr
}

/** The way and the source for a packet of the namespace's own (ip_route_output_key). */
export function routeOutput(
  namespace: Namespace,
  flow: {
    destination: Addr
    source?: Addr | undefined
    output?: Device | undefined
    mark?: number
  },
): OutputRoute | NoRoute {
  // Nobody sends IPv4 from an address that is not his (ip_route_output_key_hash_rcu).
  const { source: from } = flow
  if (typeof from === 'number' && from !== 0 && addressType(namespace, from) !== 'local') {
    return 'EINVAL'
  }
  const routing = namespace.routing(typeof flow.destination === 'number' ? 4 : 6)
  const hop = routing.lookup(flow)
  if (typeof hop === 'string') return hop
  const { route } = hop
  if (isLocalType(route.type)) {
    const own =
      route.type === 'anycast' ? selectAddress6(hop.device!, flow.destination) : flow.destination
    const source = flow.source ?? route.preferredSource ?? own
    return { hop, device: namespace.loopback, gateway: undefined, source }
  }
  const device = hop.device
  if (device === undefined) return 'ENETUNREACH'
  if (flow.source !== undefined && !maySend(device, flow.source)) return 'EINVAL'
  const source = flow.source ?? route.preferredSource ?? chooseSource(device, flow.destination, hop)
  const gateway = flow.destination === LIMITED_BROADCAST ? undefined : hop.via
  return { hop, device, gateway, source }
}

/** Loopback addresses do not leave the host (__mkroute_output). */
function maySend(device: Device, source: Addr): boolean {
  if (typeof source !== 'number' || !isLoopbackAddr(source) || device.isLoopback) return true
  const all = device.namespace.sysctl.all.conf4.route_localnet
  return device.conf.conf4.route_localnet !== 0 || all !== 0
}

/** 255.255.255.255 is a broadcast whatever route leads to it (__mkroute_output). */
const LIMITED_BROADCAST = 0xffffffff

function chooseSource(device: Device, destination: Addr, hop: FibNextHop): Addr {
  if (typeof destination === 'number') {
    const gateway = typeof hop.gateway === 'number' ? hop.gateway : undefined
    return selectAddress4(device, gateway, hop.route.scope) ?? 0
  }
  return selectAddress6(device, destination)
}

/** The largest packet that may leave by a route, path MTU discovery included. */
export function outputMtu(namespace: Namespace, route: OutputRoute, destination: Addr): number {
  const learned = namespace.pathMtu.get(destination)
  const own = route.hop.route.mtu ?? route.device.mtu
  if (learned === undefined || learned.until < namespace.machine.clock.now()) return own
  return Math.min(learned.mtu, own)
}

/** Sends a whole packet of the namespace's own (ip_local_out). Who calls has routed it. */
export function sendLocal(namespace: Namespace, octets: Uint8Array, route: OutputRoute): void {
  const isVersion4 = octets[0]! >>> 4 === 4
  namespace.counters.add(isVersion4 ? 'Ip.OutRequests' : 'Ip6.OutRequests')
  const meta = newPacketMeta()
  if (!passes(namespace, 'output', octets, undefined, route.device, meta)) return
  const isBroadcast =
    route.hop.route.type === 'broadcast' ||
    (isVersion4 && ipv4.destination(octets) === LIMITED_BROADCAST)
  if (isBroadcast) {
    // ip_mc_output: the sender hears its own broadcasts; captures do not (PACKET_LOOPBACK).
    const copy = octets.slice()
    const frame = { destination: ethernet.BROADCAST, source: 0, octets: copy, shared: false }
    namespace.machine.deliver(route.device, { etherType: ETHER_TYPE.ipv4, looped: true, ...frame })
  }
  emit(namespace, octets, route.device, route.gateway, route.hop, undefined, meta)
}

/**
 * Puts a packet on a link: source NAT, fragments, the neighbour (ip_output and what follows).
 * @param input the link that a forwarded packet came by; undefined for the namespace's own
 */
export function emit(
  namespace: Namespace,
  octets: Uint8Array,
  device: Device,
  gateway: Addr | undefined,
  hop: FibNextHop,
  input: Device | undefined,
  meta: PacketMeta,
): void {
  if (!passes(namespace, 'postrouting', octets, input, device, meta)) return
  const isVersion4 = octets[0]! >>> 4 === 4
  if (!isVersion4) {
    confirm(namespace, octets, octets, meta)
    emit6(namespace, octets, device, gateway, hop, input)
    return
  }
  const destination = ipv4.destination(octets)
  const before = meta.tracked === undefined ? octets : octets.slice()
  translateSource(namespace, octets, device, gateway ?? destination, input, meta)
  confirm(namespace, before, octets, meta)
  const mtu =
    input === undefined
      ? outputMtu(namespace, { hop, device, gateway, source: 0 }, destination)
      : (hop.route.mtu ?? device.mtu)
  if (octets.length <= mtu) {
    toLink(namespace, octets, device, gateway ?? destination, hop.route.type === 'broadcast', input)
    return
  }
  if (ipv4.dontFragment(octets)) {
    namespace.counters.add('Ip.FragFails')
    sendError(namespace, octets, input, icmp.TYPE.destinationUnreachable, 4, mtu)
    return
  }
  const fragments = fragmentIpv4(octets, mtu)
  namespace.counters.add('Ip.FragOKs')
  namespace.counters.add('Ip.FragCreates', fragments.length)
  for (const fragment of fragments) {
    toLink(
      namespace,
      fragment,
      device,
      gateway ?? destination,
      hop.route.type === 'broadcast',
      input,
    )
  }
}

function emit6(
  namespace: Namespace,
  octets: Uint8Array,
  device: Device,
  gateway: Addr | undefined,
  hop: FibNextHop,
  input: Device | undefined,
): void {
  const destination = readAddr6(octets, 24)
  const send = (packet: Uint8Array): void =>
    toLink(namespace, packet, device, gateway ?? destination, false, input)
  if (input !== undefined) {
    if (octets.length <= device.mtu) return send(octets)
    return sendError(namespace, octets, input, icmpv6.TYPE.packetTooBig, 0, device.mtu)
  }
  // Who sends a packet may cut it, who forwards it may not (ip6_finish_output, ip6_fragment).
  const mtu = outputMtu(namespace, { hop, device, gateway, source: 0 }, destination)
  if (octets.length <= mtu) return send(octets)
  const fragments = fragmentIpv6(octets, mtu, namespace.machine.random.below(2 ** 32))
  namespace.counters.add('Ip6.FragOKs')
  namespace.counters.add('Ip6.FragCreates', fragments.length)
  for (const fragment of fragments) send(fragment)
}

function toLink(
  namespace: Namespace,
  octets: Uint8Array,
  device: Device,
  nextHop: Addr,
  isBroadcast: boolean,
  input: Device | undefined,
): void {
  const etherType = octets[0]! >>> 4 === 4 ? ETHER_TYPE.ipv4 : ETHER_TYPE.ipv6
  if (!device.needsNeighbors) {
    device.send({ etherType, destination: 0, source: 0, octets, shared: false, nextHop })
    return
  }
  const source = device.mac!
  if (isBroadcast || nextHop === 0xffffffff) {
    device.send({ etherType, destination: ethernet.BROADCAST, source, octets, shared: false })
  } else if (isMulticastAddr(nextHop)) {
    const destination =
      typeof nextHop === 'number' ? multicastMac4(nextHop) : multicastMac6(nextHop)
    device.send({ etherType, destination, source, octets, shared: false })
  } else {
    const table = namespace.neighbors(typeof nextHop === 'number' ? 4 : 6)
    table.output(device, nextHop, { etherType, octets, input }, source)
  }
}

/** Builds and sends a packet of the namespace's own; what cannot be routed is dropped and counted. */
export function sendPayload(
  namespace: Namespace,
  packet: {
    source: Addr | undefined
    destination: Addr
    protocol: number
    payload: Uint8Array
    timeToLive?: number
    typeOfService?: number
    dontFragment?: boolean
    output?: Device | undefined
  },
): OutputRoute | NoRoute {
  const route = routeOutput(namespace, packet)
  if (typeof route === 'string') {
    namespace.counters.add(
      typeof packet.destination === 'number' ? 'Ip.OutNoRoutes' : 'Ip6.OutNoRoutes',
    )
    return route
  }
  const octets = buildPacket(namespace, route.source, packet, route.device.conf.conf6.hop_limit)
  sendLocal(namespace, octets, route)
  return route
}

/** An IP packet around a transport message, whose header may come apart, both checksums written. */
export function buildPacket(
  namespace: Namespace,
  source: Addr,
  packet: {
    destination: Addr
    protocol: number
    header?: Uint8Array
    payload: Uint8Array
    timeToLive?: number
    typeOfService?: number
    dontFragment?: boolean
  },
  /** Of the link that it leaves by, for IPv6 (ip6_dst_hoplimit). */
  hopLimit = 64,
): Uint8Array {
  const { destination, protocol, payload } = packet
  const headerOctets = packet.header?.length ?? 0
  const messageOctets = headerOctets + payload.length
  if (typeof source === 'number' && typeof destination === 'number') {
    const octets = new Uint8Array(ipv4.HEADER_OCTETS + messageOctets)
    if (packet.header !== undefined) octets.set(packet.header, ipv4.HEADER_OCTETS)
    octets.set(payload, ipv4.HEADER_OCTETS + headerOctets)
    const header = {
      source,
      destination,
      protocol,
      timeToLive: packet.timeToLive ?? namespace.sysctl.number('ipv4.ip_default_ttl'),
      typeOfService: packet.typeOfService ?? 0,
      identification: namespace.nextIdentification(),
      dontFragment: packet.dontFragment ?? false,
    }
    ipv4.write(octets, 0, header, octets.length)
    writeTransportChecksum(octets, 0, protocol, ipv4.HEADER_OCTETS, octets.length)
    return octets
  }
  const octets = new Uint8Array(ipv6.HEADER_OCTETS + messageOctets)
  if (packet.header !== undefined) octets.set(packet.header, ipv6.HEADER_OCTETS)
  octets.set(payload, ipv6.HEADER_OCTETS + headerOctets)
  const header = {
    source: octetsOfAddr6(String(source)),
    destination: octetsOfAddr6(String(destination)),
    nextHeader: protocol,
    hopLimit: packet.timeToLive ?? hopLimit,
    trafficClass: packet.typeOfService ?? 0,
  }
  ipv6.write(octets, 0, header, messageOctets)
  writeTransportChecksum(octets, 0, protocol, ipv6.HEADER_OCTETS, octets.length)
  return octets
}

/** {@link sendIcmpError} with this file's way out. */
export function sendError(
  namespace: Namespace,
  about: Uint8Array,
  input: Device | undefined,
  type: number,
  code: number,
  word = 0,
): void {
  const message = sendIcmpError(namespace, about, input, type, code, word)
  if (message === undefined) return
  const isVersion4 = about[0]! >>> 4 === 4
  const route = routeOutput(namespace, {
    destination: message.destination,
    source: message.source,
    output: isLinkLocalAddr(message.destination) ? input : undefined,
  })
  if (typeof route === 'string') return
  // Nobody is an anycast address (icmpv6_route_lookup).
  if (route.hop.route.type === 'anycast' || !message.allow(route.device.isLoopback)) return
  namespace.counters.add(isVersion4 ? 'Icmp.OutMsgs' : 'Icmp6.OutMsgs')
  if (message.counter !== undefined) namespace.counters.add(message.counter)
  const packet = {
    destination: message.destination,
    protocol: isVersion4 ? IP_PROTOCOL.icmp : IP_PROTOCOL.icmpv6,
    payload: message.payload(outputMtu(namespace, route, message.destination)),
    typeOfService: message.typeOfService,
  }
  const { hop_limit: hopLimit } = route.device.conf.conf6
  sendLocal(namespace, buildPacket(namespace, route.source, packet, hopLimit), route)
}
