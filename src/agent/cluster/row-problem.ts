import type { ClusterProblem } from '../../model/cluster-problem.ts'
import type { FollowProblem } from '../../store/follower.ts'

const EFFECTS: { readonly [Instead in FollowProblem['instead']]: string } = {
  nothing: 'the row is left out',
  'last good': 'what it said when it could last be read stays in force',
  'the rest': 'that part is left out',
}

/** A row of the datastore that cannot be read, as a node's status names it. */
export function rowProblem(problem: FollowProblem): ClusterProblem {
  const { key, field, value, expected, instead, since } = problem
  return {
    resource: key,
    ...(field === '' ? {} : { field }),
    ...(field === '' && value !== '' ? { expected: `found ${value}: ${expected}` } : { expected }),
    ...(field === '' ? {} : { value }),
    effect: EFFECTS[instead],
    since,
  }
}
