import { shown } from './problem.ts'

/**
 * Something in the datastore that cannot be done as it says, or that two rows say differently, and what
 * a node does instead. The rest of the datastore is done all the same.
 */
export interface ClusterProblem {
  /** "BGPPeer(tor)", as errors name a resource; the datastore's key of a row that is none. */
  readonly resource: string
  /** Path as in YAML, "spec.asNumber"; absent where the whole is meant. */
  readonly field?: string
  /** What was found there, shortened. */
  readonly value?: string
  /** "expected a whole number from 1 to 4294967295" */
  readonly expected: string
  /** What is done meanwhile: "the peer is left out". */
  readonly effect: string
  /** Wall time since when, milliseconds since 1970; absent where nobody has looked at a clock. */
  readonly since?: number
}

/** What follows from the datastore, and what of it does not. */
export interface Derived<Value> {
  readonly value: Value
  readonly problems: readonly ClusterProblem[]
}

/** A problem with its value as text. */
export function clusterProblem(
  resource: string,
  {
    field,
    value,
    expected,
    effect,
  }: {
    readonly field?: string
    readonly value?: unknown
    readonly expected: string
    readonly effect: string
  },
): ClusterProblem {
  return {
    resource,
    ...(field === undefined ? {} : { field }),
    ...(value === undefined ? {} : { value: shown(value) }),
    expected,
    effect,
  }
}

/** One sentence: `BGPPeer(tor): spec.asNumber is 0: expected …; the peer is left out`. */
export function describeProblem({
  resource,
  field,
  value,
  expected,
  effect,
}: ClusterProblem): string {
  const found = value === undefined ? '' : ` is ${value === '' ? '""' : value}`
  const where = field === undefined ? '' : ` ${field}${found}:`
  return `${resource}:${where} ${expected}; ${effect}`
}
