import type { Random } from './random.ts'

/**
 * Exponential delays with jitter: each is between half and the whole of a bound that doubles from
 * `firstMilliseconds` to `mostMilliseconds`.
 */
export class Backoff {
  readonly #first: number
  readonly #most: number
  readonly #random: Random
  #bound: number

  constructor(options: { firstMilliseconds: number; mostMilliseconds: number; random: Random }) {
    this.#first = options.firstMilliseconds
    this.#most = options.mostMilliseconds
    this.#random = options.random
    this.#bound = options.firstMilliseconds
  }

  /** The delay before the next try, in milliseconds. */
  next(): number {
    const bound = this.#bound
    this.#bound = Math.min(this.#most, bound * 2)
    return bound / 2 + (bound / 2) * this.#random.fraction()
  }

  /** After a success: the next delay is the first again. */
  reset(): void {
    this.#bound = this.#first
  }
}
