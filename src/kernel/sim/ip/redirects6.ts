import { writeTransportChecksum } from '../../../wire/packet/checksum.ts'
import * as icmpv6 from '../../../wire/packet/icmpv6.ts'
import * as ipv6 from '../../../wire/packet/ipv6.ts'
import { IP_PROTOCOL } from '../../../wire/packet/protocols.ts'
import { isLinkLocalAddr, octetsOfAddr6, readAddr6 } from '../routing/addr.ts'
import type { FibNextHop } from '../routing/fib.ts'
import { routeOutput, sendLocal } from './ip-output.ts'
import type { Namespace } from '../namespace.ts'

/** Milliseconds between redirects about or to one address, and how many may come at once (inet_peer_xrlim_allow). */
const RATE = { milliseconds: 1000, burst: 6 } as const

/** Octets of an ICMPv6 message's packet in all (RFC 4861 section 4.5: no more than the least MTU). */
const MOST_OCTETS = 1280

/** Tells the sender of a packet of a nearer way on its own link (ip6_forward, ndisc_send_redirect). */
export function sendRedirect6(namespace: Namespace, about: Uint8Array, hop: FibNextHop): void {
  const device = hop.device!
  const [source, destination] = [readAddr6(about, 8), readAddr6(about, 24)]
  const target = (hop.via ?? destination) as string
  const now = namespace.machine.clock.now()
  const allow = (peer: string): boolean =>
    namespace.errorRate.allow(peer, now, RATE.milliseconds, RATE.burst)
  if (!allow(destination)) return
  const own = device.addresses6.find(({ addr }) => isLinkLocalAddr(addr))
  if (own === undefined || (target !== destination && !isLinkLocalAddr(target))) return
  const direct = routeOutput(namespace, { destination: source, output: device })
  // By this link if it can be, else by any (ip6_route_output with a source of its own is not strict).
  const route =
    typeof direct === 'string' ? routeOutput(namespace, { destination: source }) : direct
  if (typeof route === 'string' || route.gateway !== undefined || !allow(source)) return
  const payload = icmpv6.encodeRedirect({
    target: octetsOfAddr6(target),
    destination: octetsOfAddr6(destination),
    linkAddress: namespace.neighbors6.get(device, target)?.mac,
    about,
    mostOctets: MOST_OCTETS - ipv6.HEADER_OCTETS,
  })
  const octets = ipv6.encode(
    {
      source: octetsOfAddr6(own.addr as string),
      destination: octetsOfAddr6(source),
      nextHeader: IP_PROTOCOL.icmpv6,
      hopLimit: 255,
    },
    payload,
  )
  writeTransportChecksum(octets, 0, IP_PROTOCOL.icmpv6, ipv6.HEADER_OCTETS, octets.length)
  namespace.counters.add('Icmp6.OutMsgs')
  namespace.counters.add('Icmp6.OutRedirects')
  sendLocal(namespace, octets, route)
}
