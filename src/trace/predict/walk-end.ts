import type { CauseFacts, CauseName, Fault } from '../diagnose/cause.ts'
import type { NamespaceView } from '../tables/namespace-view.ts'
import { placeOf } from '../diagnose/place.ts'
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

/** The tables end the packet's way. */
export function dropped<Name extends CauseName>(
  cause: Name,
  view: NamespaceView,
  link: string | undefined,
  facts: CauseFacts[Name],
): Ended {
  const fault = { cause, place: placeOf(view, link), facts } as Fault
  return new Ended({ kind: 'dropped', fault })
}
