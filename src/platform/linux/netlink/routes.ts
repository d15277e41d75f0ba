import {
  isKernelError,
  type NextHop,
  type Route,
  ROUTE_TABLE,
  type RouteAnswer,
  type RouteFilter,
  type RouteQuery,
} from '../../../kernel/kernel.ts'
import {
  addressBits,
  FAMILIES,
  type Family,
  familyOf,
  ip,
  type IpAddress,
} from '../../../net/ip-address.ts'
import { networkPrefix, prefixAddress, prefixFamily, prefixLength } from '../../../net/prefix.ts'
import { type NetlinkMessage, NLM_F, RTM } from '../../../wire/netlink/message.ts'
import {
  type NextHopMessage,
  routeBody,
  type RouteMessage,
  type RouteRequest,
  RT_SCOPE,
  RTM_F,
  RTN,
  RTNH_F,
} from '../../../wire/netlink/route.ts'
import { scopeFrom } from './addresses.ts'
import { addressFamily, AF, type Context } from './context.ts'
import { reverse } from './reverse.ts'

const typeNames = reverse(RTN)

/** Types that lead nowhere, so that a device in their message (IPv6 names lo) means nothing. */
const WITHOUT_WAY_OUT: readonly string[] = ['blackhole', 'unreachable', 'prohibit', 'throw']

export function listRoutes(context: Context, filter: RouteFilter = {}): Route[] {
  const families = filter.family === undefined ? FAMILIES : [filter.family]
  return families.flatMap((family) => listFamily(context, family, filter))
}

function listFamily({ netlink, name }: Context, family: Family, filter: RouteFilter): Route[] {
  const table = filter.table ?? ROUTE_TABLE.main
  const body: RouteRequest = {
    family: addressFamily(family),
    protocol: filter.protocol ?? 0,
    table: table === 0 ? undefined : table,
  }
  try {
    const routes = netlink.dump(
      {
        type: RTM.getRoute,
        body: (to) => routeBody.encode(to, body),
        what: () => `List routes of table ${table} on ${name}`,
      },
      decodeRoute,
    )
    // A kernel too old to filter a dump answers everything.
    return routes.filter((route): route is Route => route !== undefined && matches(route, filter))
  } catch (thrown) {
    if (isKernelError(thrown, 'ENOENT')) return [] // "FIB table does not exist"
    throw thrown
  }
}

function matches(route: Route, { table = ROUTE_TABLE.main, protocol }: RouteFilter): boolean {
  return (
    (table === 0 || route.table === table) &&
    (protocol === undefined || route.protocol === protocol)
  )
}

export function addRoute(context: Context, route: Route): void {
  change(context, 'Add', route, RTM.newRoute, NLM_F.create | NLM_F.exclusive)
}

export function replaceRoute(context: Context, route: Route): void {
  change(context, 'Replace', route, RTM.newRoute, NLM_F.create | NLM_F.replace)
}

/**
 * Appended behind the other, which then goes: NLM_F_REPLACE takes the first row of a metric, whoever put it
 * there. In IPv6 an appended row would become one more next hop of the other.
 */
export function swapRoute(context: Context, before: Route, after: Route): void {
  if (prefixFamily(after.destination) === 6) return replaceRoute(context, after)
  change(context, 'Append', after, RTM.newRoute, NLM_F.create | NLM_F.append)
  try {
    deleteRoute(context, before)
  } catch (thrown) {
    if (!isKernelError(thrown, 'ESRCH')) throw thrown
  }
}

export function deleteRoute(context: Context, route: Route): void {
  change(context, 'Delete', route, RTM.deleteRoute, 0)
}

function change(
  { netlink, name }: Context,
  verb: 'Add' | 'Append' | 'Replace' | 'Delete',
  route: Route,
  type: number,
  flags: number,
): void {
  const request = routeRequest(route)
  // Asked to delete, the kernel compares what it is told; "nowhere" is the scope that it does not compare.
  const body = verb === 'Delete' ? { ...request, scope: RT_SCOPE.nowhere } : request
  netlink.execute({
    type,
    flags,
    body: (to) => routeBody.encode(to, body),
    what: () => `${verb} route ${describe(route)} on ${name}`,
  })
}

function routeRequest(route: Route): RouteRequest {
  const length = prefixLength(route.destination)
  const hops = route.nextHops
  return {
    family: addressFamily(prefixFamily(route.destination)),
    destinationLength: length,
    shortTable: route.table < 256 ? route.table : 0,
    protocol: route.protocol,
    scope: RT_SCOPE[route.scope],
    type: RTN[route.type],
    destination: length === 0 ? undefined : prefixAddress(route.destination),
    priority: route.priority === 0 ? undefined : route.priority,
    preferredSource: route.preferredSource,
    metrics: route.mtu === undefined ? undefined : { mtu: route.mtu },
    table: route.table,
    ...(hops.length > 1
      ? { multipath: hops.map((hop) => nextHopRequest(route, hop)) }
      : singleHop(route, hops[0])),
  }
}

function singleHop(route: Route, hop: NextHop | undefined): RouteRequest {
  if (hop === undefined) return {}
  return {
    flags: hop.onlink === true ? RTNH_F.onlink : 0,
    outputIndex: hop.linkIndex === 0 ? undefined : hop.linkIndex,
    ...gatewayOf(route, hop),
  }
}

function nextHopRequest(route: Route, hop: NextHop): NextHopMessage {
  return {
    flags: hop.onlink === true ? RTNH_F.onlink : 0,
    hops: (hop.weight ?? 1) - 1,
    index: hop.linkIndex,
    ...gatewayOf(route, hop),
  }
}

function gatewayOf(route: Route, { gateway }: NextHop): { gateway?: IpAddress; via?: IpAddress } {
  if (gateway === undefined) return {}
  return familyOf(gateway) === prefixFamily(route.destination) ? { gateway } : { via: gateway }
}

/** Undefined for what is not a row of a table: entries of the IPv6 route cache. */
export function decodeRoute(message: NetlinkMessage): Route | undefined {
  const route = routeBody.decode(message.body)
  return (route.flags & RTM_F.cloned) === 0 ? routeFrom(route) : undefined
}

const ZERO_IPV4 = ip('0.0.0.0')
const ZERO_IPV6 = ip('::')

export function routeFrom(route: RouteMessage): Route {
  const zero = route.family === AF.inet6 ? ZERO_IPV6 : ZERO_IPV4
  const type = typeNames.get(route.type) ?? 'unicast'
  // Filled in step by step: a dump has many of them, and spreading is slow.
  const made: Writable<Route> = {
    // The kernel refuses destinations with host bits, so this is canonical.
    destination: networkPrefix(route.destination ?? zero, route.destinationLength),
    type,
    table: route.table ?? route.shortTable,
    protocol: route.protocol,
    scope: scopeFrom(route.scope),
    priority: route.priority ?? 0,
    nextHops: WITHOUT_WAY_OUT.includes(type) ? [] : nextHopsFrom(route),
  }
  if (route.preferredSource !== undefined) made.preferredSource = route.preferredSource
  if (route.metrics?.mtu !== undefined) made.mtu = route.metrics.mtu
  return made
}

type Writable<Value> = { -readonly [Name in keyof Value]: Value[Name] }

function nextHopsFrom(route: RouteMessage): NextHop[] {
  if (route.multipath !== undefined) {
    return route.multipath.map((hop) => nextHopFrom(hop.index, hop, hop.hops))
  }
  return route.outputIndex === undefined ? [] : [nextHopFrom(route.outputIndex, route, 0)]
}

/** @param hops the weight less one */
function nextHopFrom(
  linkIndex: number,
  { flags, gateway, via }: Pick<NextHopMessage, 'flags' | 'gateway' | 'via'>,
  hops: number,
): NextHop {
  const made: Writable<NextHop> = { linkIndex }
  const address = gateway ?? via
  if (address !== undefined) made.gateway = address
  if ((flags & RTNH_F.onlink) !== 0) made.onlink = true
  if (hops > 0) made.weight = hops + 1
  return made
}

export function lookupRoute({ netlink, name }: Context, query: RouteQuery): RouteAnswer {
  const family = familyOf(query.destination)
  const bits = addressBits(family)
  const body: RouteRequest = {
    family: addressFamily(family),
    destinationLength: bits,
    sourceLength: query.source === undefined ? 0 : bits,
    // IPv6 refuses the flag ("Invalid flags for get route request") and names the table without it.
    flags: family === 4 ? RTM_F.lookupTable : 0,
    destination: query.destination,
    source: query.source,
    inputIndex: query.inputLinkIndex,
    outputIndex: query.outputLinkIndex,
    mark: query.mark,
  }
  return netlink.ask(
    {
      type: RTM.getRoute,
      body: (to) => routeBody.encode(to, body),
      what: () => `Look up the route to ${query.destination} on ${name}`,
    },
    decodeAnswer,
  )
}

function decodeAnswer(message: NetlinkMessage): RouteAnswer {
  const route = routeBody.decode(message.body)
  const type = typeNames.get(route.type) ?? 'unicast'
  return {
    type,
    linkIndex: route.outputIndex ?? 0,
    gateway: route.gateway ?? route.via,
    preferredSource: route.preferredSource,
    table: LOCAL_TYPES.includes(type) ? ROUTE_TABLE.local : (route.table ?? route.shortTable),
  }
}

/**
 * As long as no rule was ever made the kernel keeps the local table in the main one's memory
 * (net/ipv4/fib_trie.c, fib_trie_unmerge) and then answers 254 for both.
 */
const LOCAL_TYPES: readonly string[] = ['local', 'broadcast']

function describe(route: Route): string {
  const type = route.type === 'unicast' ? '' : `${route.type} `
  const hops = route.nextHops.map(
    (hop) => (hop.gateway === undefined ? '' : ` via ${hop.gateway}`) + ` dev ${hop.linkIndex}`,
  )
  const table = route.table === ROUTE_TABLE.main ? '' : ` table ${route.table}`
  return `${type}${route.destination}${hops.join(',')}${table}`
}
