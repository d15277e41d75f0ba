import { familyOf, type IpAddress } from '../../net/ip-address.ts'
import { contains, prefixLength } from '../../net/prefix.ts'
import { type Route, ROUTE_TABLE, type RouteType, type Rule } from '../../kernel/kernel.ts'
import type { NamespaceView } from './namespace-view.ts'

export interface LookupKey {
  readonly destination: IpAddress
  readonly source?: IpAddress
  /** Name of the link by which the packet came in; absent for what the namespace itself sends. */
  readonly inputLink?: string
}

/** The route that decides, and how it was found. */
export interface RouteDecision {
  readonly type: RouteType
  readonly route: Route
  readonly table: number
  /** The rule that named the table. */
  readonly rule: Rule
}

/** The rules that a namespace has when nobody has touched them (ip-rule(8)). */
function defaultRules(family: 4 | 6): readonly Rule[] {
  return [
    { family, priority: 0, table: ROUTE_TABLE.local },
    { family, priority: 32766, table: ROUTE_TABLE.main },
    { family, priority: 32767, table: ROUTE_TABLE.default },
  ]
}

/**
 * What the tables say of a packet, as fib_lookup in net/ipv4/fib_frontend.c: rules by priority, in the
 * table the longest prefix, of equals the lowest metric; "throw" goes on with the next rule.
 * Undefined when no route contains the destination.
 */
export function lookUpRoute(view: NamespaceView, key: LookupKey): RouteDecision | undefined {
  const family = familyOf(key.destination)
  const own = view.snapshot.rules.filter((rule) => rule.family === family)
  const rules = own.length > 0 ? own.toSorted((a, b) => a.priority - b.priority) : undefined
  for (const rule of rules ?? defaultRules(family)) {
    if (!ruleMatches(rule, key)) continue
    const route = longestMatch(view, rule.table, key.destination)
    if (route !== undefined && route.type !== 'throw') {
      return { type: route.type, route, table: rule.table, rule }
    }
  }
  return undefined
}

/** Marks are not set by anything that is in the snapshot: a rule that asks for one does not match. */
function ruleMatches(rule: Rule, key: LookupKey): boolean {
  if (rule.destination !== undefined && !contains(rule.destination, key.destination)) return false
  if (rule.source !== undefined) {
    if (key.source === undefined || !contains(rule.source, key.source)) return false
  }
  if (rule.inputLink !== undefined && rule.inputLink !== (key.inputLink ?? 'lo')) return false
  if (rule.outputLink !== undefined) return false
  return ((rule.mark ?? 0) & (rule.markMask ?? 0xffffffff)) === 0
}

function longestMatch(
  view: NamespaceView,
  table: number,
  destination: IpAddress,
): Route | undefined {
  let best: Route | undefined
  for (const route of view.snapshot.routes) {
    if (route.table !== table || !contains(route.destination, destination)) continue
    if (!isUsable(view, route)) continue
    if (best === undefined || isBetter(route, best)) best = route
  }
  return best
}

/** A route out of a link that is down is dead and passed over; the kernel mostly removes it. */
function isUsable(view: NamespaceView, route: Route): boolean {
  return (
    route.nextHops.length === 0 ||
    route.type === 'local' ||
    route.nextHops.some(({ linkIndex }) => view.link(linkIndex)?.up ?? true)
  )
}

function isBetter(route: Route, best: Route): boolean {
  const longer = prefixLength(route.destination) - prefixLength(best.destination)
  return longer > 0 || (longer === 0 && route.priority < best.priority)
}

const PROTOCOL_NAMES: Readonly<Record<number, string>> = {
  1: 'redirect',
  2: 'kernel',
  3: 'boot',
  4: 'static',
  12: 'bird',
  16: 'dhcp',
  80: 'proto 80',
}

/** The route as `ip route` prints it: "10.211.1.0/24 via 172.16.170.129 dev ens33 proto bird". */
export function routeText(view: NamespaceView, route: Route): string {
  const destination =
    prefixLength(route.destination) === 0
      ? 'default'
      : route.destination.replace(/^([^:]+)\/32$|^(.+)\/128$/, '$1$2')
  const kind = route.type === 'unicast' ? '' : `${route.type} `
  const protocol =
    route.protocol === 3 || route.protocol === 0
      ? ''
      : ` proto ${PROTOCOL_NAMES[route.protocol]?.replace('proto ', '') ?? route.protocol}`
  const scope =
    route.scope === 'global' || route.nextHops.length === 0 ? '' : ` scope ${route.scope}`
  const metric = route.priority > 0 ? ` metric ${route.priority}` : ''
  const hops = route.nextHops.map(({ linkIndex, gateway, onlink }) => {
    const via = gateway === undefined ? '' : ` via ${gateway}`
    return `${via} dev ${view.linkName(linkIndex)}${onlink === true ? ' onlink' : ''}`
  })
  const way = hops.length > 1 ? hops.map((hop) => ` nexthop${hop}`).join('') : (hops[0] ?? '')
  return hops.length > 1
    ? `${kind}${destination}${protocol}${scope}${metric}${way}`
    : `${kind}${destination}${way.replace(/ onlink$/, '')}${protocol}${scope}${metric}${
        way.endsWith(' onlink') ? ' onlink' : ''
      }`
}
