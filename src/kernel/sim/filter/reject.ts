import * as icmp from '../../../wire/packet/icmp.ts'
import * as icmpv6 from '../../../wire/packet/icmpv6.ts'
import { IP_PROTOCOL } from '../../../wire/packet/protocols.ts'
import * as tcp from '../../../wire/packet/tcp.ts'
import type { Rejection } from '../../packet-filter.ts'
import type { Namespace } from '../namespace.ts'
import { buildPacket, routeOutput, sendError, sendLocal } from '../ip/ip-output.ts'
import type { FilteredPacket } from './filtered-packet.ts'

/** Codes of "destination unreachable" by family (nft_reject_icmp_code, nft_reject_icmpv6_code). */
const CODES: Readonly<
  Record<Exclude<Rejection, 'tcpReset'>, { readonly 4: number; readonly 6: number }>
> = {
  noRoute: { 4: icmp.UNREACHABLE.network, 6: icmpv6.UNREACHABLE.noRoute },
  portUnreachable: { 4: icmp.UNREACHABLE.port, 6: icmpv6.UNREACHABLE.port },
  hostUnreachable: { 4: icmp.UNREACHABLE.host, 6: icmpv6.UNREACHABLE.address },
  administrativelyProhibited: {
    4: icmp.UNREACHABLE.communicationProhibited,
    6: icmpv6.UNREACHABLE.prohibited,
  },
}

/** Tells the sender of a packet that it was rejected (nft_reject_inet_eval). */
export function reject(namespace: Namespace, packet: FilteredPacket, reason: Rejection): void {
  if (reason === 'tcpReset') return reset(namespace, packet)
  const isVersion4 = typeof packet.source === 'number'
  const type = isVersion4 ? icmp.TYPE.destinationUnreachable : icmpv6.TYPE.destinationUnreachable
  const code = CODES[reason][isVersion4 ? 4 : 6]
  sendError(namespace, packet.octets, packet.input, type, code)
}

/** RST in the name of the packet's destination (nf_send_reset). */
function reset(namespace: Namespace, { octets, at, source, destination }: FilteredPacket): void {
  if (at === undefined || octets.length < at + tcp.HEADER_OCTETS) return
  const flags = tcp.flags(octets, at)
  if ((flags & tcp.FLAG.rst) !== 0) return
  const route = routeOutput(namespace, { destination: source })
  if (typeof route === 'string') return
  const hasAck = (flags & tcp.FLAG.ack) !== 0
  const data = octets.length - at - tcp.headerOctets(octets, at)
  const length = data + Number((flags & tcp.FLAG.syn) !== 0) + Number((flags & tcp.FLAG.fin) !== 0)
  const payload = tcp.encodeHeader({
    sourcePort: tcp.destinationPort(octets, at),
    destinationPort: tcp.sourcePort(octets, at),
    sequence: hasAck ? tcp.acknowledgment(octets, at) : 0,
    acknowledgment: hasAck ? 0 : (tcp.sequence(octets, at) + length) >>> 0,
    flags: hasAck ? tcp.FLAG.rst : tcp.FLAG.rst | tcp.FLAG.ack,
    window: 0,
  })
  const packet = { destination: source, protocol: IP_PROTOCOL.tcp, payload }
  sendLocal(namespace, buildPacket(namespace, destination, packet), route)
}
