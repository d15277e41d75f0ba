import { DeltaTracker } from '../lib/delta-tracker.ts'
import type { Log } from '../lib/log.ts'
import {
  isKernelError,
  type Kernel,
  type NextHop,
  type Route,
  ROUTE_TABLE,
} from '../kernel/kernel.ts'
import type { Prefix } from '../net/prefix.ts'

export interface RouteTableNeeds {
  readonly kernel: Pick<Kernel, 'routes' | 'replaceRoute' | 'deleteRoute'>
  /** Whether a route is one that we may change or remove. */
  isOurs(route: Route): boolean
  readonly log: Log
}

interface Change {
  readonly key: string
  readonly route: Route
  /** Whether it is to be written; removed otherwise. */
  readonly isDesired: boolean
}

/** What one {@link RouteTable.apply} did, in rows. */
export interface Applied {
  readonly written: number
  readonly removed: number
  /** Rows that the kernel refused; they stay pending. */
  readonly failed: number
  /** Rows not desired that were left because the caller holds them. */
  readonly held: number
  /** Whether that was all: otherwise the next call goes on from there. */
  readonly isWhole: boolean
}

/**
 * Keeps the kernel's main table as desired: writes what is missing or different, removes what is ours
 * and not desired, and touches nothing else. A row that is right is never written again.
 */
export class RouteTable {
  readonly #needs: RouteTableNeeds
  readonly #tracker = new DeltaTracker<Route>(equalRoutes)
  readonly #refused = new Map<string, string>()
  /** Where the last {@link apply} left off. */
  #walk: Iterator<Change> | undefined
  /** Writes that the kernel refused since that walk began. */
  #refusedInWalk = 0

  constructor(needs: RouteTableNeeds) {
    this.#needs = needs
  }

  /** What should be there, whole, by destination. */
  setDesired(routes: ReadonlyMap<string, Route>): void {
    this.#tracker.replaceDesired(
      new Map([...routes.values()].map((route) => [keyOf(route), route])),
    )
  }

  /** What should be there to one destination with one metric: a route of the main table, or none. */
  desire(destination: Prefix, route: Route | undefined, priority = 0): void {
    this.#tracker.setDesired(keyOf({ destination, table: ROUTE_TABLE.main, priority }), route)
  }

  /** Takes note that the routes by a link are gone: those of one that goes down vanish without a word. */
  forgetLink(index: number): void {
    this.#tracker.forget(({ nextHops }) => nextHops.some(({ linkIndex }) => linkIndex === index))
  }

  /** Reads the kernel's table anew, whole. */
  resync(): void {
    const rows = this.#needs.kernel.routes().filter((route) => this.#needs.isOurs(route))
    this.#tracker.replaceObserved(new Map(rows.map((route) => [keyOf(route), route])))
  }

  /** Takes note of a change that the kernel told; our own come back here and change nothing. */
  observe(change: 'set' | 'removed', route: Route): void {
    const key = keyOf(route)
    const isOurs = change === 'set' && this.#needs.isOurs(route)
    this.#tracker.setObserved(key, isOurs ? route : undefined)
  }

  /**
   * Mends what differs between the kernel as last read and what is desired.
   *
   * @param hold rows not desired that are to be left for now
   * @param most rows looked at in this call, so that others get their turn
   */
  apply(hold: (route: Route) => boolean, most = Infinity): Applied {
    const { kernel } = this.#needs
    const walk = (this.#walk ??= this.#changes())
    let [written, removed, failed, held] = [0, 0, 0, 0]
    for (let rows = 0; rows < most; rows++) {
      const { done, value: change } = walk.next()
      if (done === true) {
        // What was desired while the last rows were removed waits for a walk of its own.
        const isWhole = this.#tracker.pendingUpdates.size <= this.#refusedInWalk
        this.#walk = undefined
        this.#refusedInWalk = 0
        return { written, removed, failed, held, isWhole }
      }
      const { key, route } = change
      if (change.isDesired) {
        if (this.#try(key, route, 'write', () => kernel.replaceRoute(route))) {
          this.#tracker.setObserved(key, route)
          written++
        } else {
          failed++
          this.#refusedInWalk++
        }
      } else if (hold(route)) {
        held++
        this.#tell('kept for now', key, route)
      } else if (this.#try(key, route, 'remove', () => deleteRoute(kernel, route))) {
        this.#tracker.setObserved(key, undefined)
        removed++
      } else failed++
    }
    return { written, removed, failed, held, isWhole: false }
  }

  /** What is to be written, then what is to be removed, each as it is when its turn comes. */
  *#changes(): Generator<Change, undefined> {
    for (const [key, route] of this.#tracker.pendingUpdates) yield { key, route, isDesired: true }
    for (const [key, route] of this.#tracker.pendingDeletions)
      yield { key, route, isDesired: false }
    return undefined
  }

  /** Whether nothing is left to write or remove, what is held included. */
  get inSync(): boolean {
    return this.#tracker.inSync
  }

  /** The desired rows that the kernel had not, or had otherwise, when last looked at. */
  get missing(): Iterable<Route> {
    return this.#tracker.pendingUpdates.values()
  }

  /** How many they are. */
  get missingCount(): number {
    return this.#tracker.pendingUpdates.size
  }

  /** Logs a refusal once, not at every retry. */
  #try(key: string, route: Route, verb: string, change: () => void): boolean {
    const done = verb === 'write' ? 'written' : 'removed'
    try {
      change()
      this.#tell(done, key, route)
      this.#refused.delete(key)
      return true
    } catch (thrown) {
      if (!isKernelError(thrown)) throw thrown
      this.#tell(`not ${done}`, key, route, thrown.message)
      if (this.#refused.get(key) !== thrown.message) {
        this.#needs.log.warn(`Failed to ${verb} a route; retrying`, {
          route: key,
          error: thrown.message,
        })
      }
      this.#refused.set(key, thrown.message)
      return false
    }
  }

  #tell(what: string, key: string, { type, protocol, nextHops }: Route, error?: string): void {
    const { log } = this.#needs
    if (!log.topics.routes) return
    log.tell('routes', `Route ${what}`, { route: key, type, protocol, nextHops, error })
  }
}

/** What the kernel tells routes apart by: two rows that agree in these cannot both be there. */
function keyOf({
  destination,
  table,
  priority,
}: Pick<Route, 'destination' | 'table' | 'priority'>): string {
  if (table === ROUTE_TABLE.main && priority === 0) return destination
  return `${destination} table ${table} metric ${priority}`
}

function deleteRoute(kernel: Pick<Kernel, 'deleteRoute'>, route: Route): void {
  try {
    kernel.deleteRoute(route)
  } catch (thrown) {
    if (!isKernelError(thrown, 'ESRCH')) throw thrown
  }
}

function equalRoutes(a: Route, b: Route): boolean {
  if (a === b) return true
  return (
    a.type === b.type &&
    a.protocol === b.protocol &&
    // IPv6 routes have no scope: the kernel answers "global" whatever was asked.
    (a.scope === b.scope || a.destination.includes(':')) &&
    a.preferredSource === b.preferredSource &&
    a.mtu === b.mtu &&
    equalHops(a.nextHops, b.nextHops)
  )
}

function equalHops(a: readonly NextHop[], b: readonly NextHop[]): boolean {
  if (a.length !== b.length) return false
  if (a.length < 2) return a.length === 0 || equalWays(a[0]!, b[0]!)
  return hopsKey(a) === hopsKey(b)
}

function equalWays(a: NextHop, b: NextHop): boolean {
  return (
    a.linkIndex === b.linkIndex &&
    a.gateway === b.gateway &&
    (a.onlink === true) === (b.onlink === true) &&
    (a.weight ?? 1) === (b.weight ?? 1)
  )
}

/** Equal for the same next hops in whatever order. */
function hopsKey(hops: readonly NextHop[]): string {
  return hops
    .map((hop) => `${hop.linkIndex} ${hop.gateway ?? ''} ${hop.onlink === true} ${hop.weight ?? 1}`)
    .sort()
    .join()
}
