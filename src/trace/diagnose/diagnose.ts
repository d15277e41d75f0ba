import { countedDrop } from '../node/counted-drop.ts'
import type { IpAddress } from '../../net/ip-address.ts'
import { CATALOGUE, type CatalogueRow } from './catalogue.ts'
import type { Fault } from './cause.ts'
import type { TracedHop, TracedLeg } from '../observe/correlate.ts'
import { encapsulationText } from '../predict/encapsulation.ts'
import type { NamespaceView } from '../tables/namespace-view.ts'
import type { Netns } from '../../api/node-access.ts'
import type { NodeCounters, Observation } from '../observe/observe.ts'
import { isTunnel } from '../tables/link-facts.ts'
import { errorText } from '../observe/observed-packet.ts'
import { placeOf } from './place.ts'
import type { Prediction } from '../predict/prediction.ts'
import type { End } from '../resolve-ends.ts'
import type { Topology } from '../tables/topology.ts'
import type { Cause } from './verdict.ts'

/** All that a diagnosis looks at, when a packet did not arrive. */
export interface Symptoms {
  /** The leg that failed; all before it arrived. */
  readonly leg: TracedLeg
  /** Where that leg should end. */
  readonly end: End
  readonly observation: Observation
  /** The tables as they were before the probe, and as they are now. */
  readonly before: Topology
  readonly after: Topology
  /** The same walk over the tables as they are now. */
  readonly predictedAfter: Prediction
  /** Whether a plain packet passes between the two nodes of a gap; undefined where it was not tried. */
  readonly nodesTalk?: boolean
}

type Found = { readonly fault: Fault; readonly confidence: Cause['confidence'] }

/** Why the packet was lost, the most probable cause first. */
export function diagnose(symptoms: Symptoms): readonly Cause[] {
  const gone = missingPodLink(symptoms)
  // All that can be found beside it follows from it.
  const found = gone.length > 0 ? gone : CHECKS.flatMap((check) => check(symptoms))
  const order = ['certain', 'likely', 'possible']
  const seen = new Set<string>()
  return found
    .toSorted((a, b) => order.indexOf(a.confidence) - order.indexOf(b.confidence))
    .filter(({ fault }) => {
      const key = `${fault.cause} ${fault.place.node} ${fault.place.netns}`
      return !seen.has(key) && seen.add(key)
    })
    .filter(isNoEcho)
    .map((each) => causeOf(each, symptoms))
}

/** A router that says what its tables say is evidence for that, not a cause beside it. */
function isNoEcho({ fault }: Found, _: number, all: readonly Found[]): boolean {
  return (
    fault.cause !== 'icmp-error' ||
    !all.some(
      (other) => other.confidence === 'certain' && other.fault.place.node === fault.place.node,
    )
  )
}

/** The two nodes that a packet was lost between, if it was. */
export function lostBetweenNodes(leg: TracedLeg): readonly [string, string] | undefined {
  const { last, missing } = gapOf(leg)
  const isBetween =
    last?.direction === 'out' && missing?.direction === 'in' && last.node !== missing.node
  return isBetween ? [last.node, missing.node] : undefined
}

/** The last hop that was seen, and the first one after it that should have been. */
interface Gap {
  readonly last: TracedHop | undefined
  readonly missing: TracedHop | undefined
}

function gapOf({ hops }: TracedLeg): Gap {
  const lastIndex = hops.findLastIndex(
    ({ seen, predicted }) => seen.state === 'seen' && predicted !== undefined,
  )
  const missing = hops.slice(lastIndex + 1).find(({ predicted }) => predicted !== undefined)
  return { last: hops[lastIndex], missing }
}

const CHECKS: readonly ((symptoms: Symptoms) => readonly Found[])[] = [
  absentPod,
  predictedFault,
  faultOfNow,
  refusedProbe,
  errorsSeen,
  otherWay,
  changedSource,
  wrongChecksum,
  neighborOfNow,
  lostBetween,
  lostInTunnel,
  lostWithin,
  unanswered,
]

/** The datastore has a pod that its node has not. */
function absentPod({ end, before }: Symptoms): readonly Found[] {
  if (end.kind !== 'pod' || before.node(end.node) === undefined) return []
  const view = before.view(end.node, 'host')
  if (view === undefined || before.attachment(end.node, end.pod) !== undefined) return []
  return [found('pod-not-running', view, undefined, { pod: end.pod }, 'certain')]
}

/** A pod of either end that its node has attached, and whose link somebody has deleted. */
function missingPodLink({ leg, before }: Symptoms): readonly Found[] {
  const { source, destination } = leg.prediction
  return [source, destination].flatMap((address) => {
    const endpoint = before.registeredPod(address)
    if (endpoint === undefined) return []
    const view = before.view(endpoint.node, 'host')
    const link = before.attachment(endpoint.node, endpoint.pod)?.hostInterface
    if (view === undefined || link === undefined || view.linkNamed(link) !== undefined) return []
    return [found('pod-link-missing', view, link, { pod: endpoint.pod, link }, 'certain')]
  })
}

/** The tables forbid it, and the packet was seen up to the place where they do. */
function predictedFault({ leg }: Symptoms): readonly Found[] {
  const { outcome } = leg.prediction
  if (outcome.kind !== 'dropped') return []
  const isAsPredicted = leg.firstMissing === undefined
  return [{ fault: outcome.fault, confidence: isAsPredicted ? 'certain' : 'possible' }]
}

/** The tables have changed since, or show only now what the probe has made them show. */
function faultOfNow({ leg, predictedAfter }: Symptoms): readonly Found[] {
  const isNew =
    leg.prediction.outcome.kind !== 'dropped' && predictedAfter.outcome.kind === 'dropped'
  if (!isNew || predictedAfter.outcome.kind !== 'dropped') return []
  return [{ fault: predictedAfter.outcome.fault, confidence: 'likely' }]
}

/** The source's kernel would not even send it. */
function refusedProbe({ leg, observation, before }: Symptoms): readonly Found[] {
  const answer = observation.probes.at(-1)
  const first = leg.prediction.hops[0]
  if (answer === undefined || answer.sent || first === undefined) return []
  const view = before.view(first.node, first.netns)
  if (view === undefined) return []
  const facts = { destination: leg.prediction.destination, code: answer.code }
  return [found('kernel-refuses', view, undefined, facts, 'likely')]
}

function errorsSeen({ leg, before }: Symptoms): readonly Found[] {
  const { prediction } = leg
  return leg.errors.flatMap((packet) => {
    const view = before.holders(packet.source)[0]?.view ?? before.view(packet.node, packet.netns)
    if (view === undefined || packet.error === undefined) return []
    const text = `${errorText(packet.error)} for ${prediction.destination}`
    return [found('icmp-error', view, undefined, { text, sender: packet.source }, 'likely')]
  })
}

/** It left a node by an interface that nobody expected. */
function otherWay({ leg, before }: Symptoms): readonly Found[] {
  const { missing } = gapOf(leg)
  if (missing === undefined || missing.direction !== 'out') return []
  const stray = leg.hops.find(
    (hop) =>
      hop.predicted === undefined &&
      hop.direction === 'out' &&
      hop.node === missing.node &&
      hop.netns === missing.netns,
  )
  const view = before.view(missing.node, missing.netns)
  if (stray === undefined || view === undefined) return []
  const facts = { expected: missing.link, actual: stray.link }
  return [found('other-way', view, stray.link, facts, 'likely')]
}

function changedSource({ leg, before }: Symptoms): readonly Found[] {
  for (const hop of leg.hops) {
    if (hop.seen.state !== 'seen') continue
    const { source } = hop.seen.packet
    const view = before.view(hop.node, hop.netns)
    if (source === leg.prediction.source || view === undefined) continue
    const facts = { before: leg.prediction.source, after: source }
    return [found('source-changed', view, hop.link, facts, 'likely')]
  }
  return []
}

function wrongChecksum({ leg, before }: Symptoms): readonly Found[] {
  const { last } = gapOf(leg)
  if (last?.seen.state !== 'seen' || last.seen.packet.checksumValid !== false) return []
  const view = before.view(last.node, last.netns)
  return view === undefined
    ? []
    : [found('checksum-wrong', view, last.link, { link: last.link }, 'likely')]
}

/** The neighbor that the missing hop needs has been asked for and has not answered. */
function neighborOfNow({ leg, after }: Symptoms): readonly Found[] {
  const { missing } = gapOf(leg)
  const way = missing?.predicted?.way
  if (missing === undefined || way === undefined || missing.direction !== 'out') return []
  const view = after.view(missing.node, missing.netns)
  const entry = view?.neighbor(missing.predicted!.linkIndex, way.nextHop)
  if (view === undefined || (entry?.state !== 'failed' && entry?.state !== 'incomplete')) return []
  const facts = { link: missing.link, address: way.nextHop, state: entry.state }
  return [found('neighbor-failed', view, missing.link, facts, 'likely')]
}

/** Seen leaving one node and not arriving at the next. */
function lostBetween({ leg, before, nodesTalk }: Symptoms): readonly Found[] {
  const { last, missing } = gapOf(leg)
  if (last === undefined || missing === undefined || lostBetweenNodes(leg) === undefined) return []
  const view = before.view(last.node, last.netns)
  if (view === undefined) return []
  const outer = last.seen.state === 'seen' ? last.seen.packet.outer : undefined
  const facts = {
    from: `${last.node} ${last.link}`,
    to: `${missing.node} ${missing.link}`,
    encapsulation: outer === undefined ? undefined : encapsulationText(outer),
    nodesTalk,
  }
  return [found('underlay-drops', view, last.link, facts, 'likely')]
}

/** Where a packet was last seen if it is missing in the same namespace, and the counters that moved there. */
function lossWithin({ leg, before, observation }: Symptoms) {
  const { last, missing } = gapOf(leg)
  if (last === undefined || missing?.node !== last.node || missing.netns !== last.netns) {
    return undefined
  }
  const view = before.view(last.node, last.netns)
  return view && { last, missing, view, moved: counterDeltas(observation, last.node, last.netns) }
}

/** The programs of the node's tunnel say that they dropped something, on its way in or out. */
function lostInTunnel(symptoms: Symptoms): readonly Found[] {
  const loss = lossWithin(symptoms)
  if (loss === undefined) return []
  const { last, missing, view, moved } = loss
  const ends = [last.link, missing.link].map((name) => view.linkNamed(name))
  if (!ends.some((link) => link !== undefined && isTunnel(link))) return []
  for (const { name: counter } of moved) {
    const drop = countedDrop(counter)
    if (drop?.by !== 'tunnel') continue
    const facts = { seen: last.link, counter, taken: drop.as }
    return [found('tunnel-drops', view, last.link, facts, 'likely')]
  }
  return []
}

/** Seen coming into a namespace and not leaving it. */
function lostWithin(symptoms: Symptoms): readonly Found[] {
  const loss = lossWithin(symptoms)
  if (loss?.last.direction !== 'in' || lostInTunnel(symptoms).length > 0) return []
  const { last, view, moved } = loss
  const rpFiltered = moved.find(({ name }) => name === 'TcpExt.IPReversePathFilter')
  if (rpFiltered !== undefined) {
    const facts = {
      link: last.link,
      source: symptoms.leg.prediction.source,
      value: view.largerSetting('ipv4', last.link, 'rp_filter') ?? 1,
      back: undefined,
      setting: last.link,
    }
    return [found('rp-filter', view, last.link, facts, 'likely')]
  }
  const own = moved.find(({ name }) => countedDrop(name)?.by === 'filter')?.name
  const counter = own ?? moved.find(({ name }) => CATALOGUE.filtered.counters.includes(name))?.name
  const taken = own === undefined ? undefined : countedDrop(own)?.as
  return [found('filtered', view, last.link, { arrived: last.link, counter, taken }, 'likely')]
}

/** It arrived, and the answer never set out. */
function unanswered({ leg, before }: Symptoms): readonly Found[] {
  const { last, missing } = gapOf(leg)
  const first = leg.prediction.hops[0]
  if (leg.leg !== 'return' || last !== undefined || missing === undefined || first === undefined) {
    return []
  }
  const view = before.view(first.node, first.netns)
  if (view === undefined) return []
  const setting = 'ipv4.icmp_echo_ignore_all'
  if (view.sysctl(setting) === 1) {
    return [found('echo-ignored', view, undefined, { sysctl: setting }, 'certain')]
  }
  const pod = first.netns === 'host' ? first.node : first.netns
  return [found('no-answer', view, undefined, { pod }, 'possible')]
}

function found<Name extends Fault['cause']>(
  cause: Name,
  view: NamespaceView,
  link: string | undefined,
  facts: Fault<Name>['facts'],
  confidence: Cause['confidence'],
): Found {
  return { fault: { cause, place: placeOf(view, link), facts } as Fault, confidence }
}

/** What a person is told of a fault: the catalogue's row, with the counters that moved. */
function causeOf({ fault, confidence }: Found, { observation, leg, before }: Symptoms): Cause {
  const row = CATALOGUE[fault.cause] as CatalogueRow<Fault['facts']>
  const { node, netns } = fault.place
  const counters = counterDeltas(observation, node, netns)
    .filter(({ name }) => row.counters.includes(name))
    .map(({ name, delta }) => `${name} of ${node} went up by ${delta} during the trace`)
  const answers = leg.errors
    .filter(({ source }) => fault.cause !== 'icmp-error' && isHeldBy(before, source, node))
    .map(({ source, error }) => `${source} of ${node} answers "${errorText(error!)}"`)
  return {
    name: fault.cause,
    class: row.class,
    confidence,
    sentence: row.sentence(fault.facts, fault.place),
    evidence: [...row.evidence(fault.facts, fault.place), ...counters, ...answers],
    mend: row.mend(fault.facts, fault.place),
    ...(row.advice === undefined ? {} : { advice: row.advice }),
  }
}

function isHeldBy(topology: Topology, address: IpAddress, node: string): boolean {
  return topology.holders(address).some(({ view }) => view.node === node)
}

function counterDeltas(
  { countersBefore, countersAfter }: Observation,
  node: string,
  netns: Netns,
): readonly { readonly name: string; readonly delta: number }[] {
  const isHere = (each: NodeCounters): boolean => each.node === node && each.netns === netns
  const before = countersBefore.find(isHere)?.counters ?? {}
  const after = countersAfter.find(isHere)?.counters ?? {}
  return Object.entries(after)
    .map(([name, value]) => ({ name, delta: value - (before[name] ?? 0) }))
    .filter(({ delta }) => delta > 0)
}
