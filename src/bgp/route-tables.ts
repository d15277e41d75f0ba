import type { Clock } from '../lib/clock.ts'
import { FAMILIES, type Family, type IpAddress } from '../net/ip-address.ts'
import { type Prefix, prefixFamily } from '../net/prefix.ts'
import type { SpeakerConfig } from './config.ts'
import type { Ribs } from './receive.ts'
import { AttributeTable } from './rib/attribute-table.ts'
import { PATH_STATUS } from './rib/path-state.ts'
import { wordsOf } from './rib/prefix-text.ts'
import { Rib } from './rib/rib.ts'
import { RouteHistory } from './rib/route-history.ts'
import { OWN_SOURCE, Sources } from './rib/sources.ts'
import { type AnnouncedAttributes, blockOfAttributes, originated } from './route-attributes.ts'
import type { RouteHistoryEntry } from './status.ts'
import type { Work } from './work.ts'

/** Rows looked at in one call of a job. */
const JOB_ROWS = 16_384
/** Rows without a path are left until there are so many, and a quarter of all. */
const EMPTY_ROWS_MIN = 4096

/** The RIBs of both families over one table of attributes, with the routes of this speaker's own. */
export class RouteTables {
  readonly attributes = new AttributeTable()
  readonly sources = new Sources()
  readonly ribs: Ribs = {
    4: new Rib(4, this.attributes, this.sources),
    6: new Rib(6, this.attributes, this.sources),
  }
  readonly #work: Work
  readonly #clock: Clock
  #histories: Partial<Record<Family, RouteHistory>> = {}
  #historyPerRoute = 0
  #isReclaiming = false

  constructor(work: Work, clock: Clock) {
    this.#work = work
    this.#clock = clock
  }

  configure(config: SpeakerConfig, addressOf: (source: number) => IpAddress | undefined): void {
    this.attributes.localAs = config.localAs
    const perRoute = config.historyPerRoute ?? 0
    for (const family of FAMILIES) {
      this.ribs[family].options = { alwaysCompareMed: config.alwaysCompareMed ?? false }
      if (perRoute === this.#historyPerRoute) continue
      const history =
        perRoute > 0
          ? new RouteHistory(this.ribs[family], this.#clock, perRoute, addressOf)
          : undefined
      this.#histories[family]?.clear()
      this.ribs[family].observer = history
      if (history === undefined) delete this.#histories[family]
      else this.#histories[family] = history
    }
    this.#historyPerRoute = perRoute
  }

  announce(prefix: Prefix, attributes: AnnouncedAttributes): void {
    const family = prefixFamily(prefix)
    const block = blockOfAttributes(originated(attributes, family), family)
    const set = this.attributes.intern(block, 0, block.length)
    const { words, length } = wordsOf(prefix)
    const { eligible } = PATH_STATUS
    this.ribs[family].update(words, 0, length, OWN_SOURCE, 0, set, set, eligible)
    this.attributes.release(set)
  }

  withdraw(prefix: Prefix): void {
    const { words, length } = wordsOf(prefix)
    this.ribs[prefixFamily(prefix)].withdraw(words, 0, length, OWN_SOURCE, 0)
  }

  history(prefix: Prefix): readonly RouteHistoryEntry[] {
    const family = prefixFamily(prefix)
    const { words, length } = wordsOf(prefix)
    const row = this.ribs[family].prefixes.find(words, 0, length)
    return row < 0 ? [] : (this.#histories[family]?.of(row) ?? [])
  }

  /** Gives back, in slices, the rows of prefixes that have no path left, once they are many. */
  reclaim(isNeeded: (family: Family, row: number) => boolean): void {
    for (const family of FAMILIES) {
      const { prefixes, prefixCount } = this.ribs[family]
      const empty = prefixes.size - prefixCount
      const isWorthIt = empty > Math.max(EMPTY_ROWS_MIN, prefixes.size >>> 2)
      if (isWorthIt && !this.#isReclaiming) this.#reclaim(this.ribs[family], isNeeded)
    }
  }

  #reclaim(rib: Rib, isNeeded: (family: Family, row: number) => boolean): void {
    let row = 0
    this.#isReclaiming = true
    this.#work.add(() => {
      rib.reclaim(row, row + JOB_ROWS, (one) => isNeeded(rib.family, one))
      row += JOB_ROWS
      this.#isReclaiming = row < rib.prefixes.rowLimit
      return this.#isReclaiming
    })
  }
}
