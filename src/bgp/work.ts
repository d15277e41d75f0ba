import type { Clock } from '../lib/clock.ts'

/** Does a small part of some work; true if there is more. */
export type Job = () => boolean

/** Milliseconds of work before the event loop gets its turn. */
const SLICE_MILLISECONDS = 6

/**
 * Long work in slices, so that timers and sockets are served in between. Jobs take turns; each call of a
 * job should take a millisecond or two.
 */
export class Work {
  readonly #clock: Clock
  readonly #defer: (task: () => void) => void
  readonly #jobs = new Set<Job>()
  #isScheduled = false
  #isStopped = false
  /** When this turn of the event loop began to work; undefined if it has not. */
  #turnBegan: number | undefined

  constructor(clock: Clock, defer: (task: () => void) => void) {
    this.#clock = clock
    this.#defer = defer
  }

  /** Runs `job` until it has no more to do; adding one that is there already changes nothing. */
  add(job: Job): void {
    this.#jobs.add(job)
    this.#schedule()
  }

  remove(job: Job): void {
    this.#jobs.delete(job)
  }

  /** Whether this turn of the event loop has worked long enough: what can wait should be added as a job. */
  isTurnSpent(): boolean {
    const now = this.#clock.now()
    if (this.#turnBegan === undefined) {
      this.#turnBegan = now
      this.#schedule()
      return false
    }
    return now - this.#turnBegan > SLICE_MILLISECONDS
  }

  stop(): void {
    this.#isStopped = true
    this.#jobs.clear()
  }

  #schedule(): void {
    if (this.#isScheduled || this.#isStopped) return
    this.#isScheduled = true
    this.#defer(() => this.#run())
  }

  #run(): void {
    this.#isScheduled = false
    this.#turnBegan = undefined
    const until = this.#clock.now() + SLICE_MILLISECONDS
    while (this.#jobs.size > 0) {
      for (const job of this.#jobs) {
        // Added again at the end, so that jobs take turns.
        this.#jobs.delete(job)
        if (job() && !this.#isStopped) this.#jobs.add(job)
        if (this.#clock.now() >= until) {
          if (this.#jobs.size > 0) this.#schedule()
          return
        }
      }
    }
  }
}
