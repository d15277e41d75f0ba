import type { Clock } from '../../lib/clock.ts'
import type { IpAddress } from '../../net/ip-address.ts'
import { attributesOfBlock, formatAsPath } from '../route-attributes.ts'
import type { RouteHistoryEntry } from '../status.ts'
import { firstLength, roomOf, withRoom } from './columns.ts'
import type { Rib, RibObserver } from './rib.ts'
import { OWN_SOURCE } from './sources.ts'

const EVENTS: readonly RouteHistoryEntry['event'][] = ['received', 'withdrawn', 'stale', 'best']
/** Addresses that changes came from; with more the history begins anew. */
const ADDRESSES_MAX = 65_535
const NO_SET = -1

/**
 * The latest changes of each route of one RIB, as many as it is told to keep. A million routes have
 * millions of them: an entry is 19 octets in columns, and a user of the attributes that it tells of.
 *
 * The entries of a row are a ring, in which the oldest comes after the newest.
 */
export class RouteHistory implements RibObserver {
  readonly #rib: Rib
  readonly #clock: Clock
  readonly #perRoute: number
  readonly #addressOf: (source: number) => IpAddress | undefined

  /** By row: its newest entry and how many it has. */
  #newest = new Int32Array(firstLength(0))
  #counts = new Uint16Array(firstLength(1))
  #rowRoom = 0

  /** By entry. */
  #nexts = new Int32Array(firstLength(2))
  #ats = new Float64Array(firstLength(3))
  #events = new Uint8Array(firstLength(4))
  #froms = new Uint16Array(firstLength(5))
  #sets = new Int32Array(firstLength(6))
  #entryRoom = 0
  #entryLimit = 0
  /** First of the free entries, chained through `#nexts`; -1 for none. */
  #free = -1

  /** What `#froms` numbers; the first is nobody. */
  #addresses: (IpAddress | undefined)[] = [undefined]
  readonly #numbers = new Map<IpAddress, number>()

  constructor(
    rib: Rib,
    clock: Clock,
    perRoute: number,
    addressOf: (source: number) => IpAddress | undefined,
  ) {
    this.#rib = rib
    this.#clock = clock
    this.#perRoute = perRoute
    this.#addressOf = addressOf
  }

  /** Oldest first. */
  of(row: number): readonly RouteHistoryEntry[] {
    const count = this.#counts[row] ?? 0
    let entry = this.#newest[row] ?? 0
    return Array.from({ length: count }, () => {
      entry = this.#nexts[entry]!
      return this.#view(entry)
    })
  }

  #view(entry: number): RouteHistoryEntry {
    const event = EVENTS[this.#events[entry]!]!
    const detail = this.#detail(event, this.#sets[entry]!)
    return { at: this.#ats[entry]!, event, from: this.#addresses[this.#froms[entry]!], detail }
  }

  #detail(event: RouteHistoryEntry['event'], set: number): string {
    if (event === 'withdrawn') return ''
    if (event === 'stale') return 'the session is gone, the route is retained'
    if (set === NO_SET) return 'none'
    const { nextHop, asPath } = attributesOfBlock(this.#rib.attributes.block(set))
    const way = formatAsPath(asPath)
    return `next hop ${nextHop}${way === '' ? '' : `, AS path ${way}`}`
  }

  received(row: number, path: number): void {
    this.#add(row, 'received', path, this.#rib.pathAttributes[path]!)
  }

  withdrawn(row: number, path: number): void {
    this.#add(row, 'withdrawn', path, NO_SET)
  }

  stale(row: number, path: number): void {
    this.#add(row, 'stale', path, NO_SET)
  }

  best(row: number, path: number): void {
    this.#add(row, 'best', path, path < 0 ? NO_SET : this.#rib.pathAttributes[path]!)
  }

  forget(row: number): void {
    const count = this.#counts[row] ?? 0
    if (count === 0) return
    const newest = this.#newest[row]!
    const oldest = this.#nexts[newest]!
    for (let at = 0, entry = oldest; at < count; at++, entry = this.#nexts[entry]!) {
      this.#release(entry)
    }
    this.#nexts[newest] = this.#free
    this.#free = oldest
    this.#counts[row] = 0
  }

  /** Forgets everything. */
  clear(): void {
    for (let row = 0; row < this.#rowRoom; row++) this.forget(row)
    this.#addresses = [undefined]
    this.#numbers.clear()
  }

  #add(row: number, event: RouteHistoryEntry['event'], path: number, set: number): void {
    const from = this.#numberOf(path < 0 ? OWN_SOURCE : this.#rib.pathSources[path]!)
    const entry = this.#entryFor(row)
    this.#ats[entry] = this.#clock.wallTime()
    this.#events[entry] = EVENTS.indexOf(event)
    this.#froms[entry] = from
    this.#sets[entry] = set
    if (set !== NO_SET) this.#rib.attributes.retain(set)
  }

  /** A new newest entry of the row: in place of its oldest when it has all it may have. */
  #entryFor(row: number): number {
    if (row >= this.#rowRoom) this.#growRows(row + 1)
    const count = this.#counts[row]!
    const newest = this.#newest[row]!
    if (count === this.#perRoute) {
      const oldest = this.#nexts[newest]!
      this.#release(oldest)
      this.#newest[row] = oldest
      return oldest
    }
    const entry = this.#newEntry()
    this.#nexts[entry] = count === 0 ? entry : this.#nexts[newest]!
    if (count > 0) this.#nexts[newest] = entry
    this.#newest[row] = entry
    this.#counts[row] = count + 1
    return entry
  }

  #newEntry(): number {
    const free = this.#free
    if (free >= 0) {
      this.#free = this.#nexts[free]!
      return free
    }
    const entry = this.#entryLimit++
    if (entry >= this.#entryRoom) this.#growEntries(entry + 1)
    return entry
  }

  #release(entry: number): void {
    const set = this.#sets[entry]!
    if (set !== NO_SET) this.#rib.attributes.release(set)
  }

  #numberOf(source: number): number {
    const address = source === OWN_SOURCE ? undefined : this.#addressOf(source)
    if (address === undefined) return 0
    const known = this.#numbers.get(address)
    if (known !== undefined) return known
    if (this.#addresses.length >= ADDRESSES_MAX) this.clear()
    const number = this.#addresses.push(address) - 1
    this.#numbers.set(address, number)
    return number
  }

  #growRows(rows: number): void {
    this.#newest = withRoom(this.#newest, rows)
    this.#counts = withRoom(this.#counts, rows)
    this.#rowRoom = roomOf(this.#newest, this.#counts)
  }

  #growEntries(entries: number): void {
    this.#nexts = withRoom(this.#nexts, entries)
    this.#ats = withRoom(this.#ats, entries)
    this.#events = withRoom(this.#events, entries)
    this.#froms = withRoom(this.#froms, entries)
    this.#sets = withRoom(this.#sets, entries)
    this.#entryRoom = roomOf(this.#nexts, this.#ats, this.#events, this.#froms, this.#sets)
  }
}
