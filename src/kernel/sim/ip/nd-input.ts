import { writeTransportChecksum } from '../../../wire/packet/checksum.ts'
import * as icmpv6 from '../../../wire/packet/icmpv6.ts'
import * as ipv6 from '../../../wire/packet/ipv6.ts'
import { ETHER_TYPE, IP_PROTOCOL } from '../../../wire/packet/protocols.ts'
import {
  ANY6,
  isAny,
  isLinkLocalAddr,
  isMulticastAddr,
  multicastMac6,
  octetsOfAddr6,
  readAddr6,
  solicitedNode,
} from '../routing/addr.ts'
import type { Device } from '../links/device.ts'
import type { Inbound, Namespace } from '../namespace.ts'
import type { NeighborEntry } from './neighbors.ts'
import { selectAddress6 } from '../routing/source-address6.ts'

/** All nodes on the link, ff02::1. */
const ALL_NODES = '\uff02\0\0\0\0\0\0\x01'

/** Takes a neighbour solicitation or advertisement (ndisc_rcv). */
export function receiveNeighborMessage(namespace: Namespace, packet: Inbound): void {
  if (packet.timeToLive !== 255) return // RFC 4861 section 7.1
  const message = icmpv6.decodeNeighbor(packet.octets, packet.at, packet.end)
  if (message === undefined || !packet.device.needsNeighbors) return
  const target = readAddr6(message.target, 0)
  if (isMulticastAddr(target)) return
  if (message.kind === 'solicitation') {
    namespace.counters.add('Icmp6.InNeighborSolicits')
    solicited(namespace, packet, target, message.linkAddress)
  } else {
    namespace.counters.add('Icmp6.InNeighborAdvertisements')
    advertised(namespace, packet.device, target, message)
  }
}

function solicited(
  namespace: Namespace,
  packet: Inbound,
  target: string,
  linkAddress: number | undefined,
): void {
  const { device } = packet
  const source = packet.source as string
  const own = device.addresses6.find((each) => each.addr === target)
  const isOwn = own !== undefined && !own.tentative
  const isAnycast = device.anycast6.has(target)
  if (!isOwn && !isAnycast && !proxies(namespace, device, target)) return
  if (!isAny(source) && linkAddress !== undefined) {
    const entry = namespace.neighbors6.getOrCreate(device, source)
    const options = { override: true }
    if (entry !== undefined) {
      namespace.neighbors6.update(entry, linkAddress, 'stale', options, device.mac!)
    }
  }
  const send = (): void => {
    const destination = isAny(source) ? ALL_NODES : source
    // By the table, where somebody may have written another address by hand.
    const known = namespace.neighbors6.get(device, source)?.mac ?? linkAddress
    const mac = isAny(source) ? undefined : known
    const payload = icmpv6.encodeNeighbor({
      kind: 'advertisement',
      target: octetsOfAddr6(target),
      linkAddress: device.mac!,
      router: device.conf.conf6.forwarding !== 0,
      solicited: !isAny(source),
      override: isOwn,
    })
    namespace.counters.add('Icmp6.OutNeighborAdvertisements')
    const from = isOwn ? target : selectAddress6(device, destination)
    sendNeighborMessage(device, from, destination, mac ?? multicastMac6(ALL_NODES), payload)
  }
  const delay =
    isOwn || !isMulticastAddr(packet.destination) ? 0 : device.conf.neigh6.proxy_delay * 10
  if (delay === 0) send()
  else namespace.machine.clock.after(namespace.machine.random.fraction() * delay, send)
}

/** proxy_ndp answers for addresses that were named (ip neigh add proxy) and are reached by another link. */
function proxies(namespace: Namespace, device: Device, target: string): boolean {
  const isProxy = device.conf.conf6.proxy_ndp !== 0 || namespace.sysctl.all.conf6.proxy_ndp !== 0
  return (
    isProxy &&
    device.conf.conf6.forwarding !== 0 &&
    namespace.proxyNeighbors6.has(`${device.index} ${target}`)
  )
}

function advertised(
  namespace: Namespace,
  device: Device,
  target: string,
  message: icmpv6.NeighborMessage,
): void {
  const entry = namespace.neighbors6.get(device, target)
  if (entry === undefined) return
  namespace.neighbors6.update(
    entry,
    message.linkAddress,
    message.solicited ? 'reachable' : 'stale',
    { override: message.override },
    device.mac!,
  )
}

/** Asks for a neighbour's address (ndisc_solicit). */
export function solicitNeighbor(
  namespace: Namespace,
  entry: NeighborEntry,
  unicast: boolean,
): void {
  const { device } = entry
  const target = entry.addr as string
  const waiting = entry.waiting[0]
  const wanted =
    waiting !== undefined && waiting.etherType === ETHER_TYPE.ipv6
      ? readAddr6(waiting.octets, 8)
      : undefined
  const isOwn = wanted !== undefined && device.addresses6.some((each) => each.addr === wanted)
  const source = isOwn ? wanted : (linkLocalOf(device) ?? ANY6)
  const isUnicast = unicast && entry.mac !== undefined
  const destination = isUnicast ? target : solicitedNode(target)
  const payload = icmpv6.encodeNeighbor({
    kind: 'solicitation',
    target: octetsOfAddr6(target),
    linkAddress: source === ANY6 ? undefined : device.mac!,
    router: false,
    solicited: false,
    override: false,
  })
  namespace.counters.add('Icmp6.OutNeighborSolicits')
  const mac = isUnicast ? entry.mac! : multicastMac6(destination)
  sendNeighborMessage(device, source, destination, mac, payload)
}

function linkLocalOf(device: Device): string | undefined {
  const found = device.addresses6.find(({ addr, tentative }) => !tentative && isLinkLocalAddr(addr))
  return found?.addr as string | undefined
}

function sendNeighborMessage(
  device: Device,
  source: string,
  destination: string,
  mac: number,
  payload: Uint8Array,
): void {
  const octets = ipv6.encode(
    {
      source: octetsOfAddr6(source),
      destination: octetsOfAddr6(destination),
      nextHeader: IP_PROTOCOL.icmpv6,
      hopLimit: 255,
    },
    payload,
  )
  writeTransportChecksum(octets, 0, IP_PROTOCOL.icmpv6, ipv6.HEADER_OCTETS, octets.length)
  device.send({
    etherType: ETHER_TYPE.ipv6,
    destination: mac,
    source: device.mac!,
    octets,
    shared: false,
  })
}
