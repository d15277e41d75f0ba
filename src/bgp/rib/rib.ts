import type { Family } from '../../net/ip-address.ts'
import type { AttributeTable } from './attribute-table.ts'
import { firstLength, grown, roomOf, withRoom } from './columns.ts'
import { comparePaths, selectBest } from './decision.ts'
import { PATH_FLAG, PATH_STATUS, type PathStatus } from './path-state.ts'
import { PrefixTable } from './prefix-table.ts'
import type { RowQueue } from './row-queue.ts'
import type { Sources } from './sources.ts'

export interface RibOptions {
  readonly alwaysCompareMed: boolean
}

/** Told of every change; for a history of routes. */
export interface RibObserver {
  received(row: number, path: number): void
  /** Before the path goes. */
  withdrawn(row: number, path: number): void
  stale(row: number, path: number): void
  /** Another path is the best now; -1 for none. */
  best(row: number, path: number): void
  /** The row is given back. */
  forget(row: number): void
}

/**
 * Adj-RIB-In and Loc-RIB of one family in one structure: for each prefix the chain of its paths, one a
 * source (and path identifier), and which of them is the best. Everything is a column of a typed array;
 * a path costs 24 octets, a prefix 13 (25 in IPv6), and slots of the hash.
 *
 * Changes are told by marking rows in the queues that are attached.
 */
export class Rib {
  readonly family: Family
  readonly attributes: AttributeTable
  readonly sources: Sources
  readonly prefixes: PrefixTable
  options: RibOptions = { alwaysCompareMed: false }
  observer: RibObserver | undefined

  /** By prefix row: first path of the chain, best path; -1 for none. */
  first = new Int32Array(firstLength(8)).fill(-1)
  best = new Int32Array(firstLength(9)).fill(-1)

  /** By path. */
  pathPrefixes = new Int32Array(firstLength(0))
  pathNexts = new Int32Array(firstLength(1))
  pathSources = new Uint16Array(firstLength(2))
  pathIds = new Uint32Array(firstLength(3))
  /** Attributes after import policy, which all else looks at. */
  pathAttributes = new Int32Array(firstLength(4))
  /** Attributes as they came, to apply another policy to. */
  pathReceived = new Int32Array(firstLength(5))
  pathFlags = new Uint8Array(firstLength(6))
  pathStatus = new Uint8Array(firstLength(7))
  /** Paths are below it. */
  pathLimit = 0
  pathCount = 0
  /** Prefixes that have a path. */
  prefixCount = 0
  /** Paths by source, used or not. */
  counts = new Uint32Array(16)
  /** Those of them that cannot be used. */
  ineligibleCounts = new Uint32Array(16)
  /** Selection waits (RFC 4724 section 4.1): paths are kept, none becomes the best. */
  isDeferred = false
  /** Nobody is told of anything until selection has caught up. */
  isHeldBack = false
  /** A MED other than 0 has been seen, so that the order of pairs is not enough (RFC 4271 section 9.1.2.2 c). */
  hasMed = false

  readonly #queues: RowQueue[] = []
  readonly #allPathQueues: RowQueue[] = []
  /** Rows and paths that every column has room for. */
  #prefixRoom = 0
  #pathRoom = 0
  /** First of the free paths, chained through `pathNexts`; -1 for none. */
  #freePath = -1

  constructor(family: Family, attributes: AttributeTable, sources: Sources) {
    this.family = family
    this.attributes = attributes
    this.sources = sources
    this.prefixes = new PrefixTable(family)
  }

  /** Marks rows in `queue` whose best path changes, with `allPaths` those where any path does. */
  attach(queue: RowQueue, allPaths: boolean): void {
    this.#queues.push(queue)
    if (allPaths) this.#allPathQueues.push(queue)
  }

  detach(queue: RowQueue): void {
    for (const list of [this.#queues, this.#allPathQueues]) {
      const at = list.indexOf(queue)
      if (at >= 0) list.splice(at, 1)
    }
  }

  /** The path of a source in the chain of a prefix row, or -1. */
  findPath(row: number, source: number, pathId: number): number {
    let path = this.first[row]!
    while (path >= 0 && (this.pathSources[path] !== source || this.pathIds[path] !== pathId)) {
      path = this.pathNexts[path]!
    }
    return path
  }

  /**
   * Adds a path or replaces the one of the same source and identifier. The prefix is in `words[at]` and
   * `length`; `received` and `attributes` gain a user each.
   * @returns whether the path is new
   */
  update(
    words: Uint32Array,
    at: number,
    length: number,
    source: number,
    pathId: number,
    received: number,
    attributes: number,
    status: PathStatus,
  ): boolean {
    const row = this.prefixes.intern(words, at, length)
    if (row >= this.#prefixRoom) this.#growPrefixes(row + 1)
    let path = this.findPath(row, source, pathId)
    const isNew = path < 0
    if (isNew) path = this.#addPath(row, source, pathId)
    else {
      const isSame =
        this.pathAttributes[path] === attributes &&
        this.pathStatus[path] === status &&
        (this.pathFlags[path]! & PATH_FLAG.longLivedStale) === 0
      this.pathFlags[path] = 0
      if (isSame && this.pathReceived[path] === received) return false
      this.attributes.retain(attributes)
      this.attributes.retain(received)
      this.#letGo(path)
      this.#set(path, received, attributes, status)
      if (!isSame) this.#decide(row, path)
      return false
    }
    this.attributes.retain(attributes)
    this.attributes.retain(received)
    this.#set(path, received, attributes, status)
    this.#decide(row, path)
    return true
  }

  #set(path: number, received: number, attributes: number, status: PathStatus): void {
    if (status !== PATH_STATUS.eligible) this.ineligibleCounts[this.pathSources[path]!]!++
    this.pathReceived[path] = received
    this.pathAttributes[path] = attributes
    this.pathStatus[path] = status
    if (this.attributes.meds[attributes] !== 0) this.hasMed = true
    if (this.observer !== undefined) this.observer.received(this.pathPrefixes[path]!, path)
  }

  /** The reverse of {@link #set}. */
  #letGo(path: number): void {
    this.attributes.release(this.pathAttributes[path]!)
    this.attributes.release(this.pathReceived[path]!)
    if (this.pathStatus[path] !== PATH_STATUS.eligible) {
      this.ineligibleCounts[this.pathSources[path]!]!--
    }
  }

  /** Removes the path of a source; false if there is none. */
  withdraw(
    words: Uint32Array,
    at: number,
    length: number,
    source: number,
    pathId: number,
  ): boolean {
    const row = this.prefixes.find(words, at, length)
    if (row < 0) return false
    const path = this.findPath(row, source, pathId)
    if (path < 0) return false
    this.removePath(path)
    return true
  }

  removePath(path: number): void {
    const row = this.pathPrefixes[path]!
    const next = this.pathNexts[path]!
    if (this.observer !== undefined) this.observer.withdrawn(row, path)
    let before = this.first[row]!
    if (before === path) this.first[row] = next
    else {
      while (this.pathNexts[before] !== path) before = this.pathNexts[before]!
      this.pathNexts[before] = next
    }
    this.#letGo(path)
    this.counts[this.pathSources[path]!]!--
    this.pathPrefixes[path] = -1
    this.pathNexts[path] = this.#freePath
    this.#freePath = path
    this.pathCount--
    if (this.first[row]! < 0) this.prefixCount--
    const best = this.best[row]!
    // With MED a path that is not the best may have kept another from being it (selectByMed).
    if (best === path || (this.hasMed && !this.isDeferred)) {
      const next = this.isDeferred ? -1 : selectBest(this, row)
      this.#setBest(row, next)
      if (best !== next) return this.#markAll(this.#queues, row)
    }
    this.#markAll(this.#allPathQueues, row)
  }

  /** Gives a path other attributes, whose one user it becomes; `reconsider` has to follow. */
  replaceAttributes(path: number, attributes: number): void {
    this.attributes.release(this.pathAttributes[path]!)
    this.pathAttributes[path] = attributes
  }

  /** Selects for rows up to `to` what a deferred selection left out. */
  selectDeferred(from: number, to: number): void {
    const end = Math.min(to, this.prefixes.rowLimit)
    for (let row = from; row < end; row++) if (this.first[row]! >= 0) this.reconsider(row)
  }

  /** Decides again after something that the path's columns do not show, such as a flag, changed. */
  reconsider(row: number): void {
    if (this.isDeferred) return
    this.#setBest(row, selectBest(this, row))
    this.#markAll(this.#queues, row)
  }

  #setBest(row: number, path: number): void {
    if (this.observer !== undefined && this.best[row] !== path) this.observer.best(row, path)
    this.best[row] = path
  }

  /** Gives rows without paths back, unless a queue still needs them to tell of their end. */
  reclaim(from: number, to: number, isNeeded: (row: number) => boolean): void {
    const end = Math.min(to, this.prefixes.rowLimit)
    for (let row = from; row < end; row++) {
      if (this.first[row]! >= 0 || !this.prefixes.isUsed(row) || isNeeded(row)) continue
      this.observer?.forget(row)
      this.prefixes.remove(row)
    }
  }

  /** A path changed: the least work that finds the best one. */
  #decide(row: number, path: number): void {
    if (this.isDeferred) return
    const best = this.best[row]!
    const isEligible = this.pathStatus[path] === PATH_STATUS.eligible
    if (best < 0) {
      if (!isEligible) return
      this.#setBest(row, path)
    } else if (best === path) {
      const isAlone = this.pathNexts[this.first[row]!]! < 0
      if (!isAlone || !isEligible) this.#setBest(row, selectBest(this, row))
    } else if (this.hasMed) {
      const next = selectBest(this, row)
      if (next === best) return this.#markAll(this.#allPathQueues, row)
      this.#setBest(row, next)
    } else if (isEligible && comparePaths(this, path, best) > 0) this.#setBest(row, path)
    else return this.#markAll(this.#allPathQueues, row)
    this.#markAll(this.#queues, row)
  }

  #markAll(queues: readonly RowQueue[], row: number): void {
    for (let at = 0; at < queues.length; at++) queues[at]!.mark(row)
  }

  #addPath(row: number, source: number, pathId: number): number {
    const path = this.#newPath()
    this.pathPrefixes[path] = row
    this.pathSources[path] = source
    this.pathIds[path] = pathId
    this.pathFlags[path] = 0
    if (this.first[row]! < 0) this.prefixCount++
    this.pathNexts[path] = this.first[row]!
    this.first[row] = path
    this.pathCount++
    if (source >= this.counts.length) {
      this.counts = grown(this.counts, source * 2)
      this.ineligibleCounts = grown(this.ineligibleCounts, source * 2)
    }
    this.counts[source]!++
    return path
  }

  #newPath(): number {
    const free = this.#freePath
    if (free >= 0) {
      this.#freePath = this.pathNexts[free]!
      return free
    }
    const path = this.pathLimit++
    if (path >= this.#pathRoom) this.#growPaths(path + 1)
    return path
  }

  #growPaths(paths: number): void {
    this.pathPrefixes = withRoom(this.pathPrefixes, paths)
    this.pathNexts = withRoom(this.pathNexts, paths)
    this.pathSources = withRoom(this.pathSources, paths)
    this.pathIds = withRoom(this.pathIds, paths)
    this.pathAttributes = withRoom(this.pathAttributes, paths)
    this.pathReceived = withRoom(this.pathReceived, paths)
    this.pathFlags = withRoom(this.pathFlags, paths)
    this.pathStatus = withRoom(this.pathStatus, paths)
    const links = roomOf(this.pathPrefixes, this.pathNexts, this.pathSources, this.pathIds)
    const sets = roomOf(this.pathAttributes, this.pathReceived)
    this.#pathRoom = Math.min(links, sets, roomOf(this.pathFlags, this.pathStatus))
  }

  #growPrefixes(rows: number): void {
    this.first = withRoom(this.first, rows, -1)
    this.best = withRoom(this.best, rows, -1)
    this.#prefixRoom = roomOf(this.first, this.best)
  }
}
