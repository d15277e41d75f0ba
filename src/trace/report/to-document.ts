import type { TracedHop, TracedLeg } from '../observe/correlate.ts'
import type { Command } from '../causes/cause.ts'
import type { NamedCause } from '../diagnose/verdict.ts'
import { commandText, type Reach } from './command-text.ts'
import { explain } from './explain.ts'
import { errorText } from '../observe/observed-packet.ts'
import type { OuterHeader, PredictedHop, Way } from '../predict/prediction.ts'
import { type End, endName } from '../resolve-ends.ts'
import type { TracedCluster } from '../tables/topology.ts'
import type { Trace } from '../trace.ts'
import type {
  CauseDocument,
  EndDocument,
  HopDocument,
  LegDocument,
  TraceDocument,
} from './trace-document.ts'

/** A trace in the form that is printed, stored and read by other programs. */
export function toDocument(trace: Trace, reach: Reach = {}): TraceDocument {
  const { ends, probe, legs, tries, verdict, topology, unreachable } = trace
  const { octets, ttl, dontFragment, identifier } = probe
  const { kind, exitCode, sentence, firstDifference, causes, remarks } = verdict
  return {
    apiVersion: 'tortie/v1',
    kind: 'Trace',
    from: endDocument(ends.from),
    to: endDocument(ends.to),
    probe: { protocol: 'ICMP', octets, ttl, dontFragment, identifier, tries },
    verdict: {
      kind,
      exitCode,
      sentence,
      ...(firstDifference === undefined ? {} : { firstDifference }),
      causes: causes.map((cause) => causeDocument(cause, reach)),
      remarks: [...remarks],
    },
    legs: legs.map((leg) => legDocument(leg, topology)),
    unreachable: [...unreachable].map(([node, reason]) => ({ node, reason })),
  }
}

function causeDocument(cause: NamedCause, reach: Reach): CauseDocument {
  const { name, class: kind, confidence, sentence, evidence, mend, look, advice, fault } = cause
  const text = (command: Command): string => commandText(command, fault.place, reach)
  return {
    name,
    class: kind,
    confidence,
    sentence,
    evidence: [...evidence],
    mend: mend.map(text),
    look: look.map(text),
    ...(advice === undefined ? {} : { advice }),
  }
}

function endDocument(end: End): EndDocument {
  const node = end.kind === 'address' ? {} : { node: end.node }
  return { kind: end.kind, name: endName(end), ...node, address: end.address }
}

function legDocument(
  { leg, prediction, hops, errors }: TracedLeg,
  topology: TracedCluster,
): LegDocument {
  const { source, destination, outcome } = prediction
  return {
    leg,
    source,
    destination,
    outcome:
      outcome.kind === 'dropped'
        ? { kind: 'dropped', cause: outcome.fault.cause, node: outcome.fault.place.node }
        : outcome,
    hops: hops.map((hop) => hopDocument(hop, explain(hop, prediction, topology))),
    errors: errors.flatMap(({ source: sender, error }) =>
      error === undefined ? [] : [{ sender, text: errorText(error) }],
    ),
  }
}

function hopDocument(hop: TracedHop, commands: readonly string[]): HopDocument {
  const { node, netns, link, direction, predicted, differences } = hop
  return {
    node,
    ...(netns === 'host' ? {} : { pod: netns }),
    interface: link,
    direction,
    ...(predicted === undefined ? {} : { predicted: predictedDocument(predicted) }),
    observed: observedDocument(hop),
    differences: [...differences],
    notes: [...(predicted?.notes ?? [])],
    explain: [...commands],
  }
}

function predictedDocument({
  ttl,
  ttlIsUpperBound,
  mtu,
  outer,
  way,
}: PredictedHop): HopDocument['predicted'] {
  return {
    ttl,
    ttlIsUpperBound,
    mtu,
    ...(outer === undefined ? {} : { outer: outerDocument(outer) }),
    ...(way === undefined ? {} : { route: routeDocument(way) }),
  }
}

function routeDocument({ route, table, nextHop, alternatives, kernel }: Way) {
  return { text: route, table, nextHop, alternatives: [...alternatives], kernel }
}

function outerDocument({ source, destination, ttl, protocol, vxlan }: OuterHeader) {
  return { source, destination, ttl, protocol, ...(vxlan === undefined ? {} : { vxlan }) }
}

function observedDocument({ seen, sincePreviousMicroseconds }: TracedHop): HopDocument['observed'] {
  if (seen.state === 'not captured') return { state: 'not captured', reason: seen.reason }
  if (seen.state === 'not seen') return { state: 'not seen' }
  const { ttl, outer, octets, identification, checksumValid, atMicroseconds } = seen.packet
  return {
    state: 'seen',
    ttl,
    ...(outer === undefined ? {} : { outer: outerDocument(outer) }),
    octets,
    identification,
    ...(checksumValid === undefined ? {} : { checksumValid }),
    at: atMicroseconds,
    ...(sincePreviousMicroseconds === undefined
      ? {}
      : { sincePrevious: Math.round(sincePreviousMicroseconds * 1000) / 1000 }),
  }
}
