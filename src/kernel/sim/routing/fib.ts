import type { RouteType } from '../../kernel.ts'
import { type Addr, maskAddr } from './addr.ts'
import type { Device } from '../links/device.ts'

/** rtnetlink.h RT_SCOPE_*: how far away a destination is; a lower number is farther. */
export const SCOPE = { global: 0, site: 200, link: 253, host: 254, nowhere: 255 } as const

/** A way of one route (struct fib_nh). */
export interface FibNextHop {
  readonly route: FibRoute
  readonly device: Device | undefined
  /** As configured. */
  readonly gateway: Addr | undefined
  /** Where packets go: the gateway, unless it turned out to be an address of our own (rt_set_nexthop). */
  readonly via: Addr | undefined
  readonly onlink: boolean
  readonly weight: number
  /** fib_nh_scope: of what the gateway is reached by; host for what is on the link itself. */
  readonly scope: number
  /** RTNH_F_DEAD: the link went down; only in routes that have another way. */
  dead: boolean
}

/** A route as the tables hold it (struct fib_info and fib_alias). */
export interface FibRoute {
  readonly destination: Addr
  readonly length: number
  readonly type: RouteType
  readonly table: number
  readonly protocol: number
  readonly scope: number
  readonly priority: number
  readonly preferredSource: Addr | undefined
  /** Filled when the route is made: they name it. */
  nextHops: FibNextHop[]
  mtu: number | undefined
}

/** Whether a route's packets end here: an address of our own, or an anycast one that we answer for. */
export function isLocalType(type: RouteType): boolean {
  return type === 'local' || type === 'anycast'
}

/** One table of one family: a map for each prefix length in use, tried from the longest. */
export class FibTable {
  readonly id: number
  #size = 0
  /** Lengths in use, the longest first. */
  readonly #lengths: number[] = []
  readonly #maps = new Map<number, Map<Addr, FibRoute[]>>()

  constructor(id: number) {
    this.id = id
  }

  get size(): number {
    return this.#size
  }

  /** Routes of exactly this prefix, the lowest priority number first. */
  at(destination: Addr, length: number): readonly FibRoute[] {
    return this.#maps.get(length)?.get(destination) ?? []
  }

  /** Adds behind routes of the same priority; says nothing of duplicates. */
  insert(route: FibRoute): void {
    let map = this.#maps.get(route.length)
    if (map === undefined) {
      map = new Map()
      this.#maps.set(route.length, map)
      this.#lengths.push(route.length)
      this.#lengths.sort((a, b) => b - a)
    }
    const routes = map.get(route.destination)
    this.#size++
    if (routes === undefined) {
      map.set(route.destination, [route])
      return
    }
    const at = routes.findIndex((other) => other.priority > route.priority)
    if (at < 0) routes.push(route)
    else routes.splice(at, 0, route)
  }

  /** Puts `after` where `before` is; both have one prefix and one priority. */
  swap(before: FibRoute, after: FibRoute): void {
    const routes = this.#maps.get(before.length)!.get(before.destination)!
    routes[routes.indexOf(before)] = after
  }

  remove(route: FibRoute): void {
    const map = this.#maps.get(route.length)
    const routes = map?.get(route.destination)
    const at = routes?.indexOf(route) ?? -1
    if (map === undefined || routes === undefined || at < 0) return
    this.#size--
    routes.splice(at, 1)
    if (routes.length > 0) return
    map.delete(route.destination)
    if (map.size > 0) return
    this.#maps.delete(route.length)
    this.#lengths.splice(this.#lengths.indexOf(route.length), 1)
  }

  /** Calls `visit` for the routes that contain the address, the best first, until it answers something. */
  search<Found>(addr: Addr, visit: (route: FibRoute) => Found | undefined): Found | undefined {
    for (const length of this.#lengths) {
      const routes = this.#maps.get(length)!.get(maskAddr(addr, length))
      if (routes === undefined) continue
      for (const route of routes) {
        const found = visit(route)
        if (found !== undefined) return found
      }
    }
    return undefined
  }

  *routes(): Generator<FibRoute> {
    for (const map of this.#maps.values()) {
      for (const routes of map.values()) yield* routes
    }
  }
}
