import type { Clock } from '../../lib/clock.ts'
import type { IpAddress } from '../../net/ip-address.ts'
import { attributesOfBlock, formatAsPath } from '../route-attributes.ts'
import type { RouteHistoryEntry } from '../status.ts'
import type { Rib, RibObserver } from './rib.ts'
import { OWN_SOURCE } from './sources.ts'

/** The latest changes of each route of one RIB, as many as it is told to keep. */
export class RouteHistory implements RibObserver {
  readonly #rib: Rib
  readonly #clock: Clock
  readonly #perRoute: number
  readonly #addressOf: (source: number) => IpAddress | undefined
  readonly #entries = new Map<number, RouteHistoryEntry[]>()

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

  of(row: number): readonly RouteHistoryEntry[] {
    return this.#entries.get(row) ?? []
  }

  received(row: number, path: number): void {
    this.#add(row, 'received', path, this.#describe(path))
  }

  withdrawn(row: number, path: number): void {
    this.#add(row, 'withdrawn', path, '')
  }

  stale(row: number, path: number): void {
    this.#add(row, 'stale', path, 'the session is gone, the route is retained')
  }

  best(row: number, path: number): void {
    if (path >= 0) this.#add(row, 'best', path, this.#describe(path))
    else this.#add(row, 'best', undefined, 'none')
  }

  forget(row: number): void {
    this.#entries.delete(row)
  }

  #describe(path: number): string {
    const { nextHop, asPath } = attributesOfBlock(
      this.#rib.attributes.block(this.#rib.pathAttributes[path]!),
    )
    const way = formatAsPath(asPath)
    return `next hop ${nextHop}${way === '' ? '' : `, AS path ${way}`}`
  }

  #add(
    row: number,
    event: RouteHistoryEntry['event'],
    path: number | undefined,
    detail: string,
  ): void {
    const entries = this.#entries.get(row) ?? []
    if (entries.length === 0) this.#entries.set(row, entries)
    if (entries.length >= this.#perRoute) entries.shift()
    const source = path === undefined ? OWN_SOURCE : this.#rib.pathSources[path]!
    const from = source === OWN_SOURCE ? undefined : this.#addressOf(source)
    entries.push({ at: this.#clock.wallTime(), event, from, detail })
  }
}
