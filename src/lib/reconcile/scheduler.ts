import { Backoff } from '../backoff.ts'
import type { Clock, Timer } from '../clock.ts'
import { messageOf } from '../errors.ts'
import type { Log } from '../log.ts'
import type { Random } from '../random.ts'
import type { ReconcileOutcome, Reconciler } from './reconciler.ts'

export interface SchedulerNeeds {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

/** A reconciler as others see it: they say what is desired, and ask what is missing. */
export interface Reconciliation<Desired> {
  /** What should be from now on. The same object says nothing new. */
  want(desired: Desired): void
  /**
   * Asks for a pass; any number of askers share one.
   *
   * @param debounceMilliseconds from the last pass on; as its pace says when absent
   */
  request(debounceMilliseconds?: number): void
  /** What was not as desired when the last pass ended. Only reads. */
  problems(): readonly string[]
}

/** Between two turns, however much happens: changes come in crowds. */
export const TURN_MILLISECONDS = 10
/** What one reconciler finds out goes round by the desired state to another, and its answer back. */
const SETTLING_TURNS = 5

/**
 * Calls reconcilers when a pass of theirs is due: something else is desired, an event concerns them, a
 * pass failed a while ago, or it is time to read everything again. Those that are due at one time have
 * their passes in the order in which they were added, so that what others stand on comes first.
 */
export class Scheduler<Event = never> {
  readonly #needs: SchedulerNeeds
  readonly #entries: Entry<Event>[] = []
  #timer: Timer | undefined
  #timerAt = Infinity
  #turnAt = -Infinity
  #isInTurn = false
  #isStopped = false

  constructor(needs: SchedulerNeeds) {
    this.#needs = needs
  }

  /** Takes a reconciler, which is called for the first time when something is desired of it. */
  add<Desired>(reconciler: Reconciler<Desired, Event>): Reconciliation<Desired> {
    const entry = new Entry<Event, Desired>(reconciler, this.#needs, () => this.#arm())
    this.#entries.push(entry)
    return entry
  }

  /** Tells all reconcilers what happened. */
  observe(event: Event): void {
    for (const entry of this.#entries) entry.observe(event)
  }

  /** Has everything read again: nothing that was told or read before is believed. */
  forget(): void {
    for (const entry of this.#entries) entry.forget()
  }

  /**
   * Does now what was asked for and waits for its time, and what follows from that, so that
   * {@link problems} are about what stays. What has more to do than one pass goes on in the next turn.
   */
  settle(): void {
    for (let turn = 0; turn < SETTLING_TURNS; turn++) {
      const isFirst = turn === 0
      this.#turn((entry) => entry.isRequested && (isFirst || entry.isWhole))
      if (!this.#entries.some((entry) => entry.isRequested && entry.isWhole)) return
    }
  }

  /** Of all reconcilers. Only reads. */
  problems(): readonly string[] {
    return this.#entries.flatMap((entry) => entry.problems())
  }

  stop(): void {
    this.#isStopped = true
    this.#timer?.cancel()
    for (const entry of this.#entries) entry.stop()
  }

  #arm(): void {
    if (this.#isInTurn || this.#isStopped) return
    let due = Infinity
    for (const entry of this.#entries) due = Math.min(due, entry.dueAt)
    const at = Math.max(due, this.#turnAt + TURN_MILLISECONDS)
    if (this.#timer !== undefined && this.#timerAt <= at) return
    this.#timer?.cancel()
    this.#timer = undefined
    this.#timerAt = at
    if (at === Infinity) return
    const { clock } = this.#needs
    this.#timer = clock.after(Math.max(at - clock.now(), 0), () => {
      this.#turn((entry) => entry.dueAt <= clock.now())
    })
  }

  #turn(isDue: (entry: Entry<Event>) => boolean): void {
    if (this.#isInTurn || this.#isStopped) return
    this.#timer?.cancel()
    this.#timer = undefined
    this.#turnAt = this.#needs.clock.now()
    this.#isInTurn = true
    for (const entry of this.#entries) if (!this.#isStopped && isDue(entry)) entry.pass()
    this.#sweep()
    this.#isInTurn = false
    this.#arm()
  }

  /** From the last to the first, up to one that others still stand on. */
  #sweep(): void {
    for (const entry of this.#entries.toReversed()) {
      if (!entry.isWhole) return
      entry.sweep()
    }
  }
}

/** One reconciler, and when its next pass is due. */
class Entry<Event, Desired = unknown> implements Reconciliation<Desired> {
  readonly #reconciler: Reconciler<Desired, Event>
  readonly #needs: SchedulerNeeds
  readonly #onRequest: () => void
  readonly #backoff: Backoff
  #desired: { readonly value: Desired } | undefined
  #requestedAt = Infinity
  #isRunning = false
  #mustSweep = false
  #isMoreToDo = false
  #passedAt = -Infinity
  #retryAt = Infinity
  #resyncAt = Infinity
  #failure: string | undefined

  constructor(
    reconciler: Reconciler<Desired, Event>,
    needs: SchedulerNeeds,
    onRequest: () => void,
  ) {
    this.#reconciler = reconciler
    this.#needs = needs
    this.#onRequest = onRequest
    this.#backoff = new Backoff({ ...reconciler.pace.retry, random: needs.random })
  }

  want(desired: Desired): void {
    if (this.#desired?.value === desired) return
    this.#desired = { value: desired }
    this.request()
  }

  request(debounceMilliseconds = this.#reconciler.pace.debounceMilliseconds ?? 0): void {
    const at = this.#passedAt + debounceMilliseconds
    if (this.#requestedAt <= at) return
    this.#requestedAt = at
    this.#onRequest()
  }

  observe(event: Event): void {
    if (this.#reconciler.observe?.(event) === true) this.request()
  }

  forget(): void {
    this.#reconciler.forget?.()
    this.request()
  }

  /** Whether a pass is asked for that can be done at once. */
  get isRequested(): boolean {
    return this.#requestedAt < Infinity && !this.#isRunning && this.#desired !== undefined
  }

  /** Whether nothing is left to a next turn. What is refused keeps nobody else from going on. */
  get isWhole(): boolean {
    return !this.#isMoreToDo
  }

  /** Time of the clock; Infinity while nothing calls for a pass. */
  get dueAt(): number {
    if (this.#isRunning || this.#desired === undefined) return Infinity
    return Math.min(this.#requestedAt, this.#retryAt, this.#resyncAt)
  }

  pass(): void {
    const now = this.#needs.clock.now()
    const { resyncMilliseconds = Infinity } = this.#reconciler.pace
    if (now >= this.#resyncAt) this.#reconciler.forget?.()
    if (now >= this.#resyncAt || this.#resyncAt === Infinity) {
      this.#resyncAt = now + resyncMilliseconds
    }
    this.#passedAt = now
    this.#requestedAt = Infinity
    this.#retryAt = Infinity
    try {
      const outcome = this.#reconciler.reconcile(this.#desired!.value)
      if (typeof outcome === 'string') this.#end(outcome)
      else this.#await(outcome)
    } catch (thrown) {
      this.#fail(thrown)
    }
  }

  #await(work: Promise<ReconcileOutcome>): void {
    this.#isRunning = true
    work
      .then(
        (outcome) => this.#end(outcome),
        (thrown: unknown) => this.#fail(thrown),
      )
      .finally(() => {
        this.#isRunning = false
        this.#onRequest()
      })
  }

  #end(outcome: ReconcileOutcome): void {
    this.#failure = undefined
    this.#mustSweep = true
    this.#isMoreToDo = outcome === 'more'
    if (outcome === 'more') this.#requestedAt = this.#passedAt
    if (outcome === 'retry') this.#retryLater()
    else if (outcome === 'done') this.#backoff.reset()
  }

  #fail(thrown: unknown): void {
    const { name } = this.#reconciler
    const error = messageOf(thrown)
    if (error !== this.#failure) {
      this.#needs.log.warn('Failed to reconcile; retrying', {
        part: name,
        error,
      })
    }
    this.#failure = error
    this.#reconciler.forget?.()
    this.#retryLater()
  }

  #retryLater(): void {
    this.#retryAt = this.#needs.clock.now() + this.#backoff.next()
  }

  sweep(): void {
    if (!this.#mustSweep) return
    this.#mustSweep = false
    try {
      this.#reconciler.sweep?.()
    } catch (thrown) {
      this.#fail(thrown)
    }
  }

  problems(): readonly string[] {
    const own = this.#reconciler.problems?.() ?? []
    return this.#failure === undefined ? own : [this.#failure, ...own]
  }

  stop(): void {
    this.#reconciler.stop?.()
  }
}
