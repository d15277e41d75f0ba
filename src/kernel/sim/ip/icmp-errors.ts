import * as icmp from '../../../wire/packet/icmp.ts'
import * as icmpv6 from '../../../wire/packet/icmpv6.ts'
import * as ipv4 from '../../../wire/packet/ipv4.ts'
import * as ipv6 from '../../../wire/packet/ipv6.ts'
import { IP_PROTOCOL } from '../../../wire/packet/protocols.ts'
import { type Addr, isAny, isMulticastAddr, readAddr6 } from '../routing/addr.ts'
import type { CounterName } from '../counters.ts'
import type { Device } from '../links/device.ts'
import { SCOPE } from '../routing/fib.ts'
import { addressType, type Namespace } from '../namespace.ts'
import { selectAddress6 } from '../routing/source-address6.ts'
import { selectAddress4 } from '../routing/routing.ts'

/** An error ready to be routed and sent. */
export interface IcmpError {
  readonly destination: Addr
  /** Undefined: the source that the route gives. */
  readonly source: Addr | undefined
  /** As much as fits; over IPv4 also through a way of this MTU. */
  payload(mtu: number): Uint8Array
  readonly typeOfService: number
  readonly counter: CounterName | undefined
  /** Asks the rate limit; called when there is a route. */
  allow(toLoopback: boolean): boolean
}

/** Octets of an ICMP error's packet in all (RFC 1812 section 4.3.2.3), and of an ICMPv6 error's. */
const MOST_OCTETS = { 4: 576, 6: 1280 } as const

/**
 * The ICMP error about a packet, or undefined where none may be sent: about errors, later fragments,
 * and what was sent to or by groups (icmp_send, icmp6_send; RFC 1122 section 3.2.2, RFC 4443 section 2.4).
 */
export function sendIcmpError(
  namespace: Namespace,
  about: Uint8Array,
  input: Device | undefined,
  type: number,
  code: number,
  word: number,
): IcmpError | undefined {
  return about[0]! >>> 4 === 4
    ? error4(namespace, about, input, type, code, word)
    : error6(namespace, about, input, type, code, word)
}

const LOOPBACK4 = 0x7f000001

function error4(
  namespace: Namespace,
  about: Uint8Array,
  input: Device | undefined,
  type: number,
  code: number,
  word: number,
): IcmpError | undefined {
  if (ipv4.fragmentOffset(about) > 0) return undefined
  if (ipv4.protocol(about) === IP_PROTOCOL.icmp) {
    const inner = about[ipv4.headerOctets(about)]
    if (inner === undefined || icmp.isError(inner)) return undefined
  }
  // To nobody is to oneself.
  const destination = ipv4.source(about) || LOOPBACK4
  const target = ipv4.destination(about)
  if (isMulticastAddr(target) || target === 0xffffffff) return undefined
  const kind = addressType(namespace, target)
  if (kind === 'broadcast') return undefined
  return {
    destination,
    source: kind === 'local' ? target : inboundAddress(namespace, input, destination),
    payload: (mtu) => {
      const most = Math.min(mtu, MOST_OCTETS[4]) - ipv4.HEADER_OCTETS - icmp.HEADER_OCTETS
      const body = about.subarray(0, most)
      return icmp.encode({ type, code, first: word >>> 16, second: word & 0xffff, body })
    },
    typeOfService: (ipv4.typeOfService(about) & 0x1e) | 0xc0,
    counter: OUT4[type],
    allow: (toLoopback) => toLoopback || allowed4(namespace, destination, type, code),
  }
}

function inboundAddress(
  namespace: Namespace,
  input: Device | undefined,
  destination: Addr,
): number | undefined {
  if (input === undefined) return undefined
  if (namespace.sysctl.number('ipv4.icmp_errors_use_inbound_ifaddr') === 0) return undefined
  return selectAddress4(input, destination, SCOPE.link)
}

function allowed4(namespace: Namespace, peer: Addr, type: number, code: number): boolean {
  const isPathMtu =
    type === icmp.TYPE.destinationUnreachable && code === icmp.UNREACHABLE.fragmentationNeeded
  if (isPathMtu || (namespace.sysctl.number('ipv4.icmp_ratemask') & (1 << type)) === 0) return true
  const limit = namespace.sysctl.number('ipv4.icmp_ratelimit')
  const now = namespace.machine.clock.now()
  if (limit === 0 || namespace.errorRate.allow(peer, now, limit, 6)) return true
  namespace.counters.add('Icmp.OutRateLimitHost')
  return false
}

const OUT4: Readonly<Record<number, CounterName>> = {
  [icmp.TYPE.destinationUnreachable]: 'Icmp.OutDestUnreachs',
  [icmp.TYPE.timeExceeded]: 'Icmp.OutTimeExcds',
  [icmp.TYPE.redirect]: 'Icmp.OutRedirects',
}

const OUT6: Readonly<Record<number, CounterName>> = {
  [icmpv6.TYPE.destinationUnreachable]: 'Icmp6.OutDestUnreachs',
  [icmpv6.TYPE.packetTooBig]: 'Icmp6.OutPktTooBigs',
  [icmpv6.TYPE.timeExceeded]: 'Icmp6.OutTimeExcds',
}

function error6(
  namespace: Namespace,
  about: Uint8Array,
  input: Device | undefined,
  type: number,
  code: number,
  word: number,
): IcmpError | undefined {
  const destination = readAddr6(about, 8)
  const target = readAddr6(about, 24)
  const isGroup = isMulticastAddr(target) && type !== icmpv6.TYPE.packetTooBig
  if (isGroup || isAny(destination) || isMulticastAddr(destination)) return undefined
  const inner = ipv6.payload(about)
  const isBeginning = (inner?.fragment?.offset ?? 0) === 0
  if (isBeginning && inner?.protocol === IP_PROTOCOL.icmpv6) {
    const innerType = about[inner.at]
    if (innerType === undefined || icmpv6.isError(innerType)) return undefined
  }
  const body = about.subarray(0, MOST_OCTETS[6] - ipv6.HEADER_OCTETS - icmpv6.HEADER_OCTETS)
  return {
    destination,
    source: isOwn6(namespace, target) ? target : input && selectAddress6(input, destination),
    payload: () => icmpv6.encode({ type, code, word, body }),
    typeOfService: 0,
    counter: OUT6[type],
    allow: (toLoopback) =>
      toLoopback || type === icmpv6.TYPE.packetTooBig || allowed6(namespace, destination),
  }
}

/** Errors come from the address that was asked, also if that is an anycast one (ipv6_chk_acast_addr_src). */
function isOwn6(namespace: Namespace, target: Addr): boolean {
  return (
    namespace.isLocal(target) ||
    [...namespace.devices.values()].some(({ anycast6 }) => anycast6.has(target))
  )
}

function allowed6(namespace: Namespace, peer: Addr): boolean {
  const limit = namespace.sysctl.number('ipv6.icmp.ratelimit')
  // Also where the limit is 0: that lets everything pass and takes all tokens, which redirects lack then.
  return namespace.errorRate.allow(peer, namespace.machine.clock.now(), limit, 6)
}
