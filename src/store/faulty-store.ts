import type { Clock } from '../lib/clock.ts'
import type { Closable } from '../lib/closable.ts'
import {
  type Row,
  type Store,
  StoreUnavailable,
  type Transaction,
  type TransactionResult,
  type WatchEvent,
  type WatchHandlers,
} from './store.ts'

/** A call on its way to the store. */
export interface StoreCall {
  readonly operation: 'get' | 'list' | 'transact'
  /** The key of a get, the prefix of a list, the keys that a transaction would write. */
  readonly keys: readonly string[]
}

export interface StoreFaults {
  /** Milliseconds that a call takes to reach the store, and again that its answer takes back. */
  delayMilliseconds?: number
  /** Before the call has an effect: throw to make it fail without one, wait to delay it. */
  before?(call: StoreCall): Promise<void> | void
  /** After the call had its effect: throw to lose the answer. */
  after?(call: StoreCall): Promise<void> | void
}

interface FaultyWatch {
  readonly handlers: WatchHandlers
  /** What came during an outage, told when it is over. */
  readonly held: { readonly events: readonly WatchEvent[]; readonly revision: number }[]
  inner: Closable | undefined
  open: boolean
}

/**
 * A store behind a bad network, for tests and simulation: one for each node shows each node its own
 * faults over one shared store. With no fault set it changes nothing, not even the order of microtasks
 * by more than a constant.
 *
 *     const store = new FaultyStore(shared, clock)
 *     store.beginOutage()    // calls fail, watches fall silent
 *     store.endOutage()      // watches tell what they held back
 *     store.endWatches('compacted')
 *     store.faults.before = ({ keys }) => { if (keys[0]?.includes('/block/')) throw new StoreUnavailable('cut') }
 */
export class FaultyStore implements Store {
  faults: StoreFaults = {}
  readonly #store: Store
  readonly #clock: Clock
  readonly #watches = new Set<FaultyWatch>()
  #outage = false
  #open = true
  #calls = 0

  constructor(store: Store, clock: Clock) {
    this.#store = store
    this.#clock = clock
  }

  /** Calls made so far. */
  get calls(): number {
    return this.#calls
  }

  /** From now on every call fails as if the store could not be reached, and watches hear nothing. */
  beginOutage(): void {
    this.#outage = true
  }

  endOutage(): void {
    this.#outage = false
    for (const watch of this.#watches) {
      for (const { events, revision } of watch.held.splice(0)) {
        if (watch.open) watch.handlers.onEvents(events, revision)
      }
    }
  }

  /** Ends every watch, as a compaction or a broken connection does. */
  endWatches(reason: 'compacted' | 'closed'): void {
    for (const watch of this.#watches) this.#end(watch, reason)
  }

  get(key: string): Promise<{ row: Row | undefined; revision: number }> {
    return this.#call({ operation: 'get', keys: [key] }, () => this.#store.get(key))
  }

  list(prefix: string): Promise<{ rows: readonly Row[]; revision: number }> {
    return this.#call({ operation: 'list', keys: [prefix] }, () => this.#store.list(prefix))
  }

  transact(transaction: Transaction): Promise<TransactionResult> {
    const keys = transaction.success.map((operation) =>
      'put' in operation ? operation.put : operation.delete,
    )
    return this.#call({ operation: 'transact', keys }, () => this.#store.transact(transaction))
  }

  async #call<Result>(call: StoreCall, run: () => Promise<Result>): Promise<Result> {
    this.#calls++
    this.#demandConnection()
    await this.#delay()
    await this.faults.before?.(call)
    this.#demandConnection()
    const result = await run()
    await this.faults.after?.(call)
    await this.#delay()
    this.#demandConnection()
    return result
  }

  async #delay(): Promise<void> {
    const { delayMilliseconds = 0 } = this.faults
    if (delayMilliseconds <= 0) return
    await new Promise<void>((resolve) => {
      this.#clock.after(delayMilliseconds, resolve)
    })
  }

  #demandConnection(): void {
    if (!this.#open) throw new StoreUnavailable('the store is closed')
    if (this.#outage) throw new StoreUnavailable('the store cannot be reached')
  }

  watch(prefix: string, fromRevision: number, handlers: WatchHandlers): Closable {
    const watch: FaultyWatch = { handlers, held: [], inner: undefined, open: true }
    this.#watches.add(watch)
    watch.inner = this.#store.watch(prefix, fromRevision, {
      onEvents: (events, revision) => {
        if (this.#outage) watch.held.push({ events, revision })
        else if (watch.open) handlers.onEvents(events, revision)
      },
      onEnd: (reason) => {
        this.#end(watch, reason)
      },
    })
    return {
      close: () => {
        this.#forget(watch)
      },
    }
  }

  #forget(watch: FaultyWatch): void {
    watch.open = false
    watch.inner?.close()
    this.#watches.delete(watch)
  }

  #end(watch: FaultyWatch, reason: 'compacted' | 'closed'): void {
    if (!watch.open) return
    this.#forget(watch)
    watch.handlers.onEnd(reason)
  }

  /** Ends this view only; the shared store stays open. */
  close(): void {
    if (!this.#open) return
    this.#open = false
    for (const watch of this.#watches) {
      watch.inner?.close()
      queueMicrotask(() => {
        this.#end(watch, 'closed')
      })
    }
  }
}
