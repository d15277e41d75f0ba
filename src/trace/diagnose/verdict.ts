import type { Fault } from './cause.ts'
import type { Leg } from '../predict/prediction.ts'

/** Kinds of causes, by which part of the network they are in. */
export type CauseClass =
  | 'policy'
  | 'routing'
  | 'encapsulation'
  | 'underlay'
  | 'host'
  | 'size'
  | 'endpoint'

/**
 * Process exit status by verdict, so that a script can tell them apart. 1 is for what a person did
 * wrong (an unknown pod), 2 for a trace that proves nothing, 70 for a defect of the program.
 */
export const EXIT_CODE = {
  delivered: 0,
  inconclusive: 2,
  policy: 10,
  routing: 20,
  encapsulation: 30,
  underlay: 40,
  host: 50,
  size: 60,
  endpoint: 80,
  /** Lost, and nothing that was read says why. */
  unexplained: 90,
} as const satisfies Record<CauseClass | 'delivered' | 'inconclusive' | 'unexplained', number>

/** One possible cause with what speaks for it. */
export interface Cause {
  readonly name: Fault['cause']
  readonly class: CauseClass
  /** certain: the tables forbid it and the packet ended there; likely: it fits; possible: not excluded. */
  readonly confidence: 'certain' | 'likely' | 'possible'
  readonly sentence: string
  /** Facts, one sentence each. */
  readonly evidence: readonly string[]
  /** Commands that mend it or show more, in order. */
  readonly mend: readonly string[]
  /** What to do where no command does it. */
  readonly advice?: string
}

export interface Verdict {
  readonly kind: 'delivered' | 'lost' | 'inconclusive'
  readonly exitCode: number
  /** One sentence. */
  readonly sentence: string
  /** Where prediction and observation part, by leg and index of its hops. */
  readonly firstDifference?: { readonly leg: Leg; readonly hop: number }
  /** The most probable first; none when all is well. */
  readonly causes: readonly Cause[]
  /** What is remarkable although the packet was delivered. */
  readonly remarks: readonly string[]
}
