import type { WalkFault, FaultFacts } from '../predict/fault.ts'
import { placeOf } from '../predict/place.ts'
import type { FindFault, StepName, Steps } from '../predict/steps.ts'
import type { Cause, Finding } from './cause.ts'
import { CAUSES } from './causes.ts'

/** The first cause, in the order of {@link CAUSES}, that ends a walk at a step. */
export const findFault: FindFault = (name, step) => {
  for (const cause of BY_STEP.get(name) ?? []) {
    const detect = cause.detect[name] as Detect<typeof step> | undefined
    const finding = detect?.(step)
    if (finding !== undefined) return faultOf(cause, finding, step.family)
  }
  return undefined
}

type Detect<Evidence> = (evidence: Evidence) => Finding<FaultFacts> | undefined

const ALL: readonly Cause[] = CAUSES
const BY_STEP: ReadonlyMap<StepName, readonly Cause[]> = new Map(
  ALL.flatMap(({ detect }) => Object.keys(detect) as StepName[]).map((name) => [
    name,
    ALL.filter((cause) => Object.hasOwn(cause.detect, name)),
  ]),
)

/** What a detector has found, as a fault. */
export function faultOf(
  { id }: Pick<Cause, 'id'>,
  { view, link, facts }: Finding<FaultFacts>,
  family: Steps['start']['family'],
): WalkFault {
  return { cause: id, family, place: placeOf(view, link), facts }
}
