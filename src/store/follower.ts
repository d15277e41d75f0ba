import { Backoff } from '../lib/backoff.ts'
import type { Clock, Timer } from '../lib/clock.ts'
import type { Closable } from '../lib/closable.ts'
import { messageOf } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import type { Random } from '../lib/random.ts'
import type { Kind, Resource, ResourceOf } from '../model/resource.ts'
import { type KindStorage, storageOf } from './kind-storage.ts'
import type { Row, Store, WatchEvent } from './store.ts'

export type ResourceChange<K extends Kind = Kind> =
  /** Created, or other than it was. */
  | { readonly type: 'put'; readonly resource: ResourceOf<K> }
  /** Gone; the resource is as it was last known. */
  | { readonly type: 'delete'; readonly resource: ResourceOf<K> }

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
export type DecodedRows = WeakMap<Row, Resource>

interface Ports {
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly decoded?: DecodedRows | undefined
}

/** Follows several kinds, each by a list and a watch of its own. */
export class Follower<K extends Kind> implements Closable {
  readonly #streams: readonly Stream<K>[]
  #missing: Set<K>
  #outages = 0

  constructor(ports: Ports, kinds: readonly K[], handlers: FollowHandlers<K>, within?: string) {
    this.#missing = new Set(kinds)
    this.#streams = [...this.#missing].map(
      (kind) =>
        new Stream<K>(ports, storageOf(kind).prefix(within), kind, {
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

interface StreamHandlers<K extends Kind> {
  onChanges(changes: readonly ResourceChange<K>[]): void
  onListed(): void
  onConnected(connected: boolean): void
}

/** One kind: list, tell the differences, watch; from the start again whenever the watch ends. */
class Stream<K extends Kind> {
  readonly #ports: Ports
  readonly #prefix: string
  readonly #storage: KindStorage
  readonly #handlers: StreamHandlers<K>
  readonly #backoff: Backoff
  /** By key: the last readable state. */
  readonly #known = new Map<string, ResourceOf<K>>()
  #watch: Closable | undefined
  #timer: Timer | undefined
  #connected = true
  #open = true

  constructor(ports: Ports, prefix: string, kind: K, handlers: StreamHandlers<K>) {
    this.#ports = ports
    this.#prefix = prefix
    this.#storage = storageOf(kind)
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

  #put(row: Row): readonly ResourceChange<K>[] {
    const version = String(row.modRevision)
    if (this.#known.get(row.key)?.metadata.resourceVersion === version) return []
    try {
      const resource = this.#decode(row) as ResourceOf<K> | undefined
      if (resource === undefined) return []
      this.#known.set(row.key, resource)
      return [{ type: 'put', resource }]
    } catch (thrown) {
      const { log } = this.#ports
      log.warn('a stored resource cannot be read', { key: row.key, error: messageOf(thrown) })
      return []
    }
  }

  #decode(row: Row): Resource | undefined {
    const { decoded } = this.#ports
    const known = decoded?.get(row)
    if (known !== undefined) return known
    const resource = this.#storage.decode(row)
    if (resource !== undefined) decoded?.set(row, resource)
    return resource
  }

  #delete(key: string): readonly ResourceChange<K>[] {
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
