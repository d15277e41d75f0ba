import { appended } from '../../../lib/appended.ts'
import { type NextHop, type Route, ROUTE_TABLE } from '../../kernel.ts'
import {
  type Addr,
  addrFamily,
  addrFromText,
  isLinkLocalAddr,
  isMulticastAddr,
} from '../routing/addr.ts'
import type { Device } from '../links/device.ts'
import { type FibNextHop, type FibRoute, type FibTable, SCOPE } from '../routing/fib.ts'
import { addressType, type Namespace } from '../namespace.ts'
import { destinationOf, refusal, scopeNumber, toRoute } from './port-values.ts'
import { ROUTE_ERRORS } from '../routing/routing.ts'

/** Adds a route (fib_table_insert with NLM_F_EXCL). */
export function addRoute(namespace: Namespace, route: Route): void {
  insertRoute(namespace, route, false)
}

/** Adds a route or swaps it with the first of the same destination and priority (NLM_F_REPLACE). */
export function replaceRoute(namespace: Namespace, route: Route): void {
  insertRoute(namespace, route, true)
}

/** Adds a route behind those of the same priority (NLM_F_APPEND), and takes out the one before it. */
export function swapRoute(namespace: Namespace, before: Route, after: Route): void {
  const built = buildRoute(namespace, after)
  const routing = namespace.routing(addrFamily(built.destination))
  if (routing.family === 6) return replaceRoute(namespace, after)
  const rows = routing.table(built.table).at(built.destination, built.length)
  const old = rows.find((row) => row.priority === built.priority && isMeant(before, row))
  if (rows.some((row) => same(row, built))) {
    throw refusal('EEXIST', `Unable to append route ${describe(after)}`)
  }
  routing.table(built.table).insert(built)
  routing.changed()
  announce(namespace, built, 'set')
  if (old !== undefined) dropRoute(namespace, old)
}

function insertRoute(namespace: Namespace, route: Route, replace: boolean): void {
  const built = buildRoute(namespace, route)
  const family = addrFamily(built.destination)
  const routing = namespace.routing(family)
  const table = routing.table(built.table)
  const existing = table
    .at(built.destination, built.length)
    .find((other) => other.priority === built.priority)
  if (existing !== undefined && !replace) {
    throw refusal('EEXIST', `Unable to add route ${describe(route)}`)
  }
  if (built.type === 'local') namespace.hasCustomLocalRoutes ||= built.table === ROUTE_TABLE.local
  if (existing === undefined) table.insert(built)
  else table.swap(existing, built)
  routing.changed()
  announce(namespace, built, 'set')
}

/** Puts a route of the kernel's own into its table; one that is there already is left. */
export function addKernelRoute(namespace: Namespace, route: FibRoute): void {
  const routing = namespace.routing(addrFamily(route.destination))
  const table = routing.table(route.table)
  const isThere = table.at(route.destination, route.length).some((other) => same(other, route))
  if (isThere) return
  table.insert(route)
  routing.changed()
  announce(namespace, route, 'set')
}

/** Whether two rows share all that the kernel keeps of a route (fib_find_info). */
function same(a: FibRoute, b: FibRoute): boolean {
  return (
    a.type === b.type &&
    a.priority === b.priority &&
    a.scope === b.scope &&
    a.preferredSource === b.preferredSource &&
    a.protocol === b.protocol &&
    a.mtu === b.mtu &&
    a.nextHops.length === b.nextHops.length &&
    a.nextHops.every((hop, at) => sameWay(hop, b.nextHops[at]!))
  )
}

function sameWay(a: FibNextHop, b: FibNextHop): boolean {
  return (
    a.device === b.device &&
    a.gateway === b.gateway &&
    a.onlink === b.onlink &&
    a.weight === b.weight
  )
}

/** Takes a route out of its table and tells the watchers; with `silent` it only takes it out. */
export function dropRoute(namespace: Namespace, route: FibRoute, silent = false): void {
  const routing = namespace.routing(addrFamily(route.destination))
  routing.table(route.table).remove(route)
  routing.changed()
  if (!silent) announce(namespace, route, 'removed')
}

function announce(namespace: Namespace, route: FibRoute, change: 'set' | 'removed'): void {
  namespace.emit(() => ({ kind: 'route', change, route: toRoute(route) }))
}

/** Deletes the first route that agrees with all that is given (fib_table_delete). */
export function deleteRoute(namespace: Namespace, route: Route): void {
  const { destination, length } = destinationOf(route)
  const routing = namespace.routing(addrFamily(destination))
  if (routing.family === 6 && route.nextHops.length > 1) return deleteWays(namespace, route)
  const found = routing
    .table(route.table === 0 ? ROUTE_TABLE.main : route.table)
    .at(destination, length)
    .find((other) => isMeant(route, other))
  if (found === undefined) throw refusal('ESRCH', `Unable to delete route ${describe(route)}`)
  dropRoute(namespace, found)
}

function isMeant(route: Route, other: FibRoute): boolean {
  const isVersion6 = typeof other.destination === 'string'
  if (route.type !== other.type) return false
  if (route.priority !== 0 && route.priority !== other.priority) return false
  if (route.protocol !== 0 && route.protocol !== other.protocol) return false
  if (!isVersion6 && scopeNumber(route.scope) !== other.scope) return false
  if (route.preferredSource !== undefined) {
    if (other.preferredSource !== addrFromText(route.preferredSource)) return false
  }
  // fib_metrics_match: what is not named is not compared.
  if (!isVersion6 && route.mtu !== undefined && route.mtu !== other.mtu) return false
  const { nextHops } = route
  if (nextHops.length < 2) return nextHops.every((wanted) => isWay(wanted, other.nextHops[0]))
  // fib_nh_match: each way that there is must be named at its place; what is named beyond does not count.
  return other.nextHops.every((hop, at) => {
    const wanted = nextHops[at]
    const { weight = 1 } = wanted ?? {}
    return wanted !== undefined && isWay(wanted, hop) && (weight === 1 || weight === hop.weight)
  })
}

function isWay(wanted: NextHop, hop: FibNextHop | undefined): boolean {
  if (hop === undefined || hop.device?.index !== wanted.linkIndex) return false
  return wanted.gateway === undefined || addrFromText(wanted.gateway) === hop.gateway
}

/** Ways of IPv6 are taken away one by one, whatever becomes of the others (ip6_route_multipath_del). */
function deleteWays(namespace: Namespace, route: Route): void {
  const { destination, length } = destinationOf(route)
  let isMissing = false
  for (const way of route.nextHops) {
    const one = { ...route, nextHops: [way] }
    const table = namespace.routing6.table(route.table === 0 ? ROUTE_TABLE.main : route.table)
    const found = table
      .at(destination, length)
      .find((other) => other.nextHops.some((hop) => isMeant(one, { ...other, nextHops: [hop] })))
    if (found === undefined) isMissing = true
    else if (found.nextHops.length === 1) dropRoute(namespace, found)
    else {
      const at = found.nextHops.findIndex((hop) => isWay(way, hop))
      found.nextHops.splice(at, 1)
      namespace.routing6.changed()
    }
  }
  if (isMissing) throw refusal('ESRCH', `Unable to delete route ${describe(route)}`)
}

/** The route as the tables hold it; throws what the kernel would refuse it with (fib_create_info). */
function buildRoute(namespace: Namespace, route: Route): FibRoute {
  const { destination, length } = destinationOf(route)
  const isVersion6 = typeof destination === 'string'
  const scope = isVersion6 ? SCOPE.global : scopeNumber(route.scope)
  const leads = ROUTE_ERRORS[route.type] === undefined
  const fail = (code: string, why: string): never => {
    throw refusal(code, `Unable to add route ${describe(route)}: ${why}`)
  }
  if (!leads && route.nextHops.length > 0 && !isVersion6) fail('EINVAL', 'a next hop was given')
  if (leads && route.nextHops.length === 0) {
    fail(isVersion6 ? 'ENODEV' : 'ENODEV', 'no next hop was given')
  }
  if (!isVersion6 && scope < (LEAST_SCOPE[route.type] ?? 0)) fail('EINVAL', 'Invalid scope')
  const built: FibRoute = {
    destination,
    length,
    type: route.type,
    table: route.table === 0 ? ROUTE_TABLE.main : route.table,
    protocol: route.protocol,
    scope,
    priority: isVersion6 && route.priority === 0 ? 1024 : route.priority,
    preferredSource:
      route.preferredSource === undefined ? undefined : addrFromText(route.preferredSource),
    nextHops: [],
    mtu: route.mtu,
  }
  if (!leads) {
    if (isVersion6) built.nextHops = [plainHop(built, namespace.loopback)]
    return built
  }
  for (const hop of route.nextHops) {
    const device = namespace.devices.get(hop.linkIndex)
    if (device === undefined) {
      throw refusal('ENODEV', `Unable to add route ${describe(route)}: no link ${hop.linkIndex}`)
    }
    const next = buildNextHop(namespace, built, route, hop, device)
    const isDouble = built.nextHops.some(
      (other) => other.device === next.device && other.gateway === next.gateway,
    )
    if (isVersion6 && isDouble) fail('EEXIST', 'a next hop is there twice')
    built.nextHops = appended(built.nextHops, next)
  }
  if (built.preferredSource !== undefined && !namespace.isLocal(built.preferredSource)) {
    fail('EINVAL', 'Invalid prefsrc address')
  }
  return built
}

/** fib_props: the narrowest scope that a type needs. */
const LEAST_SCOPE: Readonly<Partial<Record<Route['type'], number>>> = {
  local: SCOPE.host,
  broadcast: SCOPE.link,
  anycast: SCOPE.link,
}

/** A next hop that is on the link itself. */
export function plainHop(route: FibRoute, device: Device, scope: number = SCOPE.host): FibNextHop {
  return {
    route,
    device,
    gateway: undefined,
    via: undefined,
    onlink: false,
    weight: 1,
    scope,
    dead: false,
  }
}

/** fib_check_nh: the gateway must be on the link, unless somebody swears that it is. */
function buildNextHop(
  namespace: Namespace,
  built: FibRoute,
  route: Route,
  hop: NextHop,
  device: Device,
): FibNextHop {
  const fail = (code: string, why: string): never => {
    throw refusal(code, `Unable to add route ${describe(route)}: ${why}`)
  }
  const gateway = hop.gateway === undefined ? undefined : addrFromText(hop.gateway)
  const onlink = hop.onlink === true
  const isLocalScope = built.scope === SCOPE.host && typeof built.destination === 'number'
  if (isLocalScope) {
    if (gateway !== undefined) fail('EINVAL', 'Route with host scope can not have a gateway')
    return { ...plainHop(built, device, SCOPE.nowhere), weight: hop.weight ?? 1 }
  }
  if (gateway === undefined) {
    if (onlink) fail('EINVAL', 'Invalid flags for nexthop - PERVASIVE and ONLINK can not be set')
    if (!device.up) fail('ENETDOWN', 'Device for nexthop is not up')
    return { ...plainHop(built, device), weight: hop.weight ?? 1 }
  }
  if (isMulticastAddr(gateway)) fail('EINVAL', 'Nexthop has invalid gateway')
  const scope =
    typeof gateway === 'number'
      ? checkGateway4(namespace, built, gateway, device, onlink, fail)
      : checkGateway6(namespace, built.table, gateway, device, onlink, fail)
  return {
    route: built,
    device,
    gateway,
    via: scope === SCOPE.link ? gateway : undefined,
    onlink,
    weight: hop.weight ?? 1,
    scope,
    dead: false,
  }
}

type Fail = (code: string, why: string) => never

function checkGateway4(
  namespace: Namespace,
  built: FibRoute,
  gateway: number,
  device: Device,
  onlink: boolean,
  fail: Fail,
): number {
  if (built.scope >= SCOPE.link) fail('EINVAL', 'Nexthop has invalid scope')
  if (onlink) {
    if (!device.up) fail('ENETDOWN', 'Nexthop device is not up')
    if (addressType(namespace, gateway) !== 'unicast') fail('EINVAL', 'Nexthop has invalid gateway')
    return SCOPE.link
  }
  const flow = {
    destination: gateway,
    output: device,
    scope: Math.max(SCOPE.link, built.scope + 1),
    ignoreLinkState: true,
  }
  const routing = namespace.routing4
  const table: FibTable | undefined =
    built.table === ROUTE_TABLE.main ? undefined : routing.tables.get(built.table)
  const inTable = table === undefined ? undefined : routing.lookupIn(table, flow)
  const found =
    inTable === undefined || typeof inTable === 'string' ? routing.lookup(flow) : inTable
  if (typeof found === 'string') return fail(found, 'Nexthop has invalid gateway')
  const { type } = found.route
  if (type !== 'unicast' && type !== 'local') return fail('EINVAL', 'Nexthop has invalid gateway')
  if (!device.up) fail('ENETDOWN', 'Nexthop device is not up')
  return found.route.scope
}

function checkGateway6(
  namespace: Namespace,
  table: number,
  gateway: Addr,
  device: Device,
  onlink: boolean,
  fail: Fail,
): number {
  const down = (): void => {
    if (!device.up) fail('ENETDOWN', 'Nexthop device is not up')
  }
  if (onlink) down()
  const isLinkLocal = isLinkLocalAddr(gateway)
  const isOwn = isLinkLocal
    ? device.addresses6.some((each) => each.addr === gateway)
    : namespace.isLocal(gateway)
  if (isOwn) fail('EINVAL', 'Gateway can not be a local address')
  if (onlink) {
    // ip6_route_check_nh_onlink: what the main table knows otherwise is not on this link.
    const found = namespace.routing6
      .table(ROUTE_TABLE.main)
      .search(gateway, (route) => (route.length === 0 ? undefined : route))
    const isReject = found !== undefined && ROUTE_ERRORS[found.type] !== undefined
    const isElsewhere =
      found !== undefined && found.nextHops.every((each) => each.device !== device)
    if (isElsewhere && !isReject) {
      fail('EINVAL', 'Nexthop has invalid gateway or device mismatch')
    }
  }
  if (isLinkLocal || onlink) {
    down()
    return SCOPE.link
  }
  // First in the route's own table, whatever the carrier, then by the rules (ip6_route_check_nh).
  const routing = namespace.routing6
  const flow = { destination: gateway, output: device }
  const own = routing.lookupIn(routing.table(table), { ...flow, ignoreLinkState: true })
  const isOnLink = typeof own === 'object' && own.gateway === undefined
  const found = isOnLink ? own : routing.lookup(flow)
  if (typeof found === 'string' || found.gateway !== undefined || found.device !== device) {
    fail('EHOSTUNREACH', 'Nexthop has invalid gateway or device mismatch')
  }
  down()
  return SCOPE.link
}

function describe(route: Route): string {
  const ways = route.nextHops.map(
    (hop) => `${hop.gateway === undefined ? '' : ` via ${hop.gateway}`} link ${hop.linkIndex}`,
  )
  return `${route.type === 'unicast' ? '' : `${route.type} `}${route.destination}${ways.join(',')}`
}

/**
 * A link went away: routes that have no other way go with it (fib_sync_down_dev).
 * @param event "down" leaves host routes of local addresses; "removed" and "disabled" take all;
 *   "removed" also takes routes of several ways whole
 */
export function flushRoutesOf(
  namespace: Namespace,
  device: Device,
  event: 'down' | 'disabled' | 'removed',
): void {
  for (const family of [4, 6] as const) {
    if (event === 'disabled' && family === 6) continue
    const routing = namespace.routing(family)
    const doomed: FibRoute[] = []
    for (const route of routing.routes()) {
      let dead = 0
      let isMeant = false
      for (const hop of route.nextHops) {
        const spares = event === 'down' && hop.scope === SCOPE.nowhere
        if (hop.device === device && !spares) {
          isMeant = true
          hop.dead = true
          device.hasDeadWays = true
        }
        if (hop.dead) dead++
      }
      const isWhole = isMeant && event === 'removed' && family === 4
      if (isMeant && (isWhole || dead === route.nextHops.length)) doomed.push(route)
    }
    // Linux flushes IPv4 routes without a word; IPv6 ones are announced.
    for (const route of doomed) dropRoute(namespace, route, family === 4)
    routing.changed()
  }
}

/** A link is up again: ways over it live again in routes that kept another (fib_sync_up). */
export function reviveRoutesOf(namespace: Namespace, device: Device): void {
  namespace.changed()
  if (!device.hasDeadWays) return
  device.hasDeadWays = false
  for (const route of namespace.routing4.routes()) {
    for (const hop of route.nextHops) if (hop.device === device) hop.dead = false
  }
}

/** An address is gone: routes that prefer it as their source go too (fib_sync_down_addr). */
export function flushRoutesFrom(namespace: Namespace, source: Addr): void {
  const routing = namespace.routing(addrFamily(source))
  const doomed = [...routing.routes()].filter((route) => route.preferredSource === source)
  for (const route of doomed) dropRoute(namespace, route)
}
