import { Backoff } from '../lib/backoff.ts'
import type { Clock, Timer } from '../lib/clock.ts'
import type { Closable } from '../lib/closable.ts'
import { messageOf } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import type { Random } from '../lib/random.ts'
import type { Kind, ResourceOf } from '../model/resource.ts'
import { shown } from '../model/problem.ts'
import { storageOf } from './kind-storage.ts'
import type { LastGoodRows } from './last-good-rows.ts'
import type { Row, Store, WatchEvent } from './store.ts'

export type ResourceChange<K extends Kind = Kind> = RowChange<ResourceOf<K>>

export type RowChange<Value> =
  /** Created, or other than it was. */
  | { readonly type: 'put'; readonly resource: Value; readonly createRevision: number }
  /** Gone; the resource is as it was last known. */
  | { readonly type: 'delete'; readonly resource: Value }

/** Why a row does not count, or a part of it. */
export interface RowProblem {
  readonly key: string
  /** Path as in YAML, "spec.cidr"; "" is the whole value. */
  readonly field: string
  /** Shortened, fit for a terminal. */
  readonly value: string
  readonly expected: string
}

export interface FollowProblem extends RowProblem {
  /** What counts instead: nothing, the row as it last could be read, or the rest of the row. */
  readonly instead: 'nothing' | 'last good' | 'the rest'
  /** Wall time since when it is so, milliseconds since 1970. */
  readonly since: number
}

export interface FollowHandlers<K extends Kind = Kind> {
  /**
   * Changes of one revision, or what a fresh listing of a kind found to differ. Never empty. A
   * resource that cannot be read any more stays as it was, until it is deleted; see `onProblems`. What a
   * handler throws is logged, and the same is told again after a moment.
   */
  onChanges(changes: readonly ResourceChange<K>[]): void
  /** Once: everything that was there at the start has been told. */
  onInSync?(): void
  /** The store could not be reached (false) or was again (true); what was told stays true meanwhile. */
  onConnected?(connected: boolean): void
  /** All rows that cannot be read now, or not as a whole, whenever they are others. Each is logged once. */
  onProblems?(problems: readonly FollowProblem[]): void
}

/** What a row says. */
export type ReadRow<Value> =
  | { readonly resource: Value; readonly problems: readonly RowProblem[] }
  | { readonly problem: RowProblem }

/**
 * What rows mean, for many who follow one store in one process: each row is read once for all. Who is
 * told of a resource that others are told of too must not change it.
 */
export type DecodedRows = WeakMap<Row, ReadRow<object>>

/** What following takes. */
export interface FollowPorts {
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly decoded?: DecodedRows | undefined
  /** Where rows outlive the process as they were when they could be read; absent: they do not. */
  readonly lastGood?: LastGoodRows | undefined
}

/** Follows several kinds, each by a list and a watch of its own. */
export class Follower<K extends Kind> implements Closable {
  readonly #streams: readonly Stream<ResourceOf<K>>[]
  readonly #missing: Set<K>
  readonly #outages = new Set<K>()
  #inSync = false
  readonly #problems = new Map<K, readonly FollowProblem[]>()

  constructor(
    ports: FollowPorts,
    kinds: readonly K[],
    handlers: FollowHandlers<K>,
    within?: string,
  ) {
    this.#missing = new Set(kinds)
    this.#streams = [...this.#missing].map(
      (kind) =>
        new Stream<ResourceOf<K>>(ports, storageOf(kind).prefix(within), readerOf(kind), {
          onProblems: (problems) => {
            this.#problems.set(kind, problems)
            handlers.onProblems?.([...this.#problems.values()].flat())
          },
          onChanges: (changes) => {
            handlers.onChanges(changes)
          },
          onListed: () => {
            this.#missing.delete(kind)
            if (this.#inSync || this.#missing.size > 0) return
            handlers.onInSync?.()
            this.#inSync = true
          },
          onConnected: (connected) => {
            if (connected) this.#outages.delete(kind)
            else this.#outages.add(kind)
            if (this.#outages.size === (connected ? 0 : 1)) handlers.onConnected?.(connected)
          },
        }),
    )
    for (const stream of this.#streams) stream.start()
  }

  close(): void {
    for (const stream of this.#streams) stream.close()
  }
}

/** How rows under one prefix are read. */
export interface RowReader<Value> {
  /** Undefined for a row that does not count. What it throws is a problem of the whole value. */
  decode(row: Row): ReadRow<Value> | undefined
  /** The modRevision of the row that a value was read from. */
  revisionOf(value: Value): number
}

function readerOf<K extends Kind>(kind: K): RowReader<ResourceOf<K>> {
  const storage = storageOf(kind)
  return {
    decode(row) {
      const decoded = storage.decode(row)
      if (decoded === undefined || 'problem' in decoded) return decoded
      return { resource: decoded.resource as ResourceOf<K>, problems: decoded.problems }
    },
    revisionOf: ({ metadata }) => Number(metadata.resourceVersion),
  }
}

/** As {@link FollowHandlers}, of rows that are no resources. */
export interface RowHandlers<Value> {
  onChanges(changes: readonly RowChange<Value>[]): void
  onInSync(): void
  onProblems?(problems: readonly FollowProblem[]): void
}

/** Follows what stands under a prefix, as {@link Follower} does kinds. */
export function followRows<Value extends object>(
  ports: FollowPorts,
  prefix: string,
  reader: RowReader<Value>,
  handlers: RowHandlers<Value>,
): Closable {
  let inSync = false
  const stream = new Stream(ports, prefix, reader, {
    onChanges: (changes) => {
      handlers.onChanges(changes)
    },
    onListed: () => {
      if (!inSync) handlers.onInSync()
      inSync = true
    },
    onConnected() {},
    onProblems: (problems) => {
      handlers.onProblems?.(problems)
    },
  })
  stream.start()
  return stream
}

interface StreamHandlers<Value> {
  onChanges(changes: readonly RowChange<Value>[]): void
  onListed(): void
  onConnected(connected: boolean): void
  onProblems(problems: readonly FollowProblem[]): void
}

interface Known<Value> {
  readonly value: Value
  readonly createRevision: number
}

interface News<Value> {
  readonly key: string
  readonly change: RowChange<Value>
}

/** One kind: list, tell the differences, watch; from the start again whenever the watch ends. */
class Stream<Value extends object> implements Closable {
  readonly #ports: FollowPorts
  readonly #prefix: string
  readonly #reader: RowReader<Value>
  readonly #handlers: StreamHandlers<Value>
  readonly #backoff: Backoff
  /** By key: the last readable state. */
  readonly #known = new Map<string, Known<Value>>()
  /** By key: what of a row does not count. */
  readonly #problems = new Map<string, readonly FollowProblem[]>()
  #problemsChanged = false
  #watch: Closable | undefined
  #timer: Timer | undefined
  #connected = true
  #open = true

  constructor(
    ports: FollowPorts,
    prefix: string,
    reader: RowReader<Value>,
    handlers: StreamHandlers<Value>,
  ) {
    this.#ports = ports
    this.#prefix = prefix
    this.#reader = reader
    this.#handlers = handlers
    this.#backoff = new Backoff({
      firstMilliseconds: 100,
      mostMilliseconds: 10_000,
      random: ports.random,
    })
  }

  start(): void {
    void this.#follow()
  }

  /** Never rejects: what fails is told of and tried again. */
  async #follow(): Promise<void> {
    try {
      await this.#list()
    } catch (thrown) {
      this.#fail(thrown)
    }
  }

  async #list(): Promise<void> {
    const prefix = this.#prefix
    const listing = await this.#ports.store.list(prefix).catch((thrown: unknown) => {
      this.#ports.log.warn('Failed to list; retrying', { prefix, error: messageOf(thrown) })
    })
    if (!this.#open) return
    this.#setConnected(listing !== undefined)
    if (listing === undefined) {
      this.#again()
      return
    }
    this.#reconcile(listing.rows)
    this.#handlers.onListed()
    this.#backoff.reset()
    if (this.#open) this.#watchFrom(prefix, listing.revision + 1)
  }

  #again(): void {
    this.#timer = this.#ports.clock.after(this.#backoff.next(), () => void this.#follow())
  }

  /** Who is told failed; what was not taken is told again from a fresh listing. */
  #fail(thrown: unknown): void {
    if (!this.#open) return
    this.#ports.log.error('Failed to process changes of the datastore; retrying', {
      prefix: this.#prefix,
      error: messageOf(thrown),
    })
    this.#again()
  }

  #setConnected(connected: boolean): void {
    if (this.#connected === connected) return
    this.#handlers.onConnected(connected)
    this.#connected = connected
  }

  #reconcile(rows: readonly Row[]): void {
    const listed = new Set(rows.map((row) => row.key))
    const known = new Set([...this.#known.keys(), ...this.#problems.keys()])
    const gone = [...known].filter((key) => !listed.has(key))
    this.#ports.lastGood?.retain(this.#prefix, listed)
    this.#tell([
      ...rows.flatMap((row) => this.#put(row)),
      ...gone.flatMap((key) => this.#delete(key)),
    ])
  }

  /** What was told is known only when it was taken. */
  #tell(news: readonly News<Value>[]): void {
    if (this.#ports.log.topics.store) this.#show(news)
    if (news.length > 0) this.#handlers.onChanges(news.map(({ change }) => change))
    for (const { key, change } of news) {
      if (change.type === 'delete') this.#known.delete(key)
      else {
        const { resource, createRevision } = change
        this.#known.set(key, { value: resource, createRevision })
      }
    }
    if (!this.#problemsChanged) return
    this.#handlers.onProblems([...this.#problems.values()].flat())
    this.#problemsChanged = false
  }

  /** Values stay where they are: some of them are secret. */
  #show(news: readonly News<Value>[]): void {
    for (const { key, change } of news) {
      const revision = this.#reader.revisionOf(change.resource)
      const fields = { key, change: change.type, revision }
      this.#ports.log.tell('store', 'The datastore told a change', fields)
    }
  }

  #watchFrom(prefix: string, revision: number): void {
    let isOver = false
    const watch = this.#ports.store.watch(prefix, revision, {
      onEvents: (events) => {
        if (isOver) return
        try {
          this.#apply(events)
        } catch (thrown) {
          isOver = true
          this.#watch?.close()
          this.#fail(thrown)
        }
      },
      onEnd: (reason) => {
        if (!this.#open || isOver) return
        this.#ports.log.info('Watch ended; listing again', { prefix, reason })
        this.#again()
      },
    })
    this.#watch = watch
    if (isOver) watch.close() // it told before it was there to be closed
  }

  #apply(events: readonly WatchEvent[]): void {
    if (!this.#open) return
    this.#tell(
      events.flatMap((event) =>
        event.kind === 'put' ? this.#put(event.row) : this.#delete(event.key),
      ),
    )
  }

  #put(row: Row): readonly News<Value>[] {
    const { key, modRevision, createRevision } = row
    const known = this.#known.get(key)
    if (known !== undefined && this.#reader.revisionOf(known.value) === modRevision) return []
    const read = this.#read(row)
    if (read === undefined) return []
    if ('problem' in read) return this.#keepLastGood(row, read.problem)
    this.#ports.lastGood?.keep(row)
    this.#setProblems(key, read.problems, 'the rest')
    return [{ key, change: { type: 'put', resource: read.resource, createRevision } }]
  }

  /** A row that was good stays as it was then; one that was deleted and created anew never was. */
  #keepLastGood(row: Row, problem: RowProblem): readonly News<Value>[] {
    const { lastGood, clock } = this.#ports
    const { key, createRevision } = row
    const known = this.#known.get(key)
    const kept = lastGood?.get(key)
    const isSameRow = (other: { readonly createRevision: number } | undefined): boolean =>
      other?.createRevision === createRevision
    if (isSameRow(known)) {
      const since = lastGood?.outdate(key, clock.wallTime())?.outdatedSince
      this.#setProblems(key, [problem], 'last good', since)
      return []
    }
    if (kept !== undefined && isSameRow(kept.row)) {
      const read = this.#read(kept.row)
      if (read !== undefined && 'resource' in read) {
        const since = lastGood?.outdate(key, clock.wallTime())?.outdatedSince
        this.#setProblems(key, [problem], 'last good', since)
        return [{ key, change: { type: 'put', resource: read.resource, createRevision } }]
      }
    }
    const news = this.#delete(key)
    this.#setProblems(key, [problem], 'nothing')
    return news
  }

  /** A problem that was there before has been since then, and is not logged again. */
  #setProblems(
    key: string,
    problems: readonly RowProblem[],
    instead: FollowProblem['instead'],
    since: number = this.#ports.clock.wallTime(),
  ): void {
    const before = this.#problems.get(key) ?? []
    if (before.length === 0 && problems.length === 0) return
    const { log } = this.#ports
    const next = problems.map(({ field, value, expected }): FollowProblem => {
      const known = before.find((one) => one.field === field && one.value === value)
      if (known?.expected === expected && known.instead === instead) return known
      log.warn('Rejected a stored row', { key, field, value, expected, instead })
      return { key, field, value, expected, instead, since }
    })
    if (next.length === 0) log.info('A stored row is accepted again', { key })
    if (next.length === 0) this.#problems.delete(key)
    else this.#problems.set(key, next)
    this.#problemsChanged = true
  }

  /** A row is of one prefix, and so always of the same type. */
  #read(row: Row): ReadRow<Value> | undefined {
    const { decoded } = this.#ports
    const known = decoded?.get(row)
    if (known !== undefined) return known as ReadRow<Value>
    const read = this.#decode(row)
    if (read !== undefined) decoded?.set(row, read)
    return read
  }

  #decode(row: Row): ReadRow<Value> | undefined {
    try {
      return this.#reader.decode(row)
    } catch (thrown) {
      const { key, value } = row
      const expected = messageOf(thrown)
      return { problem: { key: shown(key), field: '', value: shown(value), expected } }
    }
  }

  #delete(key: string): readonly News<Value>[] {
    if (this.#problems.delete(key)) this.#problemsChanged = true
    this.#ports.lastGood?.forget(key)
    const known = this.#known.get(key)
    return known === undefined ? [] : [{ key, change: { type: 'delete', resource: known.value } }]
  }

  close(): void {
    this.#open = false
    this.#watch?.close()
    this.#timer?.cancel()
  }
}
