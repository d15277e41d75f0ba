import type { Clock } from '../lib/clock.ts'
import { FAMILIES, type Family } from '../net/ip-address.ts'
import type { RestartFamily } from '../wire/bgp/capabilities.ts'
import { familyOfAfiSafi } from '../wire/bgp/families.ts'
import type { DownCause } from './session/fsm.ts'
import { retainsRoutes } from './graceful-restart.ts'
import { LazyTimer } from './session/lazy-timer.ts'
import type { EstablishedSession } from './session/neighbor.ts'
import type { ImportRules, Ribs } from './receive.ts'
import { TRAIT } from './rib/attribute-table.ts'
import { PATH_FLAG } from './rib/path-state.ts'
import type { Rib } from './rib/rib.ts'
import { attributesOfBlock, blockOfAttributes } from './route-attributes.ts'
import { WELL_KNOWN_COMMUNITY } from '../wire/bgp/iana.ts'
import type { Work } from './work.ts'

/** Paths looked at in one call of a job. */
const SWEEP_PATHS = 8192
/** Stale paths go after so long even if the neighbor, though back, never says End-of-RIB (or EoRR). */
const STALE_SECONDS_MAX = 360

export interface NeighborRoutesHost {
  readonly clock: Clock
  readonly work: Work
  readonly ribs: Ribs
  wake(): void
}

/** What came from one neighbor: how long it is kept when the session is gone, and how it goes. */
export class NeighborRoutes {
  readonly source: number
  readonly #host: NeighborRoutesHost
  rules: ImportRules | undefined
  readonly #restartTimer: LazyTimer
  readonly #staleTimer: LazyTimer
  readonly #longLivedTimers: Readonly<Record<Family, LazyTimer>>
  /** Stale Time of RFC 9494 by family, of the session that went down. */
  #longLivedSeconds: Partial<Record<Family, number>> = {}
  readonly #endOfRib = new Set<Family>()
  /** The neighbor knows End-of-RIB and will say it (RFC 4724). */
  #saysEndOfRib = false
  /** Families between BoRR and EoRR (RFC 7313), each with the time after which EoRR is not waited for. */
  readonly #refreshTimers: Readonly<Record<Family, LazyTimer>>
  /** Families that stale paths were kept of, until End-of-RIB. */
  readonly #mayBeStale = new Set<Family>()
  #isRemoved = false
  #sweeps = 0
  #onSwept: (() => void) | undefined

  constructor(host: NeighborRoutesHost, source: number) {
    this.#host = host
    this.source = source
    this.#restartTimer = new LazyTimer(host.clock, () => this.#restartTimeOver())
    this.#staleTimer = new LazyTimer(host.clock, () => this.#dropAll(PATH_FLAG.stale))
    const longLived = (family: Family): LazyTimer =>
      new LazyTimer(host.clock, () => this.#drop(family, PATH_FLAG.longLivedStale))
    this.#longLivedTimers = { 4: longLived(4), 6: longLived(6) }
    const refresh = (family: Family): LazyTimer =>
      new LazyTimer(host.clock, () => this.#drop(family, PATH_FLAG.refreshing))
    this.#refreshTimers = { 4: refresh(4), 6: refresh(6) }
  }

  /** Whether routes of a session that is gone are still here. */
  get isRetaining(): boolean {
    return (
      this.#restartTimer.isRunning ||
      FAMILIES.some((family) => this.#longLivedTimers[family].isRunning)
    )
  }

  hasEndOfRib(family: Family): boolean {
    return this.#endOfRib.has(family)
  }

  countStale(family: Family): number {
    const rib = this.#host.ribs[family]
    // Not worth a look at all paths unless there has been a restart.
    if (!this.isRetaining && !this.#mayBeStale.has(family)) return 0
    const mask = PATH_FLAG.stale | PATH_FLAG.longLivedStale
    let count = 0
    for (let path = 0; path < rib.pathLimit; path++) {
      if (this.#isOurs(rib, path) && (rib.pathFlags[path]! & mask) !== 0) count++
    }
    return count
  }

  /** The neighbor is back: what it did not keep in its forwarding table goes (RFC 4724 section 4.2). */
  established({ negotiated }: EstablishedSession, rules: ImportRules): void {
    this.rules = rules
    this.#endOfRib.clear()
    this.#saysEndOfRib = negotiated.gracefulRestart !== undefined
    this.#restartTimer.stop()
    const preserved = (families: readonly RestartFamily[] | undefined): Family[] =>
      (families ?? []).flatMap(({ afi, safi, forwardingPreserved }) => {
        const family = familyOfAfiSafi(afi, safi)
        return family === undefined || !forwardingPreserved ? [] : [family]
      })
    const kept = new Set(preserved(negotiated.gracefulRestart?.families))
    const keptLong = new Set(preserved(negotiated.longLivedGracefulRestart?.families))
    for (const family of FAMILIES) {
      this.#longLivedTimers[family].stop()
      if (!kept.has(family)) this.#drop(family, PATH_FLAG.stale)
      if (!keptLong.has(family)) this.#drop(family, PATH_FLAG.longLivedStale)
    }
    this.#longLivedSeconds = {}
    for (const row of negotiated.longLivedGracefulRestart?.families ?? []) {
      const family = familyOfAfiSafi(row.afi, row.safi)
      if (family !== undefined) this.#longLivedSeconds[family] = row.staleTimeSeconds
    }
    this.#staleTimer.set(STALE_SECONDS_MAX * 1000)
  }

  /** The session is gone: its routes are retained for the restart time, or go. */
  released(session: EstablishedSession, cause: DownCause): void {
    this.rules = undefined
    this.#staleTimer.stop()
    this.#stopRefreshes()
    const { gracefulRestart, gracefulNotification } = session.negotiated
    const retained = new Set<Family>()
    if (gracefulRestart !== undefined && retainsRoutes(cause, gracefulNotification)) {
      for (const { afi, safi } of gracefulRestart.families) {
        const family = familyOfAfiSafi(afi, safi)
        if (family !== undefined) retained.add(family)
      }
    }
    for (const family of FAMILIES) {
      const rib = this.#host.ribs[family]
      if ((rib.counts[this.source] ?? 0) === 0) continue
      // What was stale already has had its time (RFC 4724 section 4.2).
      this.#drop(family, retained.has(family) ? PATH_FLAG.stale : 0)
      if (!retained.has(family)) continue
      this.#mayBeStale.add(family)
      this.#mark(rib, PATH_FLAG.stale)
    }
    if (retained.size === 0) return
    const seconds = gracefulRestart!.restartTimeSeconds
    this.#restartTimer.set(seconds * 1000)
  }

  /** Configured away: everything goes; `onGone` is called when nothing is left. */
  remove(onGone: () => void): void {
    this.#isRemoved = true
    this.#restartTimer.stop()
    this.#staleTimer.stop()
    this.#stopRefreshes()
    this.#onSwept = onGone
    for (const family of FAMILIES) {
      this.#longLivedTimers[family].stop()
      this.#drop(family, 0)
    }
    if (this.#sweeps === 0) onGone()
  }

  endOfRib(family: Family): void {
    this.#endOfRib.add(family)
    this.#mayBeStale.delete(family)
    this.#drop(family, PATH_FLAG.stale | PATH_FLAG.longLivedStale)
  }

  /** RFC 7313 section 4: BoRR; ignored before the End-of-RIB of a neighbor that says it. */
  beginRefresh(family: Family): void {
    if (this.#saysEndOfRib && !this.#endOfRib.has(family)) return
    this.#mark(this.#host.ribs[family], PATH_FLAG.refreshing)
    this.#refreshTimers[family].set(STALE_SECONDS_MAX * 1000)
  }

  /** RFC 7313 section 4: EoRR; what was not said again is gone. Ignored without a BoRR. */
  endRefresh(family: Family): void {
    const timer = this.#refreshTimers[family]
    if (!timer.isRunning) return
    timer.stop()
    this.#drop(family, PATH_FLAG.refreshing)
  }

  #stopRefreshes(): void {
    for (const family of FAMILIES) this.#refreshTimers[family].stop()
  }

  #isOurs(rib: Rib, path: number): boolean {
    return rib.pathSources[path] === this.source && rib.pathPrefixes[path]! >= 0
  }

  #mark(rib: Rib, flag: number): void {
    for (let path = 0; path < rib.pathLimit; path++) {
      if (!this.#isOurs(rib, path)) continue
      rib.pathFlags[path]! |= flag
      if (flag === PATH_FLAG.stale) rib.observer?.stale(rib.pathPrefixes[path]!, path)
    }
  }

  #dropAll(mask: number): void {
    for (const family of FAMILIES) this.#drop(family, mask)
  }

  /** Removes the paths with one of the flags in `mask`, all for 0, in slices. */
  #drop(family: Family, mask: number): void {
    const rib = this.#host.ribs[family]
    if ((rib.counts[this.source] ?? 0) === 0) return
    // Marked at once, removed bit by bit: what arrives meanwhile on a new session stays.
    let found = 0
    for (let path = 0; path < rib.pathLimit; path++) {
      if (!this.#isOurs(rib, path)) continue
      if (mask !== 0 && (rib.pathFlags[path]! & mask) === 0) continue
      rib.pathFlags[path]! |= PATH_FLAG.doomed
      found++
    }
    if (found === 0) return
    this.#sweep(rib, (path) => {
      if ((rib.pathFlags[path]! & PATH_FLAG.doomed) !== 0) rib.removePath(path)
    })
  }

  /** Calls `visit` for each path of this neighbor, in slices. */
  #sweep(rib: Rib, visit: (path: number) => void): void {
    let path = 0
    this.#sweeps++
    this.#host.work.add(() => {
      const end = Math.min(rib.pathLimit, path + SWEEP_PATHS)
      for (; path < end; path++) if (this.#isOurs(rib, path)) visit(path)
      this.#host.wake()
      if (path < rib.pathLimit) return true
      this.#sweeps--
      if (this.#sweeps === 0 && this.#isRemoved) this.#onSwept?.()
      return false
    })
  }

  /** The neighbor did not come back in time: long-lived stale where that was agreed, else gone. */
  #restartTimeOver(): void {
    for (const family of FAMILIES) {
      const seconds = this.#longLivedSeconds[family] ?? 0
      if (seconds === 0) {
        this.#drop(family, PATH_FLAG.stale)
        continue
      }
      const rib = this.#host.ribs[family]
      if ((rib.counts[this.source] ?? 0) === 0) continue
      this.#longLivedTimers[family].set(seconds * 1000)
      this.#sweep(rib, (path) => {
        if ((rib.pathFlags[path]! & PATH_FLAG.stale) !== 0) this.#makeLongLived(rib, path)
      })
    }
  }

  /** RFC 9494 section 4.2: LLGR_STALE is added; what has NO_LLGR goes. */
  #makeLongLived(rib: Rib, path: number): void {
    const table = rib.attributes
    const set = rib.pathAttributes[path]!
    if ((table.traits[set]! & TRAIT.noLlgr) !== 0) return rib.removePath(path)
    rib.pathFlags[path] = PATH_FLAG.longLivedStale
    if ((table.traits[set]! & TRAIT.llgrStale) === 0) {
      const attributes = attributesOfBlock(table.block(set))
      const communities = [...(attributes.communities ?? []), WELL_KNOWN_COMMUNITY.llgrStale]
      const block = blockOfAttributes({ ...attributes, communities }, rib.family)
      rib.replaceAttributes(path, table.intern(block, 0, block.length))
    }
    rib.reconsider(rib.pathPrefixes[path]!)
  }
}
