import { Backoff } from '../lib/backoff.ts'
import type { Clock, Timer } from '../lib/clock.ts'
import type { Closable } from '../lib/closable.ts'
import { messageOf } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import type { Random } from '../lib/random.ts'
import type { Kind, ResourceOf } from '../model/resource.ts'
import { shown } from '../model/problem.ts'
import type { LastGoodRows } from './last-good-rows.ts'
import { listAll, type ResourceStore } from './resource-store.ts'
import type { DecodedRows } from './row-resource-store.ts'
import type { Row, Store } from './store.ts'

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

/** What following takes. */
export interface FollowPorts {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
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
    ports: FollowPorts & { readonly store: ResourceStore },
    kinds: readonly K[],
    handlers: FollowHandlers<K>,
    within?: string,
  ) {
    this.#missing = new Set(kinds)
    this.#streams = [...this.#missing].map(
      (kind) =>
        new Stream<ResourceOf<K>>(ports, sourceOf(ports.store, kind, within), {
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

/** A state of something that is followed; what it says is read when it is asked for. */
interface Followed<Value> {
  readonly key: string
  readonly resourceVersion: string
  readonly createdAt: string
  readonly age: number
  readonly saved: Row
  readonly decoded: ReadRow<Value>
}

type FollowedEvent<Value> =
  | { readonly type: 'put'; readonly stored: Followed<Value> }
  | { readonly type: 'delete'; readonly key: string }

/** What {@link Stream} follows: one kind of a {@link ResourceStore}, or rows that are no resources. */
interface Source<Value> {
  /** What its keys begin with. */
  readonly place: string
  list(): Promise<{ readonly items: readonly Followed<Value>[]; readonly resourceVersion: string }>
  watch(
    after: string,
    handlers: {
      onEvents(events: readonly FollowedEvent<Value>[]): void
      onEnd(reason: string): void
    },
  ): Closable
  restore(saved: Row): Followed<Value> | undefined
}

function sourceOf<K extends Kind>(
  store: ResourceStore,
  kind: K,
  within: string | undefined,
): Source<ResourceOf<K>> {
  return {
    place: store.place(kind, within),
    list: () => listAll(store, kind, { within }),
    watch: (after, handlers) => store.watch(kind, { after, within }, handlers),
    restore: (saved) => store.restore(kind, saved),
  }
}

/** Reads a row under a prefix. What it throws is a problem of the whole value. */
export type RowReader<Value> = (row: Row) => Value

function sourceOfRows<Value extends object>(
  { store, decoded }: { readonly store: Store; readonly decoded?: DecodedRows | undefined },
  prefix: string,
  reader: RowReader<Value>,
): Source<Value> {
  const read = (row: Row): Followed<Value> => {
    const known = decoded?.get(row) as FollowedRow<Value> | undefined
    const stored = known ?? new FollowedRow(row, reader)
    if (known === undefined) decoded?.set(row, stored)
    return stored
  }
  return {
    place: prefix,
    async list() {
      const { rows, revision } = await store.list(prefix)
      return { items: rows.map(read), resourceVersion: String(revision) }
    },
    watch: (after, { onEvents, onEnd }) =>
      store.watch(prefix, Number(after) + 1, {
        onEvents: (events) =>
          onEvents(
            events.map((event) =>
              event.kind === 'put'
                ? { type: 'put', stored: read(event.row) }
                : { type: 'delete', key: event.key },
            ),
          ),
        onEnd,
      }),
    restore: read,
  }
}

class FollowedRow<Value> implements Followed<Value> {
  readonly saved: Row
  readonly resourceVersion: string
  readonly createdAt: string
  readonly #reader: RowReader<Value>
  #decoded: ReadRow<Value> | undefined

  constructor(row: Row, reader: RowReader<Value>) {
    this.saved = row
    this.#reader = reader
    this.resourceVersion = String(row.modRevision)
    this.createdAt = String(row.createRevision)
  }

  get key(): string {
    return this.saved.key
  }

  get age(): number {
    return this.saved.createRevision
  }

  get decoded(): ReadRow<Value> {
    this.#decoded ??= this.#decode()
    return this.#decoded
  }

  #decode(): ReadRow<Value> {
    try {
      return { resource: this.#reader(this.saved), problems: [] }
    } catch (thrown) {
      const { key, value } = this.saved
      const expected = messageOf(thrown)
      return { problem: { key: shown(key), field: '', value: shown(value), expected } }
    }
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
  ports: FollowPorts & { readonly store: Store; readonly decoded?: DecodedRows | undefined },
  prefix: string,
  reader: RowReader<Value>,
  handlers: RowHandlers<Value>,
): Closable {
  let inSync = false
  const stream = new Stream(ports, sourceOfRows(ports, prefix, reader), {
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
  readonly resourceVersion: string
  readonly createdAt: string
}

type News<Value> = { readonly key: string } & (
  | { readonly change: Extract<RowChange<Value>, { type: 'put' }>; readonly known: Known<Value> }
  | { readonly change: Extract<RowChange<Value>, { type: 'delete' }>; readonly known: undefined }
)

/** One kind: list, tell the differences, watch; from the start again whenever the watch ends. */
class Stream<Value extends object> implements Closable {
  readonly #ports: FollowPorts
  readonly #source: Source<Value>
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

  constructor(ports: FollowPorts, source: Source<Value>, handlers: StreamHandlers<Value>) {
    this.#ports = ports
    this.#source = source
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
    const prefix = this.#source.place
    const listing = await this.#source.list().catch((thrown: unknown) => {
      this.#ports.log.warn('Failed to list; retrying', { prefix, error: messageOf(thrown) })
    })
    if (!this.#open) return
    this.#setConnected(listing !== undefined)
    if (listing === undefined) {
      this.#again()
      return
    }
    this.#reconcile(listing.items)
    this.#handlers.onListed()
    this.#backoff.reset()
    if (this.#open) this.#watchFrom(listing.resourceVersion)
  }

  #again(): void {
    this.#timer = this.#ports.clock.after(this.#backoff.next(), () => void this.#follow())
  }

  /** Who is told failed; what was not taken is told again from a fresh listing. */
  #fail(thrown: unknown): void {
    if (!this.#open) return
    this.#ports.log.error('Failed to process changes of the datastore; retrying', {
      prefix: this.#source.place,
      error: messageOf(thrown),
    })
    this.#again()
  }

  #setConnected(connected: boolean): void {
    if (this.#connected === connected) return
    this.#handlers.onConnected(connected)
    this.#connected = connected
  }

  #reconcile(items: readonly Followed<Value>[]): void {
    const listed = new Set(items.map(({ key }) => key))
    const known = new Set([...this.#known.keys(), ...this.#problems.keys()])
    const gone = [...known].filter((key) => !listed.has(key))
    this.#ports.lastGood?.retain(this.#source.place, listed)
    this.#tell([
      ...items.flatMap((stored) => this.#put(stored)),
      ...gone.flatMap((key) => this.#delete(key)),
    ])
  }

  /** What was told is known only when it was taken. */
  #tell(news: readonly News<Value>[]): void {
    if (this.#ports.log.topics.store) this.#show(news)
    if (news.length > 0) this.#handlers.onChanges(news.map(({ change }) => change))
    for (const { key, known } of news) {
      if (known === undefined) this.#known.delete(key)
      else this.#known.set(key, known)
    }
    if (!this.#problemsChanged) return
    this.#handlers.onProblems([...this.#problems.values()].flat())
    this.#problemsChanged = false
  }

  /** Values stay where they are: some of them are secret. */
  #show(news: readonly News<Value>[]): void {
    for (const { key, change, known } of news) {
      const revision = (known ?? this.#known.get(key))?.resourceVersion
      const fields = { key, change: change.type, revision }
      this.#ports.log.tell('store', 'Datastore change', fields)
    }
  }

  #watchFrom(version: string): void {
    let isOver = false
    const watch = this.#source.watch(version, {
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
        const prefix = this.#source.place
        this.#ports.log.info('Watch ended; listing again', { prefix, reason })
        this.#again()
      },
    })
    this.#watch = watch
    if (isOver) watch.close() // it told before it was there to be closed
  }

  #apply(events: readonly FollowedEvent<Value>[]): void {
    if (!this.#open) return
    this.#tell(
      events.flatMap((event) =>
        event.type === 'put' ? this.#put(event.stored) : this.#delete(event.key),
      ),
    )
  }

  #put(stored: Followed<Value>): readonly News<Value>[] {
    const { key, resourceVersion } = stored
    if (this.#known.get(key)?.resourceVersion === resourceVersion) return []
    const { decoded } = stored
    if ('problem' in decoded) return this.#keepLastGood(stored, decoded.problem)
    this.#ports.lastGood?.keep(stored.saved)
    this.#setProblems(key, decoded.problems, 'the rest')
    return [this.#news(stored, decoded.resource)]
  }

  #news(stored: Followed<Value>, resource: Value): News<Value> {
    const { key, resourceVersion, createdAt, age } = stored
    return {
      key,
      change: { type: 'put', resource, createRevision: age },
      known: { value: resource, resourceVersion, createdAt },
    }
  }

  /** A row that was good stays as it was then; one that was deleted and created anew never was. */
  #keepLastGood(stored: Followed<Value>, problem: RowProblem): readonly News<Value>[] {
    const { lastGood, clock } = this.#ports
    const { key, createdAt } = stored
    const since = (): number | undefined => lastGood?.outdate(key, clock.wallTime())?.outdatedSince
    if (this.#known.get(key)?.createdAt === createdAt) {
      this.#setProblems(key, [problem], 'last good', since())
      return []
    }
    const saved = lastGood?.get(key)?.row
    const kept = saved && this.#source.restore(saved)
    if (kept?.createdAt === createdAt && 'resource' in kept.decoded) {
      this.#setProblems(key, [problem], 'last good', since())
      return [this.#news(kept, kept.decoded.resource)]
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

  #delete(key: string): readonly News<Value>[] {
    if (this.#problems.delete(key)) this.#problemsChanged = true
    this.#ports.lastGood?.forget(key)
    const known = this.#known.get(key)
    if (known === undefined) return []
    return [{ key, change: { type: 'delete', resource: known.value }, known: undefined }]
  }

  close(): void {
    this.#open = false
    this.#watch?.close()
    this.#timer?.cancel()
  }
}
