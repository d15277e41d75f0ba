import type { Netns } from '../../api/node-access.ts'
import type { ArmedPoint, Observation } from './observe.ts'
import type { ObservedPacket } from './observed-packet.ts'
import { encapsulationText } from '../predict/encapsulation.ts'
import type { Leg, OuterHeader, PredictedHop, Prediction } from '../predict/prediction.ts'

/** What was seen where a packet was expected: three different things. */
export type Seen =
  | { readonly state: 'seen'; readonly packet: ObservedPacket }
  | { readonly state: 'not seen' }
  | { readonly state: 'not captured'; readonly reason: string }

/** One passing of one interface: predicted, observed, or both. */
export interface TracedHop {
  readonly node: string
  readonly netns: Netns
  readonly link: string
  readonly direction: 'in' | 'out'
  /** Absent where a packet was seen that was not expected. */
  readonly predicted?: PredictedHop
  readonly seen: Seen
  /** What was observed differently, one phrase each: "TTL 62 rather than 63". */
  readonly differences: readonly string[]
  /** Since the hop before that was seen; absent where the clocks cannot be compared. */
  readonly sincePreviousMicroseconds?: number
}

/** One direction of a trace. */
export interface TracedLeg {
  readonly leg: Leg
  readonly prediction: Prediction
  readonly hops: readonly TracedHop[]
  /** Index of the first hop that was expected, listened for, and not seen. */
  readonly firstMissing: number | undefined
  /** Whether it was seen to arrive at the end. */
  readonly arrived: boolean
  /** Errors about this leg's packets, in order of time, each once. */
  readonly errors: readonly ObservedPacket[]
}

/** Joins what was predicted of both directions with what was seen of one try. */
export function correlate(
  predictions: readonly Prediction[],
  observation: Observation,
  sequence: number,
): readonly TracedLeg[] {
  const legs: TracedLeg[] = []
  for (const prediction of predictions) {
    const before = legs.at(-1)?.hops.findLast(({ seen }) => seen.state === 'seen')
    legs.push(correlateLeg(prediction, observation, sequence, before))
  }
  return legs
}

function correlateLeg(
  prediction: Prediction,
  observation: Observation,
  sequence: number,
  before: TracedHop | undefined,
): TracedLeg {
  const own = observation.packets.filter(
    (packet) => packet.leg === prediction.leg && packet.sequence === sequence,
  )
  const packets = own.filter(({ error }) => error === undefined)
  const claimed = new Set<ObservedPacket>()
  const expected = prediction.hops.map((hop): TracedHop => {
    const packet = packets.find((each) => !claimed.has(each) && isAt(each, hop))
    if (packet !== undefined) claimed.add(packet)
    const { node, netns, link, direction } = hop
    const seen = packet === undefined ? unseen(hop, observation.points) : seenAs(packet)
    const differences = packet === undefined ? [] : differencesOf(hop, packet, prediction)
    return { node, netns, link, direction, predicted: hop, seen, differences }
  })
  // Where the tables ran out nothing was expected, and so nothing surprises.
  const differences = prediction.outcome.kind === 'unknown' ? [] : ['not expected here']
  const surprises = packets
    .filter((packet) => !claimed.has(packet))
    .map((packet) => surprise(packet, differences))
  const hops = timed(merge(expected, surprises), before)
  const firstMissing = hops.findIndex(
    ({ predicted, seen }) => predicted !== undefined && seen.state === 'not seen',
  )
  const { outcome } = prediction
  return {
    leg: prediction.leg,
    prediction,
    hops,
    firstMissing: firstMissing < 0 ? undefined : firstMissing,
    arrived: outcome.kind === 'delivered' && expected.at(-1)?.seen.state === 'seen',
    errors: own.filter(isFirstOfItsKind),
  }
}

export function isAt(
  packet: ObservedPacket,
  { node, netns, link, direction }: Pick<TracedHop, 'node' | 'netns' | 'link' | 'direction'>,
): boolean {
  return (
    packet.link === link &&
    packet.node === node &&
    packet.netns === netns &&
    packet.direction === direction
  )
}

function seenAs(packet: ObservedPacket): Seen {
  return { state: 'seen', packet }
}

function surprise(packet: ObservedPacket, differences: readonly string[]): TracedHop {
  const { node, netns, link, direction } = packet
  return { node, netns, link, direction, seen: seenAs(packet), differences }
}

function unseen(hop: PredictedHop, points: readonly ArmedPoint[]): Seen {
  const point = points.find(
    ({ node, netns, link }) => node === hop.node && netns === hop.netns && link === hop.link,
  )
  if (point === undefined) return { state: 'not captured', reason: 'nothing listened here' }
  if (!point.armed) return { state: 'not captured', reason: point.reason ?? 'not armed' }
  if (point.lost > 0) {
    const reason = `${point.lost} packets passed that the capture could not keep`
    return { state: 'not captured', reason }
  }
  return { state: 'not seen' }
}

function differencesOf(
  hop: PredictedHop,
  packet: ObservedPacket,
  { source, destination }: Prediction,
): readonly string[] {
  const isTtlRight = hop.ttlIsUpperBound ? packet.ttl <= hop.ttl : packet.ttl === hop.ttl
  return [
    ...(packet.source === source ? [] : [`source ${packet.source} rather than ${source}`]),
    ...(packet.destination === destination
      ? []
      : [`destination ${packet.destination} rather than ${destination}`]),
    ...(isTtlRight ? [] : [`TTL ${packet.ttl} rather than ${hop.ttl}`]),
    ...outerDifferences(hop, packet.outer),
    ...(packet.checksumValid === false ? ['wrong checksum'] : []),
  ]
}

function outerDifferences(
  { outer: expected, outerTtlIsUpperBound }: PredictedHop,
  outer: OuterHeader | undefined,
): readonly string[] {
  if (expected === undefined && outer === undefined) return []
  if (outer === undefined) return ['no outer header']
  const addresses = `${outer.source} > ${outer.destination}`
  if (expected === undefined) return [`an outer header ${addresses}`]
  const wanted = `${expected.source} > ${expected.destination}`
  const isTtlRight = outerTtlIsUpperBound ? outer.ttl <= expected.ttl : outer.ttl === expected.ttl
  const [kind, wantedKind] = [encapsulationText(outer), encapsulationText(expected)]
  return [
    ...(kind === wantedKind ? [] : [`${kind} rather than ${wantedKind}`]),
    ...(addresses === wanted ? [] : [`outer header ${addresses} rather than ${wanted}`]),
    ...(isTtlRight ? [] : [`outer TTL ${outer.ttl} rather than ${expected.ttl}`]),
  ]
}

/** Hops that nobody expected go behind the last expected one that was seen before them. */
function merge(expected: readonly TracedHop[], surprises: readonly TracedHop[]): TracedHop[] {
  const hops = [...expected]
  for (const extra of surprises) {
    const at = timeOf(extra)!
    const before = hops.findLastIndex((hop) => (timeOf(hop) ?? Infinity) <= at)
    hops.splice(before + 1, 0, extra)
  }
  return hops
}

function timeOf({ seen }: TracedHop): number | undefined {
  return seen.state === 'seen' ? seen.packet.atMicroseconds : undefined
}

/** Adds the time since the hop before, where both were seen by one clock and it did not run backwards. */
function timed(hops: readonly TracedHop[], previous: TracedHop | undefined): readonly TracedHop[] {
  let last = previous?.seen.state === 'seen' ? previous.seen.packet : undefined
  return hops.map((hop) => {
    if (hop.seen.state !== 'seen') return hop
    const { packet } = hop.seen
    const before = last
    last = packet
    if (before === undefined || before.machine !== packet.machine) return hop
    const sincePreviousMicroseconds = packet.atMicroseconds - before.atMicroseconds
    return sincePreviousMicroseconds < 0 ? hop : { ...hop, sincePreviousMicroseconds }
  })
}

/** An error is seen at every interface on its way; one of each kind and sender is enough. */
function isFirstOfItsKind(
  packet: ObservedPacket,
  index: number,
  all: readonly ObservedPacket[],
): boolean {
  const { error, source } = packet
  if (error === undefined) return false
  const first = all.findIndex(
    (other) =>
      other.source === source &&
      other.error?.type === error.type &&
      other.error.code === error.code,
  )
  return first === index
}
