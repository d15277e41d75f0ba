import { mergeEcn } from '../../../wire/packet/ecn.ts'
import * as icmp from '../../../wire/packet/icmp.ts'
import * as ipip from '../../../wire/packet/ipip.ts'
import * as ipv4 from '../../../wire/packet/ipv4.ts'
import { ETHER_TYPE } from '../../../wire/packet/protocols.ts'
import type { Device, Frame, LinkDriver } from './device.ts'
import { outputMtu, routeOutput, sendError, sendLocal } from '../ip/ip-output.ts'
import type { Inbound, Namespace } from '../namespace.ts'

/**
 * The IPIP tunnel without fixed ends (tunl0, drivers of net/ipv4/ipip.c): the next hop of the route is the
 * outer destination, TTL and DF are the inner packet's.
 */
export const ipipDriver: LinkDriver = {
  kind: 'ipip',
  transmit(device, frame) {
    if (!encapsulate(device, frame)) device.statistics.txDropped++
  },
}

function encapsulate(device: Device, frame: Frame): boolean {
  const { namespace } = device
  const inner = frame.octets
  const destination = frame.nextHop
  if (frame.etherType !== ETHER_TYPE.ipv4 || typeof destination !== 'number') return false
  const route = routeOutput(namespace, { destination })
  if (typeof route === 'string' || route.device === device) return false
  const dontFragment = ipv4.dontFragment(inner)
  const mtu = outputMtu(namespace, route, destination) - ipv4.HEADER_OCTETS
  if (dontFragment && inner.length > mtu) {
    const { fragmentationNeeded } = icmp.UNREACHABLE
    const type = icmp.TYPE.destinationUnreachable
    sendError(namespace, inner, undefined, type, fragmentationNeeded, mtu)
    return false
  }
  const packet = ipip.encapsulate(inner, {
    source: route.source as number,
    destination,
    timeToLive: ipv4.timeToLive(inner),
    identification: namespace.nextIdentification(),
    dontFragment,
  })
  sendLocal(namespace, packet, route)
  return true
}

/** Takes a packet out of its outer header and lets it come in by the tunnel; false if no tunnel is up. */
export function receiveIpip(namespace: Namespace, packet: Inbound): boolean {
  const tunnel = namespace.byName.get('tunl0')
  if (tunnel === undefined || tunnel.driver.kind !== 'ipip' || !tunnel.up) return false
  const octets = packet.octets.slice(packet.at, packet.end)
  if (ipv4.check(octets) && !mergeEcn(ipv4.typeOfService(packet.octets), octets)) return true
  namespace.machine.deliver(tunnel, {
    etherType: ETHER_TYPE.ipv4,
    destination: 0,
    source: 0,
    octets,
    shared: false,
  })
  return true
}
