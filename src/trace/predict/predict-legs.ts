import { familyOf, type IpAddress } from '../../net/ip-address.ts'
import type { LookupAnswer } from '../../api/node-access.ts'
import {
  type Leg,
  type Lookup,
  lookupKey,
  type Prediction,
  type WalkRequest,
} from './prediction.ts'
import type { FindFault } from './steps.ts'
import type { ProbeIdentity } from '../observe/probe-packet.ts'
import { type End, endNetns, type Ends, type SourceEnd } from '../resolve-ends.ts'
import type { NamespaceView } from '../tables/namespace-view.ts'
import { lookUpRoute } from '../tables/route-lookup.ts'
import type { TracedCluster } from '../tables/topology.ts'
import { Walk } from './walk.ts'

export interface LegsRequest {
  readonly ends: Ends
  readonly probe: ProbeIdentity
  readonly topology: TracedCluster
  readonly findFault: FindFault
}

/** Asks kernels; undefined for a lookup that nobody answered. */
export type AskKernels = (
  lookups: readonly Lookup[],
) => Promise<readonly (LookupAnswer | undefined)[]>

/** What a namespace gives its packets where its setting was not read. */
const DEFAULT_TTL = 64

/** Rounds of asking; each answer can lead the walk where it had not been. */
const ROUNDS_MAX = 4

/**
 * The forward and the return path by the tables, every step checked against the kernels' own lookups.
 * Only the forward path, when the destination is nobody's.
 */
export async function predictLegs(
  request: LegsRequest,
  ask: AskKernels,
): Promise<readonly Prediction[]> {
  const walks = walksOf(request)
  const answers = new Map<string, LookupAnswer>()
  const asked = new Set<string>()
  for (let round = 0; ; round++) {
    const legs = walks.map((walk) =>
      new Walk(walk, request.topology, answers, request.findFault).run(),
    )
    const open = legs
      .flatMap(({ lookups }) => lookups)
      .filter((lookup) => !asked.has(lookupKey(lookup)))
    if (open.length === 0 || round >= ROUNDS_MAX) return legs
    const given = await ask(open)
    for (const [at, lookup] of open.entries()) {
      const key = lookupKey(lookup)
      asked.add(key)
      const answer = given[at]
      if (answer !== undefined) answers.set(key, answer)
    }
  }
}

function walksOf({ ends: { from, to }, probe, topology }: LegsRequest): readonly WalkRequest[] {
  const { octets, dontFragment } = probe
  const walk = (leg: Leg, start: SourceEnd, end: End, ttl: number): WalkRequest => ({
    leg,
    start: { node: start.node, netns: endNetns(start) },
    end: end.kind === 'address' ? undefined : { node: end.node, netns: endNetns(end) },
    source: start.address,
    destination: end.address,
    ttl,
    octets,
    dontFragment,
  })
  const forward = walk('forward', from, to, probe.ttl)
  if (to.kind === 'address') return [forward]
  const view = topology.view(to.node, endNetns(to))
  return [forward, walk('return', to, from, ownTtl(view, from.address))]
}

/** The TTL of what a namespace sends itself: in IPv6 it is a setting of the link that it leaves by. */
function ownTtl(view: NamespaceView | undefined, destination: IpAddress): number {
  if (view === undefined) return DEFAULT_TTL
  if (familyOf(destination) === 4) return view.sysctl('ipv4.ip_default_ttl') ?? DEFAULT_TTL
  const hop = lookUpRoute(view, { destination })?.route.nextHops[0]
  const link = hop === undefined ? undefined : view.linkName(hop.linkIndex)
  return link === undefined ? DEFAULT_TTL : (view.setting('ipv6', link, 'hop_limit') ?? DEFAULT_TTL)
}
