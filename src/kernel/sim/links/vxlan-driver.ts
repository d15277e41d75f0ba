import * as ethernet from '../../../wire/packet/ethernet.ts'
import * as ipv4 from '../../../wire/packet/ipv4.ts'
import { get16 } from '../../../wire/packet/octets.ts'
import { ETHER_TYPE, IP_PROTOCOL } from '../../../wire/packet/protocols.ts'
import * as udp from '../../../wire/packet/udp.ts'
import * as vxlan from '../../../wire/packet/vxlan.ts'
import { mergeEcn, outerEcn } from '../../../wire/packet/ecn.ts'
import { addrFromText } from '../routing/addr.ts'
import type { Device, Frame, LinkDriver } from './device.ts'
import { isLocalType } from '../routing/fib.ts'
import { buildPacket, outputMtu, routeOutput, sendLocal } from '../ip/ip-output.ts'
import type { Inbound, Namespace } from '../namespace.ts'

/** Ports that outer headers come from (net.ipv4.ip_local_port_range as it is by default). */
const FIRST_SOURCE_PORT = 32_768
const LAST_SOURCE_PORT = 60_999
/** Ethernet in UDP (drivers/net/vxlan): the forwarding database says to which node a frame goes. */
export const vxlanDriver: LinkDriver = {
  kind: 'vxlan',
  transmit(device, frame) {
    if (!encapsulate(device, frame)) device.statistics.txDropped++
  },
}

function encapsulate(device: Device, frame: Frame): boolean {
  const { namespace, vxlan: state } = device
  const remote = state?.forwarding.get(frame.destination)
  if (state === undefined || remote === undefined) return false
  const { vni, port, localAddress } = state.settings
  const source = localAddress === undefined ? undefined : addrFromText(localAddress)
  const route = routeOutput(namespace, { destination: remote, source })
  if (typeof route === 'string' || route.device === device) return false
  if (isLocalType(route.hop.route.type)) return bypass(device, frame)
  shortenPath(device, frame, outputMtu(namespace, route, remote))
  const ports = { sourcePort: sourcePort(frame), destinationPort: port }
  const packet = buildPacket(namespace, route.source, {
    destination: remote,
    protocol: IP_PROTOCOL.udp,
    payload: udp.encode(ports, vxlan.encode(vni, frame, frame.octets)),
    typeOfService: isIpv4(frame) ? outerEcn(ipv4.typeOfService(frame.octets)) : 0,
  })
  sendLocal(namespace, packet, route)
  return true
}

/**
 * What is for the node itself comes in without a header, whatever MAC address it has (vxlan_encap_bypass).
 * It keeps its route, and that of the node's own packets does not lead in (dst_discard).
 */
function bypass(device: Device, frame: Frame): boolean {
  const destination = device.mac ?? 0
  const discarded = frame.forwarded !== true
  device.namespace.machine.deliver(device, { ...frame, destination, shared: true, discarded })
  return true
}

/**
 * skb_tunnel_check_pmtu: what does not fit goes in fragments, and what comes next for its destination is
 * told the way's MTU.
 */
function shortenPath(device: Device, frame: Frame, mtu: number): void {
  const inner = mtu - vxlan.OVERHEAD_OCTETS
  if (!isIpv4(frame) || frame.octets.length <= inner) return
  const { namespace } = device
  const until = namespace.machine.clock.now() + PATH_MTU_MILLISECONDS
  namespace.pathMtu.set(ipv4.destination(frame.octets), { mtu: inner, until })
}

/** net.ipv4.route.mtu_expires */
const PATH_MTU_MILLISECONDS = 600_000

function isIpv4({ etherType, octets }: Frame): boolean {
  return etherType === ETHER_TYPE.ipv4 && ipv4.check(octets)
}

/** One for each flow inside, so that routers which spread flows spread these too (udp_flow_src_port). */
function sourcePort(frame: Frame): number {
  let hash = 0x811c9dc5
  const mix = (value: number): void => {
    hash = Math.imul(hash ^ value, 0x01000193) >>> 0
  }
  // Both directions are one flow (__flow_hash_consistentify).
  const mixPair = (one: number, other: number): void => {
    mix(Math.min(one, other))
    mix(Math.max(one, other))
  }
  const { octets } = frame
  if (isIpv4(frame)) {
    mixPair(ipv4.source(octets), ipv4.destination(octets))
    const protocol = ipv4.protocol(octets)
    mix(protocol)
    const at = ipv4.headerOctets(octets)
    const hasPorts = protocol === IP_PROTOCOL.tcp || protocol === IP_PROTOCOL.udp
    if (hasPorts && !ipv4.isFragment(octets) && octets.length >= at + 4) {
      mixPair(get16(octets, at), get16(octets, at + 2))
    }
  } else mixPair(frame.source, frame.destination)
  hash = (hash ^ (hash << 16)) >>> 0
  const ports = LAST_SOURCE_PORT - FIRST_SOURCE_PORT
  return FIRST_SOURCE_PORT + Math.floor((hash * ports) / 0x1_0000_0000)
}

/**
 * Takes a frame out of a datagram and lets it come in by the link of its network identifier; false if no
 * link that is up listens on the port (vxlan_rcv).
 */
export function receiveVxlan(namespace: Namespace, packet: Inbound): boolean {
  const { octets, at, end } = packet
  const port = udp.destinationPort(octets, at)
  const links = [...namespace.devices.values()].filter(
    ({ up, vxlan: state }) => up && state?.settings.port === port,
  )
  if (links.length === 0) return false
  const headerAt = at + udp.HEADER_OCTETS
  const vni = vxlan.networkIdentifier(octets, headerAt, end)
  const link = links.find(({ vxlan: state }) => state!.settings.vni === vni)
  const frameAt = headerAt + vxlan.HEADER_OCTETS
  const innerAt = frameAt + ethernet.HEADER_OCTETS
  if (link === undefined || end < innerAt) return true
  const source = ethernet.source(octets, frameAt)
  if (source === link.mac) return true
  const etherType = ethernet.etherType(octets, frameAt)
  const inner = octets.slice(innerAt, end)
  const isIp = etherType === ETHER_TYPE.ipv4 && ipv4.check(inner)
  if (isIp && !mergeEcn(ipv4.typeOfService(octets), inner)) return true
  namespace.machine.deliver(link, {
    etherType,
    destination: ethernet.destination(octets, frameAt),
    source,
    octets: inner,
    shared: false,
  })
  return true
}
