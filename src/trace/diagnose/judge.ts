import type { TracedHop, TracedLeg } from '../observe/correlate.ts'
import type { Netns } from '../../api/node-access.ts'
import type { Leg } from '../predict/prediction.ts'
import { endNetns, type Ends, endName } from '../resolve-ends.ts'
import type { Observation } from '../observe/observe.ts'
import { EXIT_CODE, type NamedCause, type Verdict } from './verdict.ts'

interface Found {
  readonly ends: Ends
  readonly legs: readonly TracedLeg[]
  readonly tries: number
  readonly observation: Observation
}

/** From what was seen to a verdict. */
export const judge = { failedLeg, verdict }

/**
 * The leg on which the packet was lost; undefined when it was answered, or, for a destination that is
 * nobody's and so cannot answer, when it was seen to arrive.
 */
function failedLeg(found: Found): TracedLeg | undefined {
  const { ends, legs } = found
  const [forward, back] = legs
  if (forward === undefined) return undefined
  if (back === undefined) return forward.arrived ? undefined : forward
  if (isElsewhere(found)) return forward
  if (isHome(ends, back)) return undefined
  const isUnderWay = back.hops.some(({ seen }) => seen.state === 'seen')
  return isUnderWay || forward.arrived ? back : forward
}

/** The destination pod was listened in, and the packet did not come in there: another one has it. */
function isElsewhere({ ends: { to }, observation, tries }: Found): boolean {
  if (to.kind !== 'pod') return false
  const isThere = ({ node, netns }: { node: string; netns: Netns }): boolean =>
    node === to.node && netns === endNetns(to)
  const points = observation.points.filter(isThere)
  if (points.length === 0 || points.some(({ armed, lost }) => !armed || lost > 0)) return false
  return !observation.packets.some(
    (packet) =>
      isThere(packet) &&
      packet.leg === 'forward' &&
      packet.direction === 'in' &&
      packet.sequence === tries &&
      packet.error === undefined,
  )
}

/** The answer was seen to come in where the question came from, by whatever way. */
function isHome({ from }: Ends, back: TracedLeg): boolean {
  const netns = endNetns(from)
  const isIn = (hop: TracedHop): boolean =>
    hop.node === from.node &&
    hop.netns === netns &&
    hop.direction === 'in' &&
    hop.seen.state === 'seen'
  return netns === 'host'
    ? back.arrived || back.hops.at(-1)?.seen.state === 'seen'
    : back.hops.some(isIn)
}

function verdict(
  found: Found,
  unreachable: ReadonlyMap<string, string>,
  causes: readonly NamedCause[],
): Verdict {
  const failed = failedLeg(found)
  const remarks = [...remarksOf(found), ...missingNodes(unreachable)]
  const firstDifference = differenceOf(found.legs)
  const where = firstDifference === undefined ? {} : { firstDifference }
  if (failed === undefined) {
    const sentence = `Delivered${roundTrip(found)}.`
    return { kind: 'delivered', exitCode: 0, sentence, ...where, causes: [], remarks }
  }
  if (!found.observation.points.some(({ armed }) => armed)) {
    const sentence = 'Nothing proven: no interface could be listened to.'
    const exitCode = EXIT_CODE.inconclusive
    return { kind: 'inconclusive', exitCode, sentence, ...where, causes, remarks }
  }
  const best = causes[0]
  const exitCode = best === undefined ? EXIT_CODE.unexplained : EXIT_CODE[best.class]
  return {
    kind: 'lost',
    exitCode,
    sentence: lostSentence(found, failed),
    ...where,
    causes,
    remarks,
  }
}

function roundTrip({ legs }: Found): string {
  const seen = legs.flatMap(({ hops }) =>
    hops.flatMap((hop) => (hop.seen.state === 'seen' ? [hop.seen.packet] : [])),
  )
  const [first, last] = [seen[0], seen.at(-1)]
  if (first === undefined || last === undefined || first.machine !== last.machine) return ''
  if (legs.length < 2) return ''
  const milliseconds = (last.atMicroseconds - first.atMicroseconds) / 1000
  return ` and answered in ${milliseconds.toFixed(milliseconds < 10 ? 3 : 1)} ms`
}

function lostSentence(
  { ends, observation }: Found,
  { leg, hops, firstMissing }: TracedLeg,
): string {
  const path = `on the ${leg} path`
  const refusal = observation.probes.at(-1)
  if (leg === 'forward' && refusal !== undefined && !refusal.sent) {
    return `Not sent: the kernel in ${endName(ends.from)} refuses (${refusal.code}).`
  }
  const last = hops.findLast(({ seen }) => seen.state === 'seen')
  const missing = firstMissing === undefined ? undefined : hops[firstMissing]
  const after = last === undefined ? '' : `, last seen ${passing(last)}`
  const at = missing === undefined ? '' : `, not seen ${passing(missing)}`
  if (last === undefined && missing === undefined) {
    return `Lost ${path}: it never left ${leg === 'forward' ? endName(ends.from) : endName(ends.to)}.`
  }
  return `Lost ${path}${after}${at}.`
}

function passing({ node, netns, link, direction }: TracedHop): string {
  const where = netns === 'host' ? node : netns.slice(netns.indexOf('/') + 1)
  return `${direction === 'in' ? 'entering' : 'leaving'} ${where} by ${link}`
}

/** The first hop that was not as predicted; what was not captured proves nothing either way. */
function differenceOf(
  legs: readonly TracedLeg[],
): { readonly leg: Leg; readonly hop: number } | undefined {
  for (const { leg, hops } of legs) {
    const hop = hops.findIndex(
      ({ seen, differences }) => seen.state === 'not seen' || differences.length > 0,
    )
    if (hop >= 0) return { leg, hop }
  }
  return undefined
}

/** What is remarkable about a packet that came through. */
function remarksOf(found: Found): readonly string[] {
  const remarks: string[] = []
  const lost = found.tries - 1
  if (failedLeg(found) === undefined) {
    if (lost > 0)
      remarks.push(`${lost} of ${found.tries} probes lost; the hops are those of the last`)
    for (const { leg, prediction, hops } of found.legs) {
      if (prediction.outcome.kind === 'dropped') {
        remarks.push(`by the tables the packet should not have come through on the ${leg} path`)
      }
      for (const hop of hops) {
        if (hop.seen.state === 'not seen') remarks.push(`it was not seen ${passing(hop)}`)
        for (const difference of hop.differences) remarks.push(`${difference}, ${passing(hop)}`)
      }
    }
  }
  for (const { prediction } of found.legs) {
    if (prediction.outcome.kind === 'unknown') {
      remarks.push(
        `the ${prediction.leg} path could not be predicted: ${prediction.outcome.reason}`,
      )
    }
  }
  for (const { node, link, lost: count } of found.observation.points) {
    if (count > 0) remarks.push(`the capture on ${node} ${link} could not keep ${count} packets`)
  }
  return remarks
}

function missingNodes(unreachable: ReadonlyMap<string, string>): readonly string[] {
  return [...unreachable].map(([node, why]) => `${node} could not be reached: ${why}`)
}
