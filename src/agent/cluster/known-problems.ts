import type { Clock } from '../../lib/clock.ts'
import type { Log } from '../../lib/log.ts'
import { type ClusterProblem, describeProblem } from '../../model/cluster-problem.ts'

/** Most in one status. */
const LISTED_MAX = 100

/** Problems that there are now, with when each was first seen; each is logged once, as is its end. */
export class KnownProblems {
  readonly #clock: Clock
  readonly #log: Log
  #known: ReadonlyMap<string, ClusterProblem> = new Map()

  constructor(clock: Clock, log: Log) {
    this.#clock = clock
    this.#log = log
  }

  update(problems: readonly ClusterProblem[]): void {
    const next = new Map<string, ClusterProblem>()
    for (const problem of problems) {
      const text = describeProblem(problem)
      if (next.has(text)) continue
      const known = this.#known.get(text)
      // Who has dated it has logged it.
      if (known === undefined && problem.since === undefined) {
        this.#log.warn('Problem in the datastore', { problem: text })
      }
      next.set(text, known ?? { ...problem, since: problem.since ?? this.#clock.wallTime() })
    }
    for (const text of this.#known.keys()) {
      if (!next.has(text)) this.#log.info('Problem in the datastore resolved', { problem: text })
    }
    this.#known = next
  }

  /** The first hundred, and how many there are beside them. */
  list(): readonly ClusterProblem[] {
    const all = [...this.#known.values()]
    if (all.length <= LISTED_MAX) return all
    const count = all.length - LISTED_MAX
    const more = {
      resource: 'the datastore',
      expected: `${count} problems more`,
      effect: 'see the log',
    }
    return [...all.slice(0, LISTED_MAX), more]
  }
}
