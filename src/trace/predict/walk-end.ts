import type { Outcome } from './prediction.ts'

/** Ends a walk from wherever it is. */
export class Ended {
  readonly outcome: Outcome
  constructor(outcome: Outcome) {
    this.outcome = outcome
  }
}

/** The walk cannot go on. */
export function unknown(reason: string): Ended {
  return new Ended({ kind: 'unknown', reason })
}
