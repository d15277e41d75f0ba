import { DeltaTracker } from '../lib/delta-tracker.ts'
import type { Log } from '../lib/log.ts'
import {
  isKernelError,
  type Kernel,
  type NextHop,
  type Route,
  ROUTE_TABLE,
} from '../kernel/kernel.ts'
import { addressBits, familyOf, type IpAddress } from '../net/ip-address.ts'
import { type Prefix, prefixFamily, prefixOf } from '../net/prefix.ts'
import { ForeignRoutes, metricBehind, NORMAL_METRIC } from './foreign-routes.ts'
import { type KnownRows, TableReading } from './table-reading.ts'

export interface RouteTableNeeds {
  readonly kernel: Pick<Kernel, 'routes' | 'addRoute' | 'swapRoute' | 'deleteRoute'>
  /** Whether a route is one that we may change or remove. */
  isOurs(route: Route): boolean
  /**
   * The metric of a desired route beside the host's own to the same prefix, of which there is at least one;
   * undefined if ours is not to be there.
   */
  metricBeside?(metric: number, foreign: readonly number[]): number | undefined
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
  /** Rows not written because somebody has a row there of which the kernel has not told us yet. */
  readonly contested: number
  /** Rows not desired that were left because the caller holds them. */
  readonly held: number
  /** Whether that was all: otherwise the next call goes on from there. */
  readonly isWhole: boolean
}

/**
 * Keeps the kernel's main table as desired: writes what is missing or different, removes what is ours
 * and not desired, and touches nothing else. A row that is right is never written again.
 *
 * Where the host has a route of its own to a desired prefix, ours stands behind it or is not written; it
 * moves when the host's comes, and comes back when the host's goes. No row is written over but our own.
 */
export class RouteTable {
  readonly #needs: RouteTableNeeds
  readonly #metricBeside: NonNullable<RouteTableNeeds['metricBeside']>
  readonly #tracker = new DeltaTracker<Route>(equalRoutes)
  readonly #foreign = new ForeignRoutes()
  /** What is desired to prefixes that the host has routes to, as if it had none. */
  readonly #beside = new Map<Prefix, Route>()
  /** Rows of ours beyond the one that the tracker knows of their destination: they have other metrics. */
  readonly #strays = new Map<string, Route>()
  readonly #refused = new Map<string, string>()
  /** Destinations where somebody's row was in the way when they were last written. */
  readonly #contested = new Set<string>()
  /** Where the last {@link apply} left off. */
  #walk: Iterator<Change> | undefined
  /** Writes that the kernel refused since that walk began. */
  #refusedInWalk = 0
  #mustResync = false
  #reading: TableReading | undefined
  /** Keys of the strays that the reading met. */
  readonly #listedStrays = new Set<string>()

  constructor(needs: RouteTableNeeds) {
    this.#needs = needs
    this.#metricBeside = needs.metricBeside ?? metricBehind
  }

  /** What should be there, whole, by destination. */
  setDesired(routes: ReadonlyMap<Prefix, Route>): void {
    this.#beside.clear()
    const rows = new Map<string, Route>()
    for (const route of routes.values()) {
      const placed = this.#placed(route)
      if (placed === undefined) continue
      this.#takeUp(placed)
      rows.set(route.destination, placed)
    }
    this.#tracker.replaceDesired(rows)
  }

  /** What should be there to one destination: a route of the main table, or none. */
  desire(destination: Prefix, route: Route | undefined): void {
    this.#beside.delete(destination)
    this.#setDesired(destination, route && this.#placed(route))
  }

  /** The route as it can stand beside what the host has to its destination. */
  #placed(wanted: Route): Route | undefined {
    const route = withKernelMetric(wanted)
    const foreign = this.#foreign.at(route.destination)
    if (foreign.length === 0) return route
    this.#beside.set(route.destination, route)
    const priority = this.#metricBeside(route.priority, foreign)
    if (priority === undefined) return undefined
    return priority === route.priority ? route : { ...route, priority }
  }

  /** Destinations to which the host has routes of its own, so that ours, if any, stand behind them. */
  foreignDestinations(): Iterable<Prefix> {
    return this.#foreign.destinations()
  }

  /** Length of the longest prefix that has an address and to which the host has a route of its own; -1 for none. */
  foreignLength(address: IpAddress): number {
    let length = addressBits(familyOf(address))
    while (length >= 0 && !this.#foreign.has(prefixOf(address, length))) length--
    return length
  }

  /** The host's own rows to a destination changed. */
  #placeAgain(destination: Prefix): void {
    const wanted = this.#beside.get(destination) ?? this.#tracker.desired(destination)
    if (wanted !== undefined) this.desire(destination, wanted)
  }

  #setDesired(destination: Prefix, route: Route | undefined): void {
    if (route !== undefined) this.#takeUp(route)
    this.#tracker.setDesired(destination, route)
  }

  /** Of several rows of ours the one with the metric that is desired is the one to keep. */
  #takeUp(desired: Route): void {
    if (this.#strays.size === 0) return
    const stray = this.#strays.get(strayKeyOf(desired))
    if (stray === undefined) return
    const observed = this.#tracker.observed(desired.destination)
    this.#strays.delete(strayKeyOf(desired))
    if (observed !== undefined) this.#strays.set(strayKeyOf(observed), observed)
    this.#tracker.setObserved(desired.destination, stray)
  }

  /** Takes note that the routes by a link are gone: those of one that goes down vanish without a word. */
  forgetLink(index: number): void {
    const isGone = ({ nextHops }: Route): boolean =>
      nextHops.some(({ linkIndex }) => linkIndex === index)
    this.#reading?.forgetLink(index)
    this.#tracker.forget(isGone)
    for (const [key, row] of this.#strays) if (isGone(row)) this.#strays.delete(key)
  }

  /**
   * Reads the kernel's table again, whole. Nothing is to be applied before that is done.
   *
   * @param most rows taken up in this call
   * @returns whether that was all: otherwise the next call goes on
   */
  resync(most = Infinity): boolean {
    const reading = (this.#reading ??= this.#read())
    if (!reading.goOn(most)) return false
    this.#reading = undefined
    for (const [key, { destination }] of this.#strays) {
      const isListed = this.#listedStrays.has(key) || reading.isChanged(destination)
      if (!isListed) this.#strays.delete(key)
    }
    this.#contested.clear()
    this.#mustResync = false
    return true
  }

  #read(): TableReading {
    const ours: KnownRows = {
      take: (row, isFirst) => this.#listed(row, isFirst),
      destinations: () => this.#tracker.observedKeys() as Iterable<Prefix>,
      drop: (destination) => this.#tracker.setObserved(destination, undefined),
    }
    const foreign: KnownRows = {
      take: (row, isFirst) => {
        if (isFirst) this.#foreign.forget(row.destination)
        this.#foreign.add(row)
        this.#placeAgain(row.destination)
      },
      destinations: () => this.#foreign.destinations(),
      drop: (destination) => {
        this.#foreign.forget(destination)
        this.#placeAgain(destination)
      },
    }
    this.#listedStrays.clear()
    const rows = this.#needs.kernel.routes()
    return new TableReading(rows, [ours, foreign], (row) =>
      this.#needs.isOurs(row) ? ours : foreign,
    )
  }

  /** Of several rows to one destination the one with the desired metric counts, the others are strays. */
  #listed(route: Route, isFirst: boolean): void {
    const { destination } = route
    const other = isFirst ? undefined : this.#tracker.observed(destination)
    const isDesired = this.#tracker.desired(destination)?.priority === route.priority
    if (other === undefined || isDesired) this.#tracker.setObserved(destination, route)
    if (other === undefined) return
    const stray = isDesired ? other : route
    this.#strays.set(strayKeyOf(stray), stray)
    this.#listedStrays.add(strayKeyOf(stray))
  }

  /** Takes note of a change that the kernel told; our own come back here and change nothing. */
  observe(change: 'set' | 'removed', route: Route): void {
    if (route.table !== ROUTE_TABLE.main) return
    this.#reading?.heed(route.destination)
    if (!this.#needs.isOurs(route)) this.#observeForeign(change, route)
    else if (change === 'set') this.#observeSet(route)
    else this.#observeRemoved(route)
  }

  #observeForeign(change: 'set' | 'removed', route: Route): void {
    this.#contested.delete(route.destination)
    const isNews = change === 'set' ? this.#foreign.add(route) : this.#foreign.remove(route)
    if (isNews) this.#placeAgain(route.destination)
  }

  #observeSet(route: Route): void {
    const { destination } = route
    this.#contested.delete(destination)
    const observed = this.#tracker.observed(destination)
    if (observed === undefined || observed.priority === route.priority) {
      this.#tracker.setObserved(destination, route)
    } else {
      this.#strays.set(strayKeyOf(route), route)
      this.#setDesired(destination, this.#tracker.desired(destination))
    }
  }

  #observeRemoved(route: Route): void {
    const observed = this.#tracker.observed(route.destination)
    if (observed?.priority !== route.priority) this.#strays.delete(strayKeyOf(route))
    // Of a row that was swapped for another the kernel tells after it has told of the other.
    else if (equalRoutes(observed, route)) this.#tracker.setObserved(route.destination, undefined)
  }

  /**
   * Mends what differs between the kernel as last read and what is desired.
   *
   * @param hold rows not desired that are to be left for now
   * @param most rows looked at in this call, so that others get their turn
   */
  apply(hold: (route: Route) => boolean, most = Infinity): Applied {
    const walk = (this.#walk ??= this.#changes())
    const counts = { written: 0, removed: 0, failed: 0, contested: 0, held: 0 }
    for (let rows = 0; rows < most; rows++) {
      const { done, value: change } = walk.next()
      if (done === true) {
        // What was desired while the last rows were removed waits for a walk of its own.
        const isWhole = this.#tracker.pendingUpdates.size <= this.#refusedInWalk
        this.#walk = undefined
        this.#refusedInWalk = 0
        return { ...counts, isWhole }
      }
      const outcome = change.isDesired ? this.#write(change) : this.#remove(change, hold)
      counts[outcome]++
      if (change.isDesired && outcome !== 'written') this.#refusedInWalk++
    }
    return { ...counts, isWhole: false }
  }

  /** What is to be written, then what is to be removed, each as it is when its turn comes. */
  *#changes(): Generator<Change, undefined> {
    for (const [key, route] of this.#tracker.pendingUpdates) yield { key, route, isDesired: true }
    for (const [key, route] of this.#tracker.pendingDeletions)
      yield { key, route, isDesired: false }
    for (const [key, route] of this.#strays) {
      // What is to stand there instead comes first.
      if (!this.#tracker.pendingUpdates.has(route.destination))
        yield { key, route, isDesired: false }
    }
    return undefined
  }

  #write({ key, route }: Change): 'written' | 'failed' | 'contested' {
    const { kernel } = this.#needs
    const observed = this.#tracker.observed(key)
    const isMove = observed !== undefined && observed.priority !== route.priority
    // The host's row is there, perhaps in place of ours; and a row without a metric cannot be named to the
    // kernel when there is another of ours that has one.
    const isBehind = isMove && this.#beside.has(route.destination)
    try {
      const isDone = this.#try(key, route, 'write', () => {
        if (isBehind) deleteRoute(kernel, observed)
        if (observed === undefined || isMove) kernel.addRoute(route)
        else kernel.swapRoute(observed, route)
      })
      if (!isDone) return 'failed'
    } catch (thrown) {
      if (!isKernelError(thrown, 'EEXIST')) throw thrown
      return this.#contend(key)
    }
    this.#contested.delete(key)
    if (isMove && !isBehind) this.#strays.set(strayKeyOf(observed), observed)
    this.#tracker.setObserved(key, route)
    return 'written'
  }

  /** Somebody has a row there. The kernel tells of it in a moment; else the table has to be read. */
  #contend(key: string): 'contested' {
    if (this.#contested.has(key)) this.#mustResync = true
    this.#contested.add(key)
    return 'contested'
  }

  #remove({ key, route }: Change, hold: (route: Route) => boolean): 'removed' | 'failed' | 'held' {
    // One that stands beside what is desired, with another metric, has been replaced by that.
    const isReplaced = this.#tracker.desired(route.destination) !== undefined
    if (!isReplaced && !this.#isInTheWay(route) && hold(route)) {
      this.#tell('kept for now', key, route)
      return 'held'
    }
    const { kernel } = this.#needs
    if (!this.#try(key, route, 'remove', () => deleteRoute(kernel, route))) return 'failed'
    if (!this.#strays.delete(key)) this.#tracker.setObserved(key, undefined)
    return 'removed'
  }

  /** Whether a row of ours is not where it may be beside the host's own. */
  #isInTheWay({ destination, priority }: Route): boolean {
    const foreign = this.#foreign.at(destination)
    return foreign.length > 0 && this.#metricBeside(priority, foreign) !== priority
  }

  /** Whether the kernel has rows that it never told of, so that {@link resync} is called for. */
  get mustResync(): boolean {
    return this.#mustResync
  }

  /** Whether nothing is left to write or remove, what is held included. */
  get inSync(): boolean {
    return this.#tracker.inSync && this.#strays.size === 0
  }

  /** The desired rows that the kernel had not, or had otherwise, when last looked at. */
  get missing(): Iterable<Route> {
    return this.#tracker.pendingUpdates.values()
  }

  /** How many they are. */
  get missingCount(): number {
    return this.#tracker.pendingUpdates.size
  }

  /** Logs a refusal once, not at every retry. Throws KernelError EEXIST. */
  #try(key: string, route: Route, verb: string, change: () => void): boolean {
    const done = verb === 'write' ? 'written' : 'removed'
    try {
      change()
      this.#tell(done, key, route)
      this.#refused.delete(key)
      return true
    } catch (thrown) {
      if (!isKernelError(thrown) || thrown.code === 'EEXIST') throw thrown
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

/** Routes of one destination are told apart by their metric: of each there is at most one of ours. */
function strayKeyOf({ destination, priority }: Pick<Route, 'destination' | 'priority'>): string {
  return `${destination} metric ${priority}`
}

/** The kernel gives an IPv6 route without a metric 1024. */
function withKernelMetric(route: Route): Route {
  if (route.priority !== 0 || prefixFamily(route.destination) === 4) return route
  return { ...route, priority: NORMAL_METRIC }
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
    a.priority === b.priority &&
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
