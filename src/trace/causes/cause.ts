import type { Family } from '../../net/ip-address.ts'
import type { FaultFacts, Place } from '../predict/fault.ts'
import type { Steps } from '../predict/steps.ts'
import type { NamespaceView } from '../tables/namespace-view.ts'
import type { Symptoms } from './symptoms.ts'

/** Kinds of causes, by which part of the network they are in. */
export type CauseClass =
  | 'policy'
  | 'routing'
  | 'encapsulation'
  | 'underlay'
  | 'host'
  | 'size'
  | 'endpoint'

/** certain: the tables forbid it and the packet ended there; likely: it fits; possible: not excluded. */
export type Confidence = 'certain' | 'likely' | 'possible'

/** Where a detector found its cause, and the facts that tell it. */
export interface Finding<Facts> {
  readonly view: NamespaceView
  readonly link?: string | undefined
  readonly facts: Facts
  /** Of what is found when the packet is lost; "likely" when absent. The tables' own word is certain. */
  readonly confidence?: Confidence
}

type Detect<Evidence, Facts> = (evidence: Evidence) => Finding<Facts> | undefined

/** Detectors by what they look at: a step of the walk through the tables, or a packet that was lost. */
export type Detectors<Facts> = { readonly [Name in keyof Steps]?: Detect<Steps[Name], Facts> } & {
  readonly loss?: Detect<Symptoms, Facts>
}

/** Detectors of which at least one is there: a cause that nothing finds does not compile. */
type SomeDetectors<Facts> = {
  [Name in keyof Detectors<Facts>]-?: Required<Pick<Detectors<Facts>, Name>> &
    Omit<Detectors<Facts>, Name>
}[keyof Detectors<Facts>]

/** A command as its arguments, run in the namespace of the place; one that begins with "tortie", anywhere. */
export type Command = readonly string[]

/** What the words of a cause are made of. */
export type Told<Facts> = Facts & { readonly family: Family }

/** One kind of thing that can be wrong: how it is found, and what a person is told of it. */
export interface CauseRow<Id extends string, Facts extends FaultFacts> {
  readonly id: Id
  readonly class: CauseClass
  /** Each judges by its evidence alone and knows no other cause; `ranking.ts` puts them in order. */
  readonly detect: SomeDetectors<Facts>
  readonly sentence: (facts: Told<Facts>, place: Place) => string
  /** What speaks for it, a phrase each. */
  readonly evidence?: (facts: Told<Facts>, place: Place) => readonly string[]
  /** Commands that mend it, in the order to type them. */
  readonly mend?: (facts: Told<Facts>, place: Place) => readonly Command[]
  /** Commands that show more and change nothing. */
  readonly look?: (facts: Told<Facts>, place: Place) => readonly Command[]
  /** What to do where no command does it. */
  readonly advice?: string
  /** Counters that move when this is the cause. */
  readonly counters?: readonly string[]
  /** Id of the fault (src/faults) that shows it. */
  readonly fault: string
}

/** A row whose facts nobody outside it looks at. */
export interface Cause<Id extends string = string> extends Omit<
  CauseRow<Id, FaultFacts>,
  'detect'
> {
  readonly detect: Detectors<FaultFacts>
}

/** Makes a row of the catalogue; inside it facts have their types. */
export function cause<Facts extends FaultFacts>(): <Id extends string>(
  row: CauseRow<Id, Facts>,
) => Cause<Id> {
  return (row) => row as unknown as Cause<typeof row.id>
}
