import { familyOf, type IpAddress } from '../../net/ip-address.ts'
import type { Cause, Told } from '../causes/cause.ts'
import { CAUSES } from '../causes/causes.ts'
import { faultOf } from '../causes/find-fault.ts'
import { counterDeltas, type Symptoms } from '../causes/symptoms.ts'
import { errorText } from '../observe/observed-packet.ts'
import type { FaultFacts } from '../predict/fault.ts'
import type { TracedCluster } from '../tables/topology.ts'
import { ranked, type Suspect } from './ranking.ts'
import type { NamedCause } from './verdict.ts'

/** Why the packet was lost, the most probable cause first. */
export function diagnose(symptoms: Symptoms): readonly NamedCause[] {
  const suspects = [...byTheTables(symptoms), ...byTheLoss(symptoms)]
  return ranked(suspects).map((suspect) => named(suspect, symptoms))
}

/** What the walks say: of the tables as they were, and as they are now, if that is news. */
function byTheTables({ leg, predictedAfter }: Symptoms): readonly Suspect[] {
  const { outcome } = leg.prediction
  const now = predictedAfter.outcome
  if (outcome.kind === 'dropped') {
    // The packet was seen up to the place where the tables forbid it.
    const isAsPredicted = leg.firstMissing === undefined
    return [{ fault: outcome.fault, confidence: isAsPredicted ? 'certain' : 'possible' }]
  }
  return now.kind === 'dropped' ? [{ fault: now.fault, confidence: 'likely' }] : []
}

function byTheLoss(symptoms: Symptoms): readonly Suspect[] {
  const family = familyOf(symptoms.leg.prediction.source)
  return (CAUSES as readonly Cause[]).flatMap((cause): Suspect[] => {
    const finding = cause.detect.loss?.(symptoms)
    if (finding === undefined) return []
    const { confidence = 'likely' } = finding
    return [{ fault: faultOf(cause, finding, family), confidence }]
  })
}

/** A suspect in words, with the counters that moved and the errors that its node sent. */
function named({ fault, confidence }: Suspect, symptoms: Symptoms): NamedCause {
  const { observation, leg, before } = symptoms
  const { place, facts, family } = fault
  const row: Cause = CAUSES.find(({ id }) => id === fault.cause)!
  const told: Told<FaultFacts> = { ...facts, family }
  const counters = counterDeltas(observation, place.node, place.netns)
    .filter(({ name }) => row.counters?.includes(name) === true)
    .map(({ name, delta }) => `${name} of ${place.node} went up by ${delta} during the trace`)
  const answers = leg.errors
    .filter(({ source }) => fault.cause !== 'icmp-error' && isHeldBy(before, source, place.node))
    .map(({ source, error }) => `${source} of ${place.node} answers "${errorText(error!)}"`)
  return {
    name: fault.cause,
    fault,
    class: row.class,
    confidence,
    sentence: row.sentence(told, place),
    evidence: [...(row.evidence?.(told, place) ?? []), ...counters, ...answers],
    mend: row.mend?.(told, place) ?? [],
    look: row.look?.(told, place) ?? [],
    ...(row.advice === undefined ? {} : { advice: row.advice }),
  }
}

function isHeldBy(topology: TracedCluster, address: IpAddress, node: string): boolean {
  return topology.holders(address).some(({ view }) => view.node === node)
}
