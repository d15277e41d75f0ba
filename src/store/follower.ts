import { Backoff } from '../lib/backoff.ts'
import type { Clock, Timer } from '../lib/clock.ts'
import type { Closable } from '../lib/closable.ts'
import { messageOf } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import type { Random } from '../lib/random.ts'
import type { Kind, ResourceOf } from '../model/resource.ts'
import { storageOf } from './kind-storage.ts'
import { logProblems } from './log-problems.ts'
import { UnreadableResource } from './resource-errors.ts'
import type { Row, Store, WatchEvent } from './store.ts'

export type ResourceChange<K extends Kind = Kind> = RowChange<ResourceOf<K>>

export type RowChange<Value> =
  /** Created, or other than it was. */
  | { readonly type: 'put'; readonly resource: Value; readonly createRevision: number }
  /** Gone; the resource is as it was last known. */
  | { readonly type: 'delete'; readonly resource: Value }

export interface FollowHandlers<K extends Kind = Kind> {
  /**
   * Changes of one revision, or what a fresh listing of a kind found to differ. Never empty. A
   * resource that cannot be read any more stays as it was; it is logged. What a handler throws is
   * logged too, and the same is told again after a moment.
   */
  onChanges(changes: readonly ResourceChange<K>[]): void
  /** Once: everything that was there at the start has been told. */
  onInSync?(): void
  /** The store could not be reached (false) or was again (true); what was told stays true meanwhile. */
  onConnected?(connected: boolean): void
}

/**
 * What rows mean, for many who follow one store in one process: each row is read once for all. Who is
 * told of a resource that others are told of too must not change it.
 */
export type DecodedRows = WeakMap<Row, object>

/** What following takes. */
export interface FollowPorts {
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly decoded?: DecodedRows | undefined
}

/** Follows several kinds, each by a list and a watch of its own. */
export class Follower<K extends Kind> implements Closable {
  readonly #streams: readonly Stream<ResourceOf<K>>[]
  readonly #missing: Set<K>
  readonly #outages = new Set<K>()
  #inSync = false

  constructor(
    ports: FollowPorts,
    kinds: readonly K[],
    handlers: FollowHandlers<K>,
    within?: string,
  ) {
    this.#missing = new Set(kinds)
    this.#streams = [...this.#missing].map(
      (kind) =>
        new Stream<ResourceOf<K>>(
          ports,
          storageOf(kind).prefix(within),
          readerOf(kind, ports.log),
          {
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
          },
        ),
    )
    for (const stream of this.#streams) stream.start()
  }

  close(): void {
    for (const stream of this.#streams) stream.close()
  }
}

/** How rows under one prefix are read. */
export interface RowReader<Value> {
  /** Undefined for a row that does not count; throws on a value that is not as it must be. */
  decode(row: Row): Value | undefined
  /** The modRevision of the row that a value was read from. */
  revisionOf(value: Value): number
}

function readerOf<K extends Kind>(kind: K, log: Log): RowReader<ResourceOf<K>> {
  const storage = storageOf(kind)
  return {
    decode(row) {
      const decoded = storage.decode(row)
      if (decoded === undefined) return undefined
      if ('problem' in decoded) throw new UnreadableResource(decoded.problem)
      logProblems(log, decoded.problems)
      return decoded.resource as ResourceOf<K>
    },
    revisionOf: ({ metadata }) => Number(metadata.resourceVersion),
  }
}

/** As {@link FollowHandlers}, of rows that are no resources. */
export interface RowHandlers<Value> {
  onChanges(changes: readonly RowChange<Value>[]): void
  onInSync(): void
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
  })
  stream.start()
  return stream
}

interface StreamHandlers<Value> {
  onChanges(changes: readonly RowChange<Value>[]): void
  onListed(): void
  onConnected(connected: boolean): void
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
  readonly #known = new Map<string, Value>()
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
      this.#ports.log.warn('cannot list; trying again', { prefix, error: messageOf(thrown) })
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
    this.#ports.log.error('unable to take in what the store told; trying again', {
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
    const gone = [...this.#known.keys()].filter((key) => !listed.has(key))
    this.#tell([
      ...rows.flatMap((row) => this.#put(row)),
      ...gone.flatMap((key) => this.#delete(key)),
    ])
  }

  /** What was told is known only when it was taken. */
  #tell(news: readonly News<Value>[]): void {
    if (news.length === 0) return
    this.#handlers.onChanges(news.map(({ change }) => change))
    for (const { key, change } of news) {
      if (change.type === 'put') this.#known.set(key, change.resource)
      else this.#known.delete(key)
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
        this.#ports.log.info('the watch ended; listing again', { prefix, reason })
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
    const { key, modRevision } = row
    const known = this.#known.get(key)
    if (known !== undefined && this.#reader.revisionOf(known) === modRevision) return []
    try {
      const resource = this.#decode(row)
      if (resource === undefined) return []
      const { createRevision } = row
      return [{ key, change: { type: 'put', resource, createRevision } }]
    } catch (thrown) {
      const { log } = this.#ports
      log.warn('a stored resource cannot be read', { key, error: messageOf(thrown) })
      return []
    }
  }

  /** A row is of one prefix, and so always of the same type. */
  #decode(row: Row): Value | undefined {
    const { decoded } = this.#ports
    const known = decoded?.get(row)
    if (known !== undefined) return known as Value
    const resource = this.#reader.decode(row)
    if (resource !== undefined) decoded?.set(row, resource)
    return resource
  }

  #delete(key: string): readonly News<Value>[] {
    const resource = this.#known.get(key)
    return resource === undefined ? [] : [{ key, change: { type: 'delete', resource } }]
  }

  close(): void {
    this.#open = false
    this.#watch?.close()
    this.#timer?.cancel()
  }
}
