import { Heap } from './heap.ts'

/** A pending timer. Cancelling one that has fired or was cancelled does nothing. */
export interface Timer {
  cancel(): void
}

/** Time as everything in the core sees it; `platform/node` has the real one, {@link VirtualClock} the other. */
export interface Clock {
  /** Monotonic milliseconds; only differences mean anything. */
  now(): number
  /** Whole milliseconds since 1970-01-01 UTC. May jump; for timestamps only, never for intervals. */
  wallTime(): number
  /** Calls `fire` once, when `milliseconds` have passed by {@link now}, never before this call has returned. */
  after(milliseconds: number, fire: () => void): Timer
}

/** Calls `fire` every `milliseconds` until cancelled; the first time after one period. */
export function every(clock: Clock, milliseconds: number, fire: () => void): Timer {
  let timer = clock.after(milliseconds, tick)
  let cancelled = false
  function tick(): void {
    timer = clock.after(milliseconds, tick)
    fire()
  }
  return {
    cancel() {
      if (!cancelled) timer.cancel()
      cancelled = true
    },
  }
}

/** A promise that resolves after `milliseconds` of this clock. */
export function sleep(clock: Clock, milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    clock.after(milliseconds, resolve)
  })
}

const SWEEP_MIN = 1_000

interface Entry {
  readonly at: number
  readonly order: number
  fire: (() => void) | undefined
}

/**
 * A clock that moves only when told to. Timers due at the same instant fire in the order in which
 * they were set, so that one seed gives one history.
 */
export class VirtualClock implements Clock {
  #now = 0
  #order = 0
  /** Entries of the queue that were cancelled. */
  #cancelled = 0
  readonly #epoch: number
  #skew = 0
  readonly #queue = new Heap<Entry>((a, b) => a.at - b.at || a.order - b.order)

  /** @param epoch wall time at the start, milliseconds since 1970 */
  constructor(epoch = Date.UTC(2019, 0, 16, 6, 46, 19)) {
    this.#epoch = epoch
  }

  now(): number {
    return this.#now
  }

  wallTime(): number {
    return Math.floor(this.#epoch + this.#now + this.#skew)
  }

  /** Moves the wall clock, and only it, as a bad time source does. */
  jump(milliseconds: number): void {
    this.#skew += milliseconds
  }

  after(milliseconds: number, fire: () => void): Timer {
    const entry: Entry = { at: this.#now + Math.max(0, milliseconds), order: this.#order++, fire }
    this.#queue.push(entry)
    return {
      cancel: () => {
        if (entry.fire === undefined) return
        entry.fire = undefined
        this.#cancelled++
        this.#sweep()
      },
    }
  }

  /** Drops cancelled timers when they are most of what waits, as those of TCP are. */
  #sweep(): void {
    if (this.#cancelled < SWEEP_MIN || this.#cancelled * 2 < this.#queue.size) return
    this.#queue.filter(({ fire }) => fire !== undefined)
    this.#cancelled = 0
  }

  /** Timers waiting, some of those cancelled included. */
  get pending(): number {
    return this.#queue.size
  }

  /** When the next timer is due, or undefined if there is none. */
  get next(): number | undefined {
    while (this.#queue.peek() !== undefined && this.#queue.peek()!.fire === undefined) {
      this.#queue.pop()
      this.#cancelled--
    }
    return this.#queue.peek()?.at
  }

  /** Fires the next timer, moving time to it; false if there is none. Promises do not run in between. */
  step(): boolean {
    for (;;) {
      const entry = this.#queue.pop()
      if (entry === undefined) return false
      const fire = entry.fire
      if (fire === undefined) {
        this.#cancelled--
        continue
      }
      entry.fire = undefined
      this.#now = entry.at
      fire()
      return true
    }
  }

  /**
   * Fires all timers due up to `milliseconds` from now and stops there. Between two timers every
   * promise that can settle does, so that asynchronous code keeps its place in virtual time.
   */
  async advance(milliseconds: number): Promise<void> {
    const until = this.#now + milliseconds
    await settled()
    for (let next = this.next; next !== undefined && next <= until; next = this.next) {
      this.step()
      await settled()
    }
    this.#now = until
  }
}

/** Resolves when all promises that can settle without I/O have. */
export function settled(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}
