import type { Clock, Timer } from './clock.ts'
import type { Closable } from './closable.ts'

/**
 * A clock for parts that end together: closing it cancels every timer that is still set, so that nothing
 * of them keeps the process or happens afterwards.
 */
export class ScopedClock implements Clock, Closable {
  readonly #clock: Clock
  readonly #pending = new Set<Timer>()
  #closed = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  now(): number {
    return this.#clock.now()
  }

  wallTime(): number {
    return this.#clock.wallTime()
  }

  after(milliseconds: number, fire: () => void): Timer {
    if (this.#closed) return { cancel() {} }
    const timer = this.#clock.after(milliseconds, () => {
      this.#pending.delete(scoped)
      fire()
    })
    const scoped = {
      cancel: () => {
        this.#pending.delete(scoped)
        timer.cancel()
      },
    }
    this.#pending.add(scoped)
    return scoped
  }

  close(): void {
    this.#closed = true
    for (const timer of this.#pending) timer.cancel()
  }
}
