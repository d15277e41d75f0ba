import type { Closable } from '../lib/closable.ts'
import { firstKey, inRange, type KeyRange } from './key-range.ts'
import {
  type RevisionedStore,
  RevisionUnavailable,
  runTransaction,
  type WriteTransaction,
  type Written,
} from './revisioned-store.ts'
import { compareKeys, SortedKeys } from './sorted-keys.ts'
import {
  type Operation,
  type Row,
  StoreUnavailable,
  type Transaction,
  type TransactionResult,
  type WatchEvent,
  type WatchHandlers,
} from './store.ts'
import { WatcherIndex } from './watcher-index.ts'

export interface MemoryStoreOptions {
  /** Runs a delivery of events later; default: as a microtask. Never at once. */
  readonly schedule?: (run: () => void) => void
  /** Revisions kept of the past before the older half is compacted away; default 100,000. */
  readonly historyLimit?: number
  /** Called with what changes before each commit takes place; if it throws, nothing happens. */
  readonly onCommit?: ((revision: number, operations: readonly Operation[]) => void) | undefined
}

interface Commit {
  readonly revision: number
  readonly events: readonly WatchEvent[]
}

interface Watcher {
  readonly prefix: string
  readonly handlers: WatchHandlers
  next: number
  scheduled: boolean
  open: boolean
}

/**
 * The store in memory, with etcd's semantics: every write has the next revision, the first has 2.
 *
 * Calls take effect at once, when they are made, and answer in a microtask; events reach a watcher
 * in deliveries of their own, in order. So one order of calls gives one history.
 */
export class MemoryStore implements RevisionedStore {
  readonly #rows = new Map<string, Row>()
  /** The keys of #rows in order. */
  readonly #keys = new SortedKeys()
  readonly #watchers = new WatcherIndex<Watcher>()
  readonly #schedule: (run: () => void) => void
  readonly #historyLimit: number
  readonly #onCommit: MemoryStoreOptions['onCommit']
  #history: Commit[] = []
  #revision = 1
  #compacted = 0
  #open = true

  constructor(options: MemoryStoreOptions = {}) {
    this.#schedule = options.schedule ?? queueMicrotask
    this.#historyLimit = options.historyLimit ?? 100_000
    this.#onCommit = options.onCommit
  }

  /** A store with these rows, in order of key, at a revision; what happened before is compacted away. */
  static restore(
    { rows, revision }: { readonly rows: readonly Row[]; readonly revision: number },
    options: MemoryStoreOptions = {},
  ): MemoryStore {
    const store = new MemoryStore(options)
    for (const row of rows) {
      store.#rows.set(row.key, row)
      store.#keys.add(row.key)
    }
    store.#revision = revision
    store.#compacted = revision + 1 // also what happened at that revision is not known
    return store
  }

  get revision(): number {
    return this.#revision
  }

  /** History before this revision is gone. */
  get compactedRevision(): number {
    return this.#compacted
  }

  /** Rows held. */
  get size(): number {
    return this.#keys.size
  }

  // eslint-disable-next-line typescript/require-await -- async turns what is thrown into a rejection
  async get(key: string): Promise<{ row: Row | undefined; revision: number }> {
    this.#demandOpen()
    return { row: this.#rows.get(key), revision: this.#revision }
  }

  // eslint-disable-next-line typescript/require-await
  async list(prefix: string): Promise<{ rows: readonly Row[]; revision: number }> {
    this.#demandOpen()
    return { rows: [...this.rowsFrom(prefix)], revision: this.#revision }
  }

  /** The rows whose key begins with `prefix`, in order of key. */
  rowsFrom(prefix: string): Iterable<Row> {
    return this.#present({ kind: 'prefix', prefix })
  }

  row(key: string): Row | undefined {
    return this.#rows.get(key)
  }

  rows(range: KeyRange, revision = this.#revision): Iterable<Row> {
    if (revision > this.#revision) throw new RevisionUnavailable('future', revision)
    if (revision === this.#revision) return this.#present(range)
    if (revision < this.#compacted) throw new RevisionUnavailable('compacted', revision)
    return this.#past(range, revision)
  }

  *#present(range: KeyRange): Iterable<Row> {
    if (range.kind === 'key') {
      const row = this.#rows.get(range.key)
      if (row !== undefined) yield row
      return
    }
    for (const key of this.#keys.from(firstKey(range))) {
      if (!inRange(range, key)) return
      yield this.#rows.get(key)!
    }
  }

  /** The present, with everything since taken back. */
  #past(range: KeyRange, revision: number): readonly Row[] {
    const rows = new Map<string, Row | undefined>()
    for (const row of this.#present(range)) rows.set(row.key, row)
    for (let at = this.#history.length - 1; at >= 0; at--) {
      const commit = this.#history[at]!
      if (commit.revision <= revision) break
      for (const event of commit.events) {
        if (inRange(range, keyOf(event))) rows.set(keyOf(event), event.previous)
      }
    }
    return [...rows.values()]
      .filter((row) => row !== undefined)
      .sort((a, b) => compareKeys(a.key, b.key))
  }

  // eslint-disable-next-line typescript/require-await
  async transact(transaction: Transaction): Promise<TransactionResult> {
    this.#demandOpen()
    const rows = this.#write((writing) => runTransaction(writing, transaction))
    return { succeeded: rows === undefined, revision: this.#revision, rows: rows ?? [] }
  }

  // eslint-disable-next-line typescript/require-await
  async write<Result>(change: (transaction: WriteTransaction) => Result): Promise<Written<Result>> {
    this.#demandOpen()
    return { result: this.#write(change), revision: this.#revision }
  }

  /** Applies operations as one revision; one that changes nothing makes no revision. */
  commit(operations: readonly Operation[]): void {
    this.#write((transaction) => {
      for (const operation of operations) {
        if ('put' in operation) transaction.put(operation.put, operation.value)
        else transaction.delete(operation.delete)
      }
    })
  }

  #write<Result>(change: (transaction: WriteTransaction) => Result): Result {
    const revision = this.#revision + 1
    const events: WatchEvent[] = []
    const touched: string[] = []
    const touch = (key: string): void => {
      if (touched.includes(key)) throw new RangeError('Expected each key once in a transaction')
      touched.push(key)
    }
    try {
      const result = change({
        row: (key) => this.#rows.get(key),
        rows: (range) => this.#present(range),
        put: (key, value) => {
          touch(key)
          events.push(this.#put(key, value, revision))
        },
        delete: (key) => {
          touch(key)
          const event = this.#delete(key, revision)
          if (event !== undefined) events.push(event)
        },
      })
      if (events.length > 0) this.#onCommit?.(revision, events.map(operationOf))
      if (events.length > 0) this.#publish(revision, events)
      return result
    } catch (thrown) {
      if (this.#revision < revision) this.#undo(events)
      throw thrown
    }
  }

  #put(key: string, value: string, revision: number): WatchEvent {
    const previous = this.#rows.get(key)
    if (previous === undefined) this.#keys.add(key)
    const row: Row = {
      key,
      value,
      createRevision: previous?.createRevision ?? revision,
      modRevision: revision,
      version: (previous?.version ?? 0) + 1,
    }
    this.#rows.set(key, row)
    return { kind: 'put', row, previous }
  }

  #delete(key: string, revision: number): WatchEvent | undefined {
    const previous = this.#rows.get(key)
    if (previous === undefined) return undefined
    this.#rows.delete(key)
    this.#keys.delete(key)
    return { kind: 'delete', key, modRevision: revision, previous }
  }

  #undo(events: readonly WatchEvent[]): void {
    for (const event of events) {
      const key = keyOf(event)
      const isThere = this.#rows.has(key)
      if (event.previous === undefined) {
        this.#rows.delete(key)
        if (isThere) this.#keys.delete(key)
      } else {
        this.#rows.set(key, event.previous)
        if (!isThere) this.#keys.add(key)
      }
    }
  }

  #publish(revision: number, events: readonly WatchEvent[]): void {
    this.#revision = revision
    this.#history.push({ revision, events })
    if (this.#history.length > this.#historyLimit) {
      this.#forget(this.#history[this.#history.length >> 1]!.revision)
    }
    for (const event of events) {
      for (const watcher of this.#watchers.of(keyOf(event))) {
        // What came since it last slept concerned others.
        if (!watcher.scheduled) watcher.next = revision
        this.#wake(watcher)
      }
    }
  }

  // eslint-disable-next-line typescript/require-await
  async compact(revision: number): Promise<void> {
    this.#demandOpen()
    if (revision > this.#revision) throw new RevisionUnavailable('future', revision)
    if (revision <= this.#compacted) throw new RevisionUnavailable('compacted', revision)
    this.#forget(revision)
  }

  /** Watchers that still wanted what is forgotten end. */
  #forget(revision: number): void {
    this.#compacted = revision
    this.#history = this.#history.filter((commit) => commit.revision >= revision)
    for (const watcher of this.#watchers.all()) {
      // One that sleeps has been told everything that concerns it.
      if (watcher.scheduled && watcher.next < revision) this.#wake(watcher)
      else if (!watcher.scheduled) watcher.next = this.#revision + 1
    }
  }

  watch(prefix: string, fromRevision: number, handlers: WatchHandlers): Closable {
    const next = fromRevision > 0 ? fromRevision : this.#revision + 1
    const watcher: Watcher = { prefix, handlers, next, scheduled: false, open: true }
    this.#watchers.add(watcher)
    this.#wake(watcher)
    return {
      close: () => {
        watcher.open = false
        this.#watchers.delete(watcher)
      },
    }
  }

  #wake(watcher: Watcher): void {
    if (watcher.scheduled) return
    watcher.scheduled = true
    this.#schedule(() => {
      watcher.scheduled = false
      this.#deliver(watcher)
    })
  }

  #deliver(watcher: Watcher): void {
    if (watcher.open && !this.#open) return this.#end(watcher, 'closed')
    if (watcher.open && watcher.next < this.#compacted) return this.#end(watcher, 'compacted')
    for (let at = this.#historyIndex(watcher.next); at < this.#history.length; at++) {
      const { revision, events } = this.#history[at]!
      if (!watcher.open) return undefined
      watcher.next = revision + 1
      const wanted = events.filter((event) => keyOf(event).startsWith(watcher.prefix))
      if (wanted.length > 0) watcher.handlers.onEvents(wanted, revision)
    }
    return undefined
  }

  /** Index of the first commit that is not before `revision`. */
  #historyIndex(revision: number): number {
    let low = 0
    let high = this.#history.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#history[middle]!.revision < revision) low = middle + 1
      else high = middle
    }
    return low
  }

  #end(watcher: Watcher, reason: 'compacted' | 'closed'): void {
    watcher.open = false
    this.#watchers.delete(watcher)
    watcher.handlers.onEnd(reason)
  }

  #demandOpen(): void {
    if (!this.#open) throw new StoreUnavailable('the store is closed')
  }

  close(): void {
    this.#open = false
    for (const watcher of this.#watchers.all()) this.#wake(watcher)
  }
}

/** The key that an event is about. */
export function keyOf(event: WatchEvent): string {
  return event.kind === 'put' ? event.row.key : event.key
}

function operationOf(event: WatchEvent): Operation {
  return event.kind === 'put'
    ? { put: event.row.key, value: event.row.value }
    : { delete: event.key }
}
