import type { RouteType } from '../../kernel.ts'
import { ROUTE_TABLE } from '../../kernel.ts'
import { type Addr, sameNetwork } from './addr.ts'
import type { Device } from '../links/device.ts'
import { type FibNextHop, type FibRoute, FibTable, isLocalType, SCOPE } from './fib.ts'

/** What a packet is looked up by (struct flowi4, flowi6). */
export interface Flow {
  readonly destination: Addr
  /** Undefined where the source is still to be chosen. */
  readonly source?: Addr | undefined
  readonly input?: Device | undefined
  readonly output?: Device | undefined
  readonly mark?: number
  /** Least scope of a route that may answer; global (all) when absent. */
  readonly scope?: number
  /** Other flows hash to other ways of a multipath route. */
  readonly hash?: number
  /** Consider next hops whose link is down too (FIB_LOOKUP_IGNORE_LINKSTATE). */
  readonly ignoreLinkState?: boolean
}

/** Why there is no way: Linux's errno names. */
export type NoRoute = 'ENETUNREACH' | 'EHOSTUNREACH' | 'EACCES' | 'EINVAL'

/** A policy rule (ip rule). */
export interface FibRule {
  readonly priority: number
  readonly table: number
  readonly source: { readonly addr: Addr; readonly length: number } | undefined
  readonly destination: { readonly addr: Addr; readonly length: number } | undefined
  readonly inputLink: string | undefined
  readonly outputLink: string | undefined
  readonly mark: number
  readonly markMask: number
}

/** What a lookup answers for a type that is no way (fib_props); undefined where it is one. */
export const ROUTE_ERRORS: Readonly<Record<RouteType, NoRoute | 'throw' | undefined>> = {
  unicast: undefined,
  local: undefined,
  broadcast: undefined,
  anycast: undefined,
  multicast: undefined,
  blackhole: 'EINVAL',
  unreachable: 'EHOSTUNREACH',
  prohibit: 'EACCES',
  throw: 'throw',
}

function plainRule(priority: number, table: number): FibRule {
  return {
    priority,
    table,
    source: undefined,
    destination: undefined,
    inputLink: undefined,
    outputLink: undefined,
    mark: 0,
    markMask: 0,
  }
}

/** Rules and tables of one family in one namespace. */
export class Routing {
  readonly family: 4 | 6
  readonly tables = new Map<number, FibTable>()
  readonly rules: FibRule[]
  readonly #loopback: () => Device
  /** Answers for plain queries, dropped at every change. */
  readonly #cache = new Map<Addr, FibNextHop | NoRoute>()
  #plain = true

  constructor(family: 4 | 6, loopback: () => Device) {
    this.family = family
    this.#loopback = loopback
    this.rules = [plainRule(0, ROUTE_TABLE.local), plainRule(32766, ROUTE_TABLE.main)]
    if (family === 4) this.rules.push(plainRule(32767, ROUTE_TABLE.default))
  }

  /** Whether someone has added rules (fib4_has_custom_rules). */
  get hasCustomRules(): boolean {
    return !this.#plain
  }

  table(id: number): FibTable {
    let table = this.tables.get(id)
    if (table === undefined) {
      table = new FibTable(id)
      this.tables.set(id, table)
    }
    return table
  }

  addRule(rule: FibRule): void {
    const at = this.rules.findIndex((other) => other.priority > rule.priority)
    this.rules.splice(at < 0 ? this.rules.length : at, 0, rule)
    this.#plain = false
    this.changed()
  }

  removeRule(rule: FibRule): void {
    this.rules.splice(this.rules.indexOf(rule), 1)
    this.#plain = false
    this.changed()
  }

  /** Tables, links or addresses are no longer what they were. */
  changed(): void {
    // To clear a map that is empty makes a new one all the same.
    if (this.#cache.size > 0) this.#cache.clear()
  }

  /** The next hop for a flow by rules, tables and longest prefix (fib_lookup). */
  lookup(flow: Flow): FibNextHop | NoRoute {
    const isPlain = this.#plain && flow.output === undefined && flow.scope === undefined
    if (isPlain) {
      const cached = this.#cache.get(flow.destination)
      if (cached !== undefined) {
        return typeof cached === 'string' ? cached : this.#spread(cached, flow)
      }
    }
    const found = this.#lookupByRules(flow)
    if (isPlain) {
      if (this.#cache.size > 65_536) this.#cache.clear()
      this.#cache.set(flow.destination, found)
    }
    return typeof found === 'string' ? found : this.#spread(found, flow)
  }

  #lookupByRules(flow: Flow): FibNextHop | NoRoute {
    for (const rule of this.rules) {
      if (!this.#matches(rule, flow)) continue
      const table = this.tables.get(rule.table)
      const found = table === undefined ? undefined : this.lookupIn(table, flow)
      if (found !== undefined && found !== 'throw') return found
    }
    return 'ENETUNREACH'
  }

  #matches(rule: FibRule, flow: Flow): boolean {
    const { source, destination } = rule
    if (destination !== undefined) {
      if (!sameNetwork(flow.destination, destination.addr, destination.length)) return false
    }
    if (source !== undefined) {
      if (flow.source === undefined) return false
      if (!sameNetwork(flow.source, source.addr, source.length)) return false
    }
    if (rule.inputLink !== undefined) {
      if ((flow.input ?? this.#loopback()).name !== rule.inputLink) return false
    }
    if (rule.outputLink !== undefined && flow.output?.name !== rule.outputLink) return false
    return ((flow.mark ?? 0) & rule.markMask) === rule.mark
  }

  /** One table's answer; undefined if it has none, "throw" if a route says to go on with the rules. */
  lookupIn(table: FibTable, flow: Flow): FibNextHop | NoRoute | 'throw' | undefined {
    return table.search(flow.destination, (route) => {
      if (flow.scope !== undefined && route.scope < flow.scope) return undefined
      const error = ROUTE_ERRORS[route.type]
      // In IPv6 what refuses is a route by lo, which who names another link does not mean.
      const isMeant = flow.output === undefined || typeof flow.destination === 'number'
      if (error !== undefined && !isMeant) return undefined
      if (error !== undefined) return error
      for (const hop of route.nextHops) {
        if (hop.dead) continue
        if (flow.output !== undefined && hop.device !== flow.output) continue
        if (flow.ignoreLinkState === true || !isIgnored(hop)) return hop
      }
      return undefined
    })
  }

  /** Chooses among the ways of a multipath route by weight and hash (fib_select_multipath). */
  #spread(hop: FibNextHop, flow: Flow): FibNextHop {
    const { nextHops } = hop.route
    if (nextHops.length < 2 || flow.output !== undefined) return hop
    const alive = nextHops.filter((each) => !each.dead)
    const total = alive.reduce((sum, each) => sum + each.weight, 0)
    let at = flowHash(flow) % total
    for (const each of alive) {
      at -= each.weight
      if (at < 0) return each
    }
    return hop
  }

  /** All routes, in order of table, address and length. */
  *routes(): Generator<FibRoute> {
    for (const table of this.tables.values()) yield* table.routes()
  }
}

/** Whether a way counts as absent because its link has no carrier (ip_ignore_linkdown). */
function isIgnored(hop: FibNextHop): boolean {
  const { device } = hop
  if (device === undefined || device.carrier || hop.scope === SCOPE.nowhere) return false
  if (typeof hop.route.destination !== 'number') {
    return !isLocalType(hop.route.type) && device.conf.conf6.ignore_routes_with_linkdown !== 0
  }
  const all = device.namespace.sysctl.all.conf4.ignore_routes_with_linkdown
  return device.conf.conf4.ignore_routes_with_linkdown !== 0 || all !== 0
}

/** Layer-3 multipath hash (fib_multipath_hash_policy 0): of both addresses. */
function flowHash(flow: Flow): number {
  let hash = 0x811c9dc5
  for (const addr of [flow.source ?? 0, flow.destination]) {
    if (typeof addr === 'number') hash = Math.imul(hash ^ addr, 0x01000193)
    else {
      for (let at = 0; at < 8; at++) hash = Math.imul(hash ^ addr.charCodeAt(at), 0x01000193)
    }
    hash ^= hash >>> 15
  }
  return (hash ^ (flow.hash ?? 0)) >>> 0
}

/**
 * The address of the namespace that a link lends to packets (inet_select_addr): on the link itself if it
 * has one of that scope, preferring the network of `destination`, else of any link.
 */
export function selectAddress4(
  device: Device,
  destination: Addr | undefined,
  scope: number,
): number | undefined {
  let chosen: number | undefined
  const hostScope = device.conf.conf4.route_localnet === 0 ? SCOPE.host : SCOPE.link
  for (const each of device.addresses4) {
    if (each.secondary || Math.min(each.scope, hostScope) > scope) continue
    if (destination === undefined || sameNetwork(each.addr, destination, each.length)) {
      return each.addr as number
    }
    chosen ??= each.addr as number
  }
  if (chosen !== undefined) return chosen
  for (const other of device.namespace.devices.values()) {
    for (const each of other.addresses4) {
      if (!each.secondary && each.scope !== SCOPE.link && each.scope <= scope) {
        return each.addr as number
      }
    }
  }
  return undefined
}
