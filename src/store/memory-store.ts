import type { Closable } from '../lib/closable.ts'
import {
  type Comparison,
  type Operation,
  type Row,
  type Store,
  StoreUnavailable,
  type Transaction,
  type TransactionResult,
  type WatchEvent,
  type WatchHandlers,
} from './store.ts'
import { compareKeys, SortedKeys } from './sorted-keys.ts'
import { WatcherIndex } from './watcher-index.ts'

export interface MemoryStoreOptions {
  /** Runs a delivery of events later; default: as a microtask. Never at once. */
  readonly schedule?: (run: () => void) => void
  /** Revisions kept for watchers before the older half is compacted away; default 100,000. */
  readonly historyLimit?: number
  /** Called before each commit takes place; if it throws, nothing happens. */
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
export class MemoryStore implements Store {
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
  *rowsFrom(prefix: string): Iterable<Row> {
    for (const key of this.#keys.from(prefix)) {
      if (!key.startsWith(prefix)) return
      yield this.#rows.get(key)!
    }
  }

  /** The rows with `from` <= key < `to`; without `to`, all from there on. */
  *rowsBetween(from: string, to: string | undefined): Iterable<Row> {
    for (const key of this.#keys.from(from)) {
      if (to !== undefined && compareKeys(key, to) >= 0) return
      yield this.#rows.get(key)!
    }
  }

  // eslint-disable-next-line typescript/require-await
  async transact(transaction: Transaction): Promise<TransactionResult> {
    this.#demandOpen()
    return this.transactNow(transaction)
  }

  /** {@link transact} without the promise. */
  transactNow({ compare, success, failure = [] }: Transaction): TransactionResult {
    if (!compare.every((comparison) => this.holds(comparison))) {
      const rows = failure.map((key) => this.#rows.get(key))
      return { succeeded: false, revision: this.#revision, rows }
    }
    this.commit(success)
    return { succeeded: true, revision: this.#revision, rows: [] }
  }

  holds(comparison: Comparison): boolean {
    const row = this.#rows.get(comparison.key)
    if ('exists' in comparison) return comparison.exists === (row !== undefined)
    return comparison.modRevision === (row?.modRevision ?? 0)
  }

  row(key: string): Row | undefined {
    return this.#rows.get(key)
  }

  /** Applies operations as one revision; one that changes nothing makes no revision. */
  commit(operations: readonly Operation[]): void {
    demandDistinctKeys(operations)
    const revision = this.#revision + 1
    const changes = operations.some(
      (operation) => 'put' in operation || this.#rows.has(operation.delete),
    )
    if (!changes) return
    this.#onCommit?.(revision, operations)
    const events = operations.flatMap((operation) => this.#apply(operation, revision))
    this.#revision = revision
    this.#history.push({ revision, events })
    if (this.#history.length > this.#historyLimit) {
      this.compact(this.#history[this.#history.length >> 1]!.revision)
    }
    for (const event of events) {
      for (const watcher of this.#watchers.of(keyOf(event))) {
        // What came since it last slept concerned others.
        if (!watcher.scheduled) watcher.next = revision
        this.#wake(watcher)
      }
    }
  }

  #apply(operation: Operation, revision: number): readonly WatchEvent[] {
    if ('delete' in operation) {
      const key = operation.delete
      const previous = this.#rows.get(key)
      if (previous === undefined) return []
      this.#rows.delete(key)
      this.#keys.delete(key)
      return [{ kind: 'delete', key, modRevision: revision, previous }]
    }
    const key = operation.put
    const before = this.#rows.get(key)
    if (before === undefined) this.#keys.add(key)
    const row: Row = {
      key,
      value: operation.value,
      createRevision: before?.createRevision ?? revision,
      modRevision: revision,
      version: (before?.version ?? 0) + 1,
    }
    this.#rows.set(key, row)
    return [{ kind: 'put', row, previous: before }]
  }

  /** Forgets events before `revision`; watchers that still wanted them end. */
  compact(revision: number): void {
    if (revision <= this.#compacted || revision > this.#revision) return
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

function demandDistinctKeys(operations: readonly Operation[]): void {
  if (operations.length < 2) return
  const keys = operations.map((operation) =>
    'delete' in operation ? operation.delete : operation.put,
  )
  if (new Set(keys).size !== keys.length) {
    throw new RangeError('Expected each key once in a transaction')
  }
}
