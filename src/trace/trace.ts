import type { Clock } from '../lib/clock.ts'
import { KernelError } from '../kernel/kernel.ts'
import { messageOf, UserError } from '../lib/errors.ts'
import { RpcError } from '../lib/rpc.ts'
import type { Random } from '../lib/random.ts'
import { familyOf } from '../net/ip-address.ts'
import { capturePoints } from './observe/capture-points.ts'
import { correlate, isAt, type TracedLeg } from './observe/correlate.ts'
import { findFault } from './causes/find-fault.ts'
import { lostBetweenNodes } from './causes/symptoms.ts'
import { diagnose } from './diagnose/diagnose.ts'
import type { Directory } from './tables/directory.ts'
import { judge } from './diagnose/judge.ts'
import type { LookupAnswer, NodeAccess, NodeSnapshot } from '../api/node-access.ts'
import { type NodePlan, type Observation, observe, type Progress } from './observe/observe.ts'
import type { ObservedPacket } from './observe/observed-packet.ts'
import { NodeError } from './node/node-error.ts'
import { predictLegs } from './predict/predict-legs.ts'
import type { Lookup, Prediction } from './predict/prediction.ts'
import {
  newProbe,
  PROBE_OCTETS,
  PROBE_OCTETS_MIN,
  type ProbeIdentity,
} from './observe/probe-packet.ts'
import { endName, endNetns, type Ends, resolveEnds } from './resolve-ends.ts'
import { TracedCluster } from './tables/topology.ts'
import type { Verdict } from './diagnose/verdict.ts'

export interface TraceRequest {
  /** A pod ("name" or "namespace/name"), a node, or an address. */
  readonly from: string
  readonly to: string
  readonly nodes: readonly NodeAccess[]
  readonly directory: Directory
  readonly options?: TraceOptions
  readonly clock: Clock
  readonly random: Random
}

export interface TraceOptions {
  /** Most that one try waits; 1000 when absent. */
  readonly timeoutMilliseconds?: number
  /** Probes that are sent until one comes back; 2 when absent. */
  readonly tries?: number
  /** Length of the probe with its IP header; that of `ping` when absent. */
  readonly octets?: number
  /** 64 when absent. */
  readonly ttl?: number
  /** True when absent, as `ping` does. */
  readonly dontFragment?: boolean
}

/** Everything that a trace has found. */
export interface Trace {
  readonly ends: Ends
  readonly probe: ProbeIdentity
  /** There and, unless the destination is nobody's, back; of the last try. */
  readonly legs: readonly TracedLeg[]
  /** The try that `legs` show, from 1, of how many that were sent. */
  readonly tries: number
  readonly observation: Observation
  readonly verdict: Verdict
  /** The tables as they were before the first probe. */
  readonly topology: TracedCluster
  /** Nodes that did not answer, with the reason. */
  readonly unreachable: ReadonlyMap<string, string>
}

/** With more nodes than this only those on the way are read and listened to. */
const NODES_ALL_MAX = 16

/**
 * Where a packet should go and where it goes: reads the tables, walks both ways, listens everywhere,
 * sends a marked echo request from inside the source, and compares.
 * Errors: UserError for names that are unknown, a source that does not run or cannot be reached.
 */
export async function trace(request: TraceRequest): Promise<Trace> {
  const ends = await asSent(resolveEnds(request.from, request.to, request.directory), request)
  const probe = probeOf(ends, request.options ?? {}, request.random)
  const reader = new Reader(request, ends)
  await reader.read(firstNodes(request, ends))
  reader.checkSource()
  const before = reader.snapshots
  const predictions = await predictWith(reader, request, ends, probe)
  const topology = new TracedCluster(reader.snapshots, request.directory)
  const { timeoutMilliseconds = 1000, tries = 2 } = request.options ?? {}
  const observation = await observe(
    {
      id: idOf(request.random),
      probe,
      source: { node: ends.from.node, netns: endNetns(ends.from) },
      nodes: plans(reader, topology, predictions, ends),
      vxlanPorts: topology.vxlanPorts(),
      timeoutMilliseconds,
      tries,
      progress: (packets, sequence) => progressOf(predictions, ends, packets, sequence),
    },
    request.clock,
  )
  const sent = observation.probes.length
  const legs = correlate(predictions, observation, sent)
  const found = { ends, probe, legs, tries: sent, observation, topology }
  const unreachable = reader.unreachable
  const failed = judge.failedLeg(found)
  if (failed === undefined) {
    return { ...found, unreachable, verdict: judge.verdict(found, unreachable, []) }
  }
  const after = await reader.again(before)
  const again = await predictLegs(
    { ends, probe, topology: new TracedCluster(after, request.directory), findFault },
    (lookups) => reader.answers(lookups),
  )
  const nodesTalk = await tryNodes(request, failed)
  const causes = diagnose({
    ...(nodesTalk === undefined ? {} : { nodesTalk }),
    leg: failed,
    legs,
    end: failed.leg === 'forward' ? ends.to : ends.from,
    observation,
    before: topology,
    after: new TracedCluster(after, request.directory),
    predictedAfter: again.find(({ leg }) => leg === failed.leg) ?? failed.prediction,
  })
  return { ...found, unreachable, verdict: judge.verdict(found, unreachable, causes) }
}

/** Whether a plain packet passes where the traced one was lost between two nodes. */
async function tryNodes(request: TraceRequest, leg: TracedLeg): Promise<boolean | undefined> {
  const [from, to] = lostBetweenNodes(leg) ?? []
  const isAboutNodes = [request.from, request.to].every((name) => name === from || name === to)
  if (from === undefined || to === undefined || isAboutNodes) return undefined
  const { timeoutMilliseconds = 1000 } = request.options ?? {}
  const options = { tries: 1, timeoutMilliseconds: Math.min(500, timeoutMilliseconds) }
  try {
    const { verdict } = await trace({ ...request, from, to, options })
    return verdict.kind === 'inconclusive' ? undefined : verdict.kind === 'delivered'
  } catch (thrown) {
    if (!isRefusal(thrown)) throw thrown
    return undefined // One of them cannot be reached by name, or does not send: then it was not tried.
  }
}

/** What a trace between two nodes may end with although the program is right. */
function isRefusal(thrown: unknown): boolean {
  return [UserError, RpcError, NodeError, KernelError].some((kind) => thrown instanceof kind)
}

/**
 * A node that is named rather than addressed sends as its kernel does: through a tunnel from the address
 * that it has there, which is the one that answers come back to.
 */
async function asSent(ends: Ends, { from: name, nodes, directory }: TraceRequest): Promise<Ends> {
  const { from, to } = ends
  if (from.kind !== 'node' || name !== from.node) return ends
  const access = nodes.find(({ node }) => node === from.node)
  const queries = [{ netns: 'host' as const, destination: to.address }]
  const [answer] = (await access?.lookup({ queries }).catch(() => [])) ?? []
  const address =
    answer !== undefined && 'route' in answer ? answer.route.preferredSource : undefined
  const own = directory.nodes.find((node) => node.name === from.node)?.addresses ?? []
  return address === undefined || !own.includes(address) ? ends : { from: { ...from, address }, to }
}

function idOf(random: Random): string {
  return Array.from(random.bytes(16), (octet) => octet.toString(16).padStart(2, '0')).join('')
}

function probeOf({ from, to }: Ends, options: TraceOptions, random: Random): ProbeIdentity {
  const family = familyOf(from.address)
  const { octets = PROBE_OCTETS[family], ttl = 64, dontFragment = true } = options
  if (octets < PROBE_OCTETS_MIN[family] || octets > 65_535) {
    throw new UserError(
      `A probe has ${PROBE_OCTETS_MIN[family]} to 65535 octets, its headers included; asked for ${octets}.`,
    )
  }
  const addresses = { source: from.address, destination: to.address }
  return newProbe(addresses, { octets, ttl, dontFragment }, random)
}

function firstNodes({ nodes }: TraceRequest, { from, to }: Ends): readonly string[] {
  if (nodes.length <= NODES_ALL_MAX) return nodes.map(({ node }) => node)
  return [from.node, ...(to.kind === 'address' || to.node === from.node ? [] : [to.node])]
}

/** Reads nodes' tables, each once, and remembers who could not be reached. */
class Reader {
  readonly unreachable = new Map<string, string>()
  readonly #request: TraceRequest
  readonly #ends: Ends
  #snapshots: NodeSnapshot[] = []

  constructor(request: TraceRequest, ends: Ends) {
    this.#request = request
    this.#ends = ends
  }

  get snapshots(): readonly NodeSnapshot[] {
    return this.#snapshots
  }

  access(node: string): NodeAccess | undefined {
    return this.#request.nodes.find((each) => each.node === node)
  }

  async read(nodes: readonly string[]): Promise<void> {
    const read = await this.#take(nodes)
    this.#snapshots = [...this.#snapshots, ...read]
  }

  /** The same nodes as they are now; one that does not answer any more as it was. */
  async again(before: readonly NodeSnapshot[]): Promise<readonly NodeSnapshot[]> {
    const now = await this.#take(before.map(({ node }) => node))
    return before.map((old) => now.find(({ node }) => node === old.node) ?? old)
  }

  async #take(nodes: readonly string[]): Promise<NodeSnapshot[]> {
    const answers = await Promise.all(nodes.map((node) => this.#one(node)))
    return answers.filter((answer) => answer !== undefined)
  }

  async #one(node: string): Promise<NodeSnapshot | undefined> {
    const access = this.access(node)
    if (access === undefined) {
      this.unreachable.set(node, 'there is no connection to its agent')
      return undefined
    }
    const pods = [this.#ends.from, this.#ends.to].flatMap((end) =>
      end.kind === 'pod' && end.node === node ? [end.pod] : [],
    )
    try {
      return await access.snapshot({ pods })
    } catch (thrown) {
      this.unreachable.set(node, messageOf(thrown))
      return undefined
    }
  }

  /** A trace starts inside its source: without that there is none. */
  checkSource(): void {
    const { from } = this.#ends
    const why = this.unreachable.get(from.node)
    if (why !== undefined) {
      throw new UserError(
        `Cannot reach ${from.node}, where ${endName(from)} is: ${why}. Does its agent run?`,
        { exitCode: 2 },
      )
    }
    const snapshot = this.#snapshots.find(({ node }) => node === from.node)
    if (from.kind === 'pod' && !(snapshot?.pods.some(({ pod }) => pod === from.pod) ?? false)) {
      throw new UserError(
        `${from.pod} is not running on ${from.node}: the datastore has it, the node has not.`,
        { exitCode: 2 },
      )
    }
  }

  /** The kernels' answers; a node that does not answer is one that was not asked. */
  async answers(lookups: readonly Lookup[]): Promise<readonly (LookupAnswer | undefined)[]> {
    const nodes = [...new Set(lookups.map(({ node }) => node))]
    const byNode = await Promise.all(
      nodes.map(async (node) => {
        const own = lookups.filter((lookup) => lookup.node === node)
        const queries = own.map(({ netns, query }) => ({ netns, ...query }))
        const answers = await this.access(node)
          ?.lookup({ queries })
          .catch(() => undefined)
        return own.map((_, at) => answers?.[at])
      }),
    )
    return lookups.map(({ node }, at) => {
      const before = lookups.slice(0, at).filter((other) => other.node === node).length
      return byNode[nodes.indexOf(node)]?.[before]
    })
  }
}

/** Predicts both ways; a node that the way leads to and that was not read is read, and again. */
async function predictWith(
  reader: Reader,
  { directory, nodes }: TraceRequest,
  ends: Ends,
  probe: ProbeIdentity,
): Promise<readonly Prediction[]> {
  for (let round = 0; ; round++) {
    const topology = new TracedCluster(reader.snapshots, directory)
    const legs = await predictLegs({ ends, probe, topology, findFault }, (lookups) =>
      reader.answers(lookups),
    )
    const needs = [...new Set(legs.flatMap((leg) => leg.needs))].filter(
      (node) => !reader.unreachable.has(node),
    )
    if (needs.length === 0 || round >= nodes.length) return legs
    await reader.read(needs)
  }
}

function plans(
  reader: Reader,
  topology: TracedCluster,
  predictions: readonly Prediction[],
  ends: Ends,
): readonly NodePlan[] {
  const points = capturePoints(topology, predictions, ends)
  return topology.nodes.flatMap(({ node, machine }) => {
    const access = reader.access(node)
    const own = points.get(node) ?? []
    return access === undefined ? [] : [{ access, machine, points: own }]
  })
}

/** What is still to be waited for, of one try. */
function progressOf(
  predictions: readonly Prediction[],
  ends: Ends,
  packets: readonly ObservedPacket[],
  sequence: number,
): Progress {
  const own = packets.filter((packet) => packet.sequence === sequence)
  if (own.some(({ error }) => error !== undefined)) return 'settling'
  const isSeen = ({ leg, hops }: Prediction): boolean =>
    hops.every((hop) => own.some((packet) => packet.leg === leg && isAt(packet, hop)))
  const [forward] = predictions
  const isDelivered = predictions.every(({ outcome }) => outcome.kind === 'delivered')
  if (isDelivered && predictions.every(isSeen)) return 'complete'
  const stopped = predictions.find(({ outcome }) => outcome.kind === 'dropped')
  if (stopped !== undefined && isSeen(forward!) && (stopped === forward || isSeen(stopped))) {
    return 'settling'
  }
  return isHome(ends, own) ? 'settling' : 'waiting'
}

/** The answer is back in the namespace that asked; what is missing on its way will hardly come. */
function isHome({ from }: Ends, packets: readonly ObservedPacket[]): boolean {
  return packets.some(
    ({ leg, node, netns, direction }) =>
      leg === 'return' && direction === 'in' && node === from.node && netns === endNetns(from),
  )
}
