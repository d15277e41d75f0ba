import type { BestPath, BestPathChange } from '../bgp/status.ts'
import {
  isKernelError,
  type Kernel,
  type KernelEvent,
  type NextHop,
  type Route,
  ROUTE_TABLE,
} from '../kernel/kernel.ts'
import type { Closable } from '../lib/closable.ts'
import type { Clock, Timer } from '../lib/clock.ts'
import { messageOf } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { familyOf, type IpAddress } from '../net/ip-address.ts'
import type { Prefix } from '../net/prefix.ts'
import { metricAsChosen, metricBehind } from '../routes/foreign-routes.ts'
import { RouteTable } from '../routes/route-table.ts'

/** rtnetlink's RTPROT_BGP: what `ip route` prints as "proto bgp". */
export const BGPD_ROUTE_PROTOCOL = 186
/** Metric of routes unless the configuration has another. */
const METRIC = 20
/** From a change to the writing of it, so that what comes together is written together. */
const SETTLE_MILLISECONDS = 20
/** Routes written at once: requests and neighbors are served between two such passes. */
const ROUTES_PER_PASS = 2048
/** Between tries of what the kernel refused. */
const RETRY_MILLISECONDS = 5_000
/** From a change of links, addresses or others' routes to a new look at all next hops. */
const LOOK_MILLISECONDS = 500

export interface KernelSettings {
  readonly metric?: number | undefined
  readonly learned?: 'all' | 'external' | 'none' | undefined
}

export interface KernelRoutesNeeds {
  readonly kernel: Kernel
  readonly clock: Clock
  readonly log: Log
}

/**
 * Writes learned best paths to the kernel's main table and takes them out again; routes of any other
 * protocol are never touched. Next hops are looked up in the kernel, so a path whose next hop is not
 * reachable is not written until it is.
 */
export class KernelRoutes {
  readonly #needs: KernelRoutesNeeds
  readonly #table: RouteTable
  readonly #watch: Closable
  readonly #best = new Map<Prefix, readonly BestPath[]>()
  /** Prefixes whose best paths changed since they were written last. */
  readonly #changed = new Set<Prefix>()
  /** Everything is to be read and worked out anew. */
  #isAnew = true
  /** What the kernel says of next hops that it does not reach; each is logged once. */
  readonly #unreachable = new Map<IpAddress, string>()
  #settings: KernelSettings
  #holdsStale: boolean
  #timer: { readonly timer: Timer; readonly due: number } | undefined
  #stopped = false

  /** @param holdsStale routes of the process before this one stay until {@link releaseStale} */
  constructor(needs: KernelRoutesNeeds, settings: KernelSettings, holdsStale: boolean) {
    this.#needs = needs
    this.#settings = settings
    this.#holdsStale = holdsStale
    this.#table = new RouteTable({
      kernel: needs.kernel,
      log: needs.log,
      isOurs,
      metricBeside: (metric, foreign) =>
        this.#settings.metric === undefined
          ? metricBehind(metric, foreign)
          : metricAsChosen(metric, foreign),
    })
    this.#watch = needs.kernel.watch((event) => this.#notice(event))
    this.#schedule(SETTLE_MILLISECONDS)
  }

  /** What others do to our routes, and to what next hops are reached by. */
  #notice(event: KernelEvent): void {
    if (event.kind === 'route') {
      this.#table.observe(event.change, event.route)
      const isOwn = isOurs(event.route)
      // What the host adds wins at once; who changes ours may do so again and again.
      if (!this.#table.inSync) this.#schedule(isOwn ? LOOK_MILLISECONDS : SETTLE_MILLISECONDS)
      if (isOwn) return
    }
    if (DECIDES_WAYS.has(event.kind)) {
      this.#isAnew = true
      this.#schedule(LOOK_MILLISECONDS)
    }
  }

  apply(changes: readonly BestPathChange[]): void {
    for (const { prefix, paths } of changes) {
      if (paths.length === 0) this.#best.delete(prefix)
      else this.#best.set(prefix, paths)
      this.#changed.add(prefix)
    }
    this.#schedule(SETTLE_MILLISECONDS)
  }

  configure(settings: KernelSettings): void {
    if (JSON.stringify(settings) === JSON.stringify(this.#settings)) return
    this.#settings = settings
    this.#isAnew = true
    this.#schedule(SETTLE_MILLISECONDS)
  }

  /** Routes of before that nobody announced again are removed now. */
  releaseStale(): void {
    this.#holdsStale = false
    this.#schedule(SETTLE_MILLISECONDS)
  }

  /** Ends; our routes stay if `keep`, for the process after this one. */
  stop(keep: boolean): void {
    this.#stopped = true
    this.#timer?.timer.cancel()
    this.#watch.close()
    if (keep) return
    this.#table.resync()
    this.#table.setDesired(new Map())
    this.#table.apply(() => false)
  }

  #schedule(milliseconds: number): void {
    const { clock } = this.#needs
    const due = clock.now() + milliseconds
    if (this.#stopped || (this.#timer !== undefined && this.#timer.due <= due)) return
    this.#timer?.timer.cancel()
    this.#timer = { due, timer: clock.after(milliseconds, () => this.#write()) }
  }

  #write(): void {
    const { log } = this.#needs
    this.#timer = undefined
    try {
      this.#desire()
      const { written, removed, failed, contested, isWhole } = this.#table.apply(
        () => this.#holdsStale,
        ROUTES_PER_PASS,
      )
      if (!isWhole) this.#schedule(0)
      if (this.#table.mustResync) this.#isAnew = true
      if (contested > 0) this.#schedule(this.#isAnew ? RETRY_MILLISECONDS : SETTLE_MILLISECONDS)
      if (written + removed + failed > 0)
        log.info('Kernel routes changed', { written, removed, failed })
      if (failed > 0) this.#schedule(RETRY_MILLISECONDS)
    } catch (thrown) {
      this.#isAnew = true
      log.error('Failed to read kernel routes', { error: messageOf(thrown) })
      this.#schedule(RETRY_MILLISECONDS)
    }
  }

  /** Works out what should be there: of what changed, or of everything when next hops may have. */
  #desire(): void {
    const asked = new Map<IpAddress, NextHop | string>()
    if (this.#isAnew) {
      this.#table.resync()
      const routes = [...this.#best.keys()].map((prefix) => this.#routeTo(prefix, asked))
      this.#table.setDesired(
        new Map(
          routes.flatMap((route) => (route === undefined ? [] : [[route.destination, route]])),
        ),
      )
      this.#isAnew = false
      for (const nextHop of this.#unreachable.keys()) {
        if (!asked.has(nextHop)) this.#unreachable.delete(nextHop)
      }
    } else {
      for (const prefix of this.#changed) {
        this.#table.desire(prefix, this.#routeTo(prefix, asked))
      }
    }
    this.#changed.clear()
    this.#tellUnreachable(asked)
  }

  #routeTo(prefix: Prefix, asked: Map<IpAddress, NextHop | string>): Route | undefined {
    const { metric = METRIC, learned = 'all' } = this.#settings
    const nextHops = (this.#best.get(prefix) ?? []).flatMap((path) => {
      const isLearned = path.kind === 'external' || (path.kind === 'internal' && learned === 'all')
      if (!isLearned || learned === 'none') return []
      const nextHop = this.#nextHop(path.nextHop, asked)
      return typeof nextHop === 'string' ? [] : nextHop
    })
    if (nextHops.length === 0) return undefined
    return {
      destination: prefix,
      type: 'unicast',
      table: ROUTE_TABLE.main,
      protocol: BGPD_ROUTE_PROTOCOL,
      scope: 'global',
      priority: metric,
      nextHops: distinct(nextHops),
    }
  }

  /** Over which link and gateway an address is reached, or why not; asked once for each. */
  #nextHop(address: IpAddress, asked: Map<IpAddress, NextHop | string>): NextHop | string {
    const known = asked.get(address)
    if (known !== undefined) return known
    const found = this.#lookup(address)
    asked.set(address, found)
    return found
  }

  #lookup(address: IpAddress): NextHop | string {
    try {
      const {
        type,
        linkIndex,
        gateway = address,
      } = this.#needs.kernel.lookupRoute({
        destination: address,
      })
      if (type !== 'unicast') return `it is ${type} here`
      return familyOf(gateway) === familyOf(address)
        ? { linkIndex, gateway }
        : `its gateway ${gateway} is of the other family`
    } catch (thrown) {
      if (isKernelError(thrown)) return thrown.message
      throw thrown
    }
  }

  #tellUnreachable(asked: ReadonlyMap<IpAddress, NextHop | string>): void {
    for (const [nextHop, why] of asked) {
      if (typeof why !== 'string') this.#unreachable.delete(nextHop)
      else if (this.#unreachable.get(nextHop) !== why) {
        this.#unreachable.set(nextHop, why)
        const message = 'Next hop is unreachable; its routes are not written'
        this.#needs.log.warn(message, { nextHop, why })
      }
    }
  }
}

function isOurs(route: Route): boolean {
  return route.protocol === BGPD_ROUTE_PROTOCOL && route.table === ROUTE_TABLE.main
}

/** What can change which link and gateway an address is reached by; after an overrun anything may have. */
const DECIDES_WAYS: ReadonlySet<KernelEvent['kind']> = new Set([
  'link',
  'address',
  'route',
  'rule',
  'overrun',
])

function distinct(nextHops: readonly NextHop[]): readonly NextHop[] {
  const byText = new Map(nextHops.map((nextHop) => [JSON.stringify(nextHop), nextHop]))
  return [...byText.values()]
}

/** Whether the kernel has routes that a process before this one has left. */
export function hasLeftRoutes(kernel: Kernel): boolean {
  return kernel.routes({ protocol: BGPD_ROUTE_PROTOCOL }).length > 0
}
