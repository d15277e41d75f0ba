/** How often something is reconciled. */
export interface Pace {
  /** Milliseconds from one pass to the next, however much is asked for; the turn of the scheduler when absent. */
  readonly debounceMilliseconds?: number
  /** After a pass that failed or was refused something: exponential, with jitter. */
  readonly retry: { readonly firstMilliseconds: number; readonly mostMilliseconds: number }
  /** Milliseconds between two passes in which everything is read again; none by itself when absent. */
  readonly resyncMilliseconds?: number
}

/**
 * How a pass went: everything is as desired ("done"), so much is to be done that others have their turn
 * first ("more"), or something was refused and is tried later ("retry").
 */
export type ReconcileOutcome = 'done' | 'more' | 'retry'

/**
 * What keeps one thing as desired: routes, a tunnel, the packet filter. It says what a pass does and when
 * one is due; a {@link Scheduler} calls it, and it sets no timers for that itself.
 *
 * @typeParam Event what may tell that something changed, such as a kernel's events
 */
export interface Reconciler<Desired, Event = never> {
  /** In words, for logs and problems: "routes". */
  readonly name: string
  readonly pace: Pace
  /**
   * Compares what is with what is desired, and writes the difference. Called again with the same object
   * when something else called for a pass. What it throws is logged once, stands among the problems until
   * a pass succeeds, and has the pass tried again.
   */
  reconcile(desired: Desired): ReconcileOutcome | Promise<ReconcileOutcome>
  /** Takes note of what happened; returns whether a pass is due for it. */
  observe?(event: Event): boolean
  /** Believes nothing that was read before: notifications were lost, a pass failed, or it is time to look again. */
  forget?(): void
  /** Removes what nothing needs any more, once all reconcilers after this one have written what they had to. */
  sweep?(): void
  /** What was not as desired when the last pass ended, one sentence each. Only reads. */
  problems?(): readonly string[]
  /** Ends what it listens to. Leaves everything as it is. */
  stop?(): void
}
