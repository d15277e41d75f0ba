import { type Addr, isLoopbackAddr, isMulticastAddr } from './addr.ts'
import type { Device } from '../links/device.ts'
import { type FibNextHop, SCOPE } from './fib.ts'
import type { Namespace } from '../namespace.ts'

/** What becomes of a packet that came in (ip_route_input). */
export type InputRoute =
  | { readonly kind: 'local'; readonly isBroadcast: boolean }
  | {
      readonly kind: 'forward'
      readonly hop: FibNextHop
      /** The sender is a neighbour on the link that the packet leaves by: tell it of the better way. */
      readonly redirect: boolean
    }
  /** No route, or one of a type that refuses; "notForwarding" if the host is no router. */
  | { readonly kind: 'error'; readonly errno: string }
  | { readonly kind: 'martian'; readonly reason: 'source' | 'reversePath' | 'destination' }

const LOCAL: InputRoute = { kind: 'local', isBroadcast: false }
const BROADCAST: InputRoute = { kind: 'local', isBroadcast: true }
const MARTIAN_SOURCE: InputRoute = { kind: 'martian', reason: 'source' }
const MARTIAN_DESTINATION: InputRoute = { kind: 'martian', reason: 'destination' }
const REVERSE_PATH: InputRoute = { kind: 'martian', reason: 'reversePath' }
const NO_WAY: Readonly<Record<string, InputRoute>> = {
  ENETUNREACH: { kind: 'error', errno: 'ENETUNREACH' },
  EHOSTUNREACH: { kind: 'error', errno: 'EHOSTUNREACH' },
  EACCES: { kind: 'error', errno: 'EACCES' },
  EINVAL: { kind: 'error', errno: 'EINVAL' },
}

/** Where an IPv4 packet goes from here (ip_route_input_slow); also what ARP asks before it answers. */
export function routeInput4(
  namespace: Namespace,
  device: Device,
  source: number,
  destination: number,
  mark = 0,
): InputRoute {
  const { conf4 } = device.conf
  const all = namespace.sysctl.all.conf4
  if (isMulticastAddr(source) || source === 0xffffffff) return MARTIAN_SOURCE
  if (destination === 0xffffffff || (source === 0 && destination === 0)) {
    return broadcastInput(namespace, device, source)
  }
  if (source >>> 24 === 0) return MARTIAN_SOURCE
  if (destination >>> 24 === 0) return MARTIAN_DESTINATION
  const allowsLoopback = device.isLoopback || conf4.route_localnet !== 0 || all.route_localnet !== 0
  if (!allowsLoopback) {
    if (isLoopbackAddr(destination)) return MARTIAN_DESTINATION
    if (isLoopbackAddr(source)) return MARTIAN_SOURCE
  }
  const hop = namespace.routing4.lookup({ destination, source, input: device, mark })
  if (typeof hop === 'string') {
    // A host that does not forward says "host unreachable" to itself whatever the tables say.
    return conf4.forwarding === 0 ? NO_WAY['EHOSTUNREACH']! : NO_WAY[hop]!
  }
  const { type } = hop.route
  if (type === 'broadcast') return broadcastInput(namespace, device, source)
  if (type === 'local') {
    const verdict = validateSource(namespace, device, source, destination, undefined)
    return verdict < 0 ? rejected(verdict) : LOCAL
  }
  if (conf4.forwarding === 0) return NO_WAY['EHOSTUNREACH']!
  if (type !== 'unicast') return MARTIAN_DESTINATION
  const verdict = validateSource(namespace, device, source, destination, hop.device)
  if (verdict < 0) return rejected(verdict)
  const mayRedirect =
    verdict > 0 && hop.device === device && (conf4.send_redirects !== 0 || all.send_redirects !== 0)
  return { kind: 'forward', hop, redirect: mayRedirect }
}

function broadcastInput(namespace: Namespace, device: Device, source: number): InputRoute {
  if (source === 0) return BROADCAST
  const verdict = validateSource(namespace, device, source, 0xffffffff, undefined)
  return verdict < 0 ? rejected(verdict) : BROADCAST
}

function rejected(verdict: number): InputRoute {
  return verdict === REVERSE_PATH_FILTERED ? REVERSE_PATH : MARTIAN_SOURCE
}

const INVALID_SOURCE = -22
const REVERSE_PATH_FILTERED = -18

/**
 * fib_validate_source: negative if the source may not come in by this link, 1 if it is a neighbour on
 * it, else 0. With rp_filter 1 the route back must leave by this link, with 2 there must be one at all.
 * @param output the link by which the packet would leave; undefined for local delivery
 */
export function validateSource(
  namespace: Namespace,
  device: Device,
  source: Addr,
  destination: Addr,
  output: Device | undefined,
): number {
  const { conf4 } = device.conf
  const all = namespace.sysctl.all.conf4
  const filter = Math.max(conf4.rp_filter, all.rp_filter)
  const acceptsLocal = conf4.accept_local !== 0 || all.accept_local !== 0
  const sendsRedirects = conf4.send_redirects !== 0 || all.send_redirects !== 0
  if (filter === 0 && (device !== output || !sendsRedirects)) {
    if (acceptsLocal) return 0
    if (!namespace.routing4.hasCustomRules && !namespace.hasCustomLocalRoutes) {
      return namespace.isLocal(source) ? INVALID_SOURCE : 0
    }
  }
  const routing = namespace.routing4
  const flow = { destination: source, source: destination, input: output }
  const hop = routing.lookup(flow)
  const lastResort = filter === 0 ? 0 : REVERSE_PATH_FILTERED
  if (typeof hop === 'string') return lastResort
  if (hop.route.type !== 'unicast') {
    if (hop.route.type !== 'local' || !acceptsLocal) return INVALID_SOURCE
  }
  const usesDevice =
    hop.route.nextHops.some((each) => each.device === device) ||
    (hop.route.type === 'local' && device.isLoopback)
  if (usesDevice) return hop.scope >= SCOPE.host ? 1 : 0
  if (device.addresses4.length === 0) return lastResort
  if (filter === 1) return REVERSE_PATH_FILTERED
  const again = routing.lookup({ ...flow, output: device, ignoreLinkState: true })
  return typeof again !== 'string' && again.route.type === 'unicast' && again.scope >= SCOPE.host
    ? 1
    : 0
}
