import { messageOf } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'

/**
 * Parts of one piece of work, each tried for itself: what one of them throws is logged once, is told as a
 * problem until it succeeds, and keeps no other part from its turn.
 */
export class Attempts {
  readonly #log: Log
  readonly #failures = new Map<string, string>()

  constructor(log: Log) {
    this.#log = log
  }

  /** @param part what it is about, in words: "BGP" */
  try(part: string, run: () => void): void {
    try {
      run()
      this.#failures.delete(part)
    } catch (thrown) {
      const error = messageOf(thrown)
      if (this.#failures.get(part) !== error) {
        this.#log.error('Failed to compute part of the desired state; the rest continues', {
          part,
          error,
        })
      }
      this.#failures.set(part, error)
    }
  }

  get failed(): boolean {
    return this.#failures.size > 0
  }

  /** "BGP: the address is in use", one sentence a part. */
  problems(): readonly string[] {
    return [...this.#failures].map(([part, error]) => `${part}: ${error}`)
  }
}
