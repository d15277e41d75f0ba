import type { Clock, Timer } from '../../lib/clock.ts'

/**
 * A timer that is put off far more often than it fires: putting it off only notes the new time, and the
 * clock is asked again when the old time has come.
 */
export class LazyTimer {
  readonly #clock: Clock
  readonly #fire: () => void
  #timer: Timer | undefined
  #due = 0
  #timerDue = 0

  constructor(clock: Clock, fire: () => void) {
    this.#clock = clock
    this.#fire = fire
  }

  get isRunning(): boolean {
    return this.#timer !== undefined
  }

  set(milliseconds: number): void {
    this.#due = this.#clock.now() + milliseconds
    if (this.#timer !== undefined && this.#timerDue <= this.#due) return
    this.#timer?.cancel()
    this.#arm()
  }

  stop(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #arm(): void {
    this.#timerDue = this.#due
    this.#timer = this.#clock.after(Math.max(0, this.#due - this.#clock.now()), () => {
      this.#timer = undefined
      if (this.#clock.now() < this.#due) this.#arm()
      else this.#fire()
    })
  }
}
