/**
 * Work that shares a key waits for its turn; work of different keys goes on side by side.
 *
 *     const claims = new OneAtATime()
 *     await claims.run('server01', () => claim())       // begins when the one before has ended, well or not
 */
export class OneAtATime {
  /** What was asked for last under a key, while it goes on or waits. */
  readonly #last = new Map<string, Promise<unknown>>()

  /** What `work` gives or throws. */
  async run<Result>(key: string, work: () => Promise<Result>): Promise<Result> {
    const before = this.#last.get(key)
    const result = before === undefined ? work() : before.then(work, work)
    this.#last.set(key, result)
    try {
      return await result
    } finally {
      if (this.#last.get(key) === result) this.#last.delete(key)
    }
  }
}
