import type { BestPath, BestPathChange } from '../bgp/status.ts'
import {
  isKernelError,
  type Kernel,
  type NextHop,
  type Route,
  ROUTE_TABLE,
} from '../kernel/kernel.ts'
import type { Clock, Timer } from '../lib/clock.ts'
import { messageOf } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { familyOf, type IpAddress } from '../net/ip-address.ts'
import type { Prefix } from '../net/prefix.ts'
import { RouteTable } from '../routes/route-table.ts'

/** rtnetlink's RTPROT_BGP: what `ip route` prints as "proto bgp". */
export const BGPD_ROUTE_PROTOCOL = 186
/** Metric of routes unless the configuration has another. */
const METRIC = 20
/** From a change to the writing of it, so that what comes together is written together. */
const SETTLE_MILLISECONDS = 20
/** Between tries of what the kernel refused, and looks at what others changed. */
const RETRY_MILLISECONDS = 5_000

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
  readonly #best = new Map<Prefix, readonly BestPath[]>()
  /** What the kernel says of next hops that it does not reach; each is logged once. */
  #unreachable: ReadonlyMap<IpAddress, string> = new Map()
  #settings: KernelSettings
  #holdsStale: boolean
  #timer: Timer | undefined
  #stopped = false

  /** @param holdsStale routes of the process before this one stay until {@link releaseStale} */
  constructor(needs: KernelRoutesNeeds, settings: KernelSettings, holdsStale: boolean) {
    this.#needs = needs
    this.#settings = settings
    this.#holdsStale = holdsStale
    this.#table = new RouteTable({
      kernel: needs.kernel,
      log: needs.log,
      isOurs: (route) => route.protocol === BGPD_ROUTE_PROTOCOL && route.table === ROUTE_TABLE.main,
    })
  }

  apply(changes: readonly BestPathChange[]): void {
    for (const { prefix, paths } of changes) {
      if (paths.length === 0) this.#best.delete(prefix)
      else this.#best.set(prefix, paths)
    }
    this.#schedule(SETTLE_MILLISECONDS)
  }

  configure(settings: KernelSettings): void {
    if (JSON.stringify(settings) === JSON.stringify(this.#settings)) return
    this.#settings = settings
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
    this.#timer?.cancel()
    if (keep) return
    this.#table.resync()
    this.#table.setDesired(new Map())
    this.#table.apply(() => false)
  }

  #schedule(milliseconds: number): void {
    if (this.#stopped) return
    this.#timer?.cancel()
    this.#timer = this.#needs.clock.after(milliseconds, () => this.#write())
  }

  #write(): void {
    const { log } = this.#needs
    try {
      this.#table.resync()
      this.#table.setDesired(this.#desired())
      const { written, removed, failed } = this.#table.apply(() => this.#holdsStale)
      if (written + removed + failed > 0) log.info('kernel routes', { written, removed, failed })
    } catch (thrown) {
      log.error('The kernel could not be read', { error: messageOf(thrown) })
    }
    this.#schedule(RETRY_MILLISECONDS)
  }

  #desired(): ReadonlyMap<string, Route> {
    const { metric = METRIC, learned = 'all' } = this.#settings
    const asked = new Map<IpAddress, NextHop | string>()
    const routes = new Map<string, Route>()
    for (const [prefix, paths] of this.#best) {
      const nextHops = paths.flatMap((path) => {
        const isLearned =
          path.kind === 'external' || (path.kind === 'internal' && learned === 'all')
        if (!isLearned || learned === 'none') return []
        const nextHop = this.#nextHop(path.nextHop, asked)
        return typeof nextHop === 'string' ? [] : nextHop
      })
      if (nextHops.length === 0) continue
      routes.set(prefix, {
        destination: prefix,
        type: 'unicast',
        table: ROUTE_TABLE.main,
        protocol: BGPD_ROUTE_PROTOCOL,
        scope: 'global',
        priority: metric,
        nextHops: distinct(nextHops),
      })
    }
    this.#tellUnreachable(asked)
    return routes
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
    const unreachable = new Map<IpAddress, string>()
    for (const [nextHop, why] of asked) {
      if (typeof why !== 'string') continue
      unreachable.set(nextHop, why)
      if (this.#unreachable.get(nextHop) === why) continue
      this.#needs.log.warn('No route is written by a next hop that is not reached', {
        nextHop,
        why,
      })
    }
    this.#unreachable = unreachable
  }
}

function distinct(nextHops: readonly NextHop[]): readonly NextHop[] {
  const byText = new Map(nextHops.map((nextHop) => [JSON.stringify(nextHop), nextHop]))
  return [...byText.values()]
}

/** Whether the kernel has routes that a process before this one has left. */
export function hasLeftRoutes(kernel: Kernel): boolean {
  return kernel.routes({ protocol: BGPD_ROUTE_PROTOCOL }).length > 0
}
