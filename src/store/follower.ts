import { Backoff } from '../lib/backoff.ts'
import type { Clock, Timer } from '../lib/clock.ts'
import type { Closable } from '../lib/closable.ts'
import { messageOf } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import type { Random } from '../lib/random.ts'
import type { Kind, ResourceOf } from '../model/resource.ts'
import { storageOf } from './kind-storage.ts'
import type { Row, Store, WatchEvent } from './store.ts'

export type ResourceChange<K extends Kind = Kind> = RowChange<ResourceOf<K>>

export type RowChange<Value> =
  /** Created, or other than it was. */
  | { readonly type: 'put'; readonly resource: Value }
  /** Gone; the resource is as it was last known. */
  | { readonly type: 'delete'; readonly resource: Value }

export interface FollowHandlers<K extends Kind = Kind> {
  /**
   * Changes of one revision, or what a fresh listing of a kind found to differ. Never empty. A
   * resource that cannot be read any more stays as it was; it is logged.
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
  #missing: Set<K>
  #outages = 0

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
          onChanges: (changes) => {
            handlers.onChanges(changes)
          },
          onListed: () => {
            if (this.#missing.delete(kind) && this.#missing.size === 0) handlers.onInSync?.()
          },
          onConnected: (connected) => {
            this.#outages += connected ? -1 : 1
            if (this.#outages === (connected ? 0 : 1)) handlers.onConnected?.(connected)
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
  /** Undefined for a row that does not count; throws on a value that is not as it must be. */
  decode(row: Row): Value | undefined
  /** The modRevision of the row that a value was read from. */
  revisionOf(value: Value): number
}

function readerOf<K extends Kind>(kind: K): RowReader<ResourceOf<K>> {
  const storage = storageOf(kind)
  return {
    decode: (row) => storage.decode(row) as ResourceOf<K> | undefined,
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
    void this.#list()
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
    this.#backoff.reset()
    this.#reconcile(listing.rows)
    this.#handlers.onListed()
    if (this.#open) this.#watchFrom(prefix, listing.revision + 1)
  }

  #again(): void {
    this.#timer = this.#ports.clock.after(this.#backoff.next(), () => void this.#list())
  }

  #setConnected(connected: boolean): void {
    if (this.#connected === connected) return
    this.#connected = connected
    this.#handlers.onConnected(connected)
  }

  #reconcile(rows: readonly Row[]): void {
    const listed = new Set(rows.map((row) => row.key))
    const gone = [...this.#known.keys()].filter((key) => !listed.has(key))
    const changes = [
      ...rows.flatMap((row) => this.#put(row)),
      ...gone.flatMap((key) => this.#delete(key)),
    ]
    if (changes.length > 0) this.#handlers.onChanges(changes)
  }

  #watchFrom(prefix: string, revision: number): void {
    this.#watch = this.#ports.store.watch(prefix, revision, {
      onEvents: (events) => {
        this.#apply(events)
      },
      onEnd: (reason) => {
        if (!this.#open) return
        this.#ports.log.info('the watch ended; listing again', { prefix, reason })
        this.#again()
      },
    })
  }

  #apply(events: readonly WatchEvent[]): void {
    if (!this.#open) return
    const changes = events.flatMap((event) =>
      event.kind === 'put' ? this.#put(event.row) : this.#delete(event.key),
    )
    if (changes.length > 0) this.#handlers.onChanges(changes)
  }

  #put(row: Row): readonly RowChange<Value>[] {
    const { key, modRevision } = row
    const known = this.#known.get(key)
    if (known !== undefined && this.#reader.revisionOf(known) === modRevision) return []
    try {
      const resource = this.#decode(row)
      if (resource === undefined) return []
      this.#known.set(key, resource)
      return [{ type: 'put', resource }]
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

  #delete(key: string): readonly RowChange<Value>[] {
    const resource = this.#known.get(key)
    this.#known.delete(key)
    return resource === undefined ? [] : [{ type: 'delete', resource }]
  }

  close(): void {
    this.#open = false
    this.#watch?.close()
    this.#timer?.cancel()
  }
}
