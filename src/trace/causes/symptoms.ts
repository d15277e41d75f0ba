import type { NodeCounters, Observation } from '../observe/observe.ts'
import type { TracedHop, TracedLeg } from '../observe/correlate.ts'
import type { Netns } from '../../api/node-access.ts'
import type { Prediction } from '../predict/prediction.ts'
import type { End } from '../resolve-ends.ts'
import type { NamespaceView } from '../tables/namespace-view.ts'
import type { TracedCluster } from '../tables/topology.ts'

/** All that a diagnosis looks at, when a packet did not arrive. */
export interface Symptoms {
  /** The leg that failed; all before it arrived. */
  readonly leg: TracedLeg
  /** All legs, that one included. */
  readonly legs: readonly TracedLeg[]
  /** Where that leg should end. */
  readonly end: End
  readonly observation: Observation
  /** The tables as they were before the probe, and as they are now. */
  readonly before: TracedCluster
  readonly after: TracedCluster
  /** The same walk over the tables as they are now. */
  readonly predictedAfter: Prediction
  /** Whether a plain packet passes between the two nodes of a gap; undefined where it was not tried. */
  readonly nodesTalk?: boolean
}

/** The last hop that was seen, and the first one after it that should have been. */
export interface Gap {
  readonly last: TracedHop | undefined
  readonly missing: TracedHop | undefined
}

export function gapOf({ hops }: TracedLeg): Gap {
  const lastIndex = hops.findLastIndex(
    ({ seen, predicted }) => seen.state === 'seen' && predicted !== undefined,
  )
  const missing = hops.slice(lastIndex + 1).find(({ predicted }) => predicted !== undefined)
  return { last: hops[lastIndex], missing }
}

/** The two nodes that a packet was lost between, if it was. */
export function lostBetweenNodes(leg: TracedLeg): readonly [string, string] | undefined {
  const { last, missing } = gapOf(leg)
  const isBetween =
    last?.direction === 'out' && missing?.direction === 'in' && last.node !== missing.node
  return isBetween ? [last.node, missing.node] : undefined
}

export interface LossWithin {
  readonly last: TracedHop
  readonly missing: TracedHop
  readonly view: NamespaceView
  readonly moved: readonly CounterDelta[]
}

/** Where a packet was last seen if it is missing in the same namespace, and the counters that moved there. */
export function lossWithin({ leg, before, observation }: Symptoms): LossWithin | undefined {
  const { last, missing } = gapOf(leg)
  if (last === undefined || missing?.node !== last.node || missing.netns !== last.netns) {
    return undefined
  }
  const view = before.view(last.node, last.netns)
  return view && { last, missing, view, moved: counterDeltas(observation, last.node, last.netns) }
}

/** The namespace that a leg begins in, as far as the walk got there. */
export function firstView({ leg, before }: Symptoms): NamespaceView | undefined {
  const first = leg.prediction.hops[0]
  return first && before.view(first.node, first.netns)
}

/** It arrived, and the answer never set out: the namespace that should have answered. */
export function silentView(symptoms: Symptoms): NamespaceView | undefined {
  const { last, missing } = gapOf(symptoms.leg)
  const isSilent = symptoms.leg.leg === 'return' && last === undefined && missing !== undefined
  return isSilent ? firstView(symptoms) : undefined
}

export interface CounterDelta {
  readonly name: string
  readonly delta: number
}

/** Counters of a namespace that went up during the trace. */
export function counterDeltas(
  { countersBefore, countersAfter }: Observation,
  node: string,
  netns: Netns,
): readonly CounterDelta[] {
  const isHere = (each: NodeCounters): boolean => each.node === node && each.netns === netns
  const before = countersBefore.find(isHere)?.counters ?? {}
  const after = countersAfter.find(isHere)?.counters ?? {}
  return Object.entries(after)
    .map(([name, value]) => ({ name, delta: value - (before[name] ?? 0) }))
    .filter(({ delta }) => delta > 0)
}
