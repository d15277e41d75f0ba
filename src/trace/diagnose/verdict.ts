import type { CauseClass, Command, Confidence } from '../causes/cause.ts'
import type { WalkFault } from '../predict/fault.ts'
import type { Leg } from '../predict/prediction.ts'

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

/** One possible cause with what speaks for it, in words. */
export interface NamedCause {
  /** Id of the cause. */
  readonly name: string
  readonly fault: WalkFault
  readonly class: CauseClass
  readonly confidence: Confidence
  readonly sentence: string
  /** Facts, a phrase each. */
  readonly evidence: readonly string[]
  /** Commands that mend it, in order, for the namespace of the fault's place. */
  readonly mend: readonly Command[]
  /** Commands that show more and change nothing, for the same. */
  readonly look: readonly Command[]
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
  readonly causes: readonly NamedCause[]
  /** What is remarkable although the packet was delivered. */
  readonly remarks: readonly string[]
}
