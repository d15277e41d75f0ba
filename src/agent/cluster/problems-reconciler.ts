import type { ReconcileOutcome, Reconciler } from '../../lib/reconcile/reconciler.ts'
import type { ClusterProblem } from '../../model/cluster-problem.ts'
import type { KnownProblems } from './known-problems.ts'

/** Keeps what is said of the datastore's problems. */
export class ProblemsReconciler implements Reconciler<readonly ClusterProblem[]> {
  readonly name = 'problems'
  readonly pace = { retry: { firstMilliseconds: 2_000, mostMilliseconds: 30_000 } } as const
  readonly #known: KnownProblems

  constructor(known: KnownProblems) {
    this.#known = known
  }

  reconcile(problems: readonly ClusterProblem[]): ReconcileOutcome {
    this.#known.update(problems)
    return 'done'
  }
}
