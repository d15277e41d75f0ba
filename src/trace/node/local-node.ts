import { fromHex } from '../../lib/bytes.ts'
import type { Clock } from '../../lib/clock.ts'
import { messageOf } from '../../lib/errors.ts'
import { isKernelError, type Kernel } from '../../kernel/kernel.ts'
import { ArmedTrace } from './armed-trace.ts'
import {
  type ArmRequest,
  type LookupAnswer,
  type LookupRequest,
  type Netns,
  NODE_LIMITS,
  type NodeAccess,
  type PodAttachment,
  type ProbeAnswer,
  type ProbeRequest,
  type SnapshotRequest,
} from '../../api/node-access.ts'
import { NodeError } from './node-error.ts'
import { readCounters, readNamespace } from './read-namespace.ts'

/** A pod of this node whose namespace can be looked into. */
export interface TracedPod extends PodAttachment {
  /** The pod's namespace, opened when first asked for; whoever lists the pods closes it. */
  readonly kernel: () => Kernel
  /** Of the namespace, for commands that a person types: "/run/netns/network-5z4qp". */
  readonly path?: string
}

export interface LocalNodeOptions {
  readonly node: string
  /** Equal on nodes that share a packet clock: the machine's boot id. */
  readonly machine: string
  readonly host: Kernel
  /** Of the node's own namespace: "/run/netns/server01". */
  readonly path?: string
  readonly pods: () => readonly TracedPod[]
  readonly clock: Clock
  /** Packets that the programs of the node's tunnel dropped, by reason. */
  readonly tunnelDrops?: () => Readonly<Record<string, number>>
}

export interface LocalNode extends NodeAccess {
  /** Ends all captures, as when the agent stops. */
  close(): void
}

/** A {@link NodeAccess} straight on the kernel: what a node's agent serves. */
export function localNode(options: LocalNodeOptions): LocalNode {
  const { node, host, clock } = options
  const armed = new Map<string, ArmedTrace>()

  function kernelOf(netns: Netns): Kernel {
    if (netns === 'host') return host
    const pod = options.pods().find((candidate) => candidate.pod === netns)
    if (pod === undefined) throw new NodeError('ENOENT', `${node} has no pod ${netns}`)
    return pod.kernel()
  }

  function countersOf(netns: Netns, kernel: Kernel): Readonly<Record<string, number>> {
    return readCounters(kernel, netns === 'host' ? options.tunnelDrops : undefined)
  }

  function armedTrace(id: string): ArmedTrace {
    const trace = armed.get(id)
    if (trace !== undefined) return trace
    throw new NodeError('ENOENT', `${node} has no trace ${id}; its captures have ended`)
  }

  return {
    node,
    snapshot: (request) => Promise.resolve(takeSnapshot(options, request)),
    lookup: ({ queries }) => asked(() => queriesWithin(queries).map((q) => lookUp(kernelOf, q))),
    async arm(request) {
      refuseArm(node, request, armed)
      const onDeadline = (): void => void armed.delete(request.id)
      const trace = new ArmedTrace(request, { clock, countersOf, onDeadline })
      armed.set(request.id, trace)
      return trace.open(kernelOf)
    },
    probe: (request) => asked(() => sendProbe(kernelOf, request)),
    async collect({ id, after, waitMilliseconds }) {
      return { sightings: await armedTrace(id).collect(after, waitMilliseconds) }
    },
    async finish({ id, after }) {
      const trace = armedTrace(id)
      const answer = { sightings: await trace.collect(after, 0), ...trace.account() }
      trace.close()
      armed.delete(id)
      return answer
    },
    close() {
      for (const trace of armed.values()) trace.close()
      armed.clear()
    },
  }
}

/** What `answer` gives or throws, as a promise; a kernel call is synchronous, the port is not. */
function asked<Answer>(answer: () => Answer): Promise<Answer> {
  return new Promise((resolve) => resolve(answer()))
}

function takeSnapshot(options: LocalNodeOptions, request: SnapshotRequest) {
  const pods = options.pods()
  const wanted = pods.filter((pod) => request.pods?.includes(pod.pod) ?? true)
  const { toward } = request
  return {
    node: options.node,
    machine: options.machine,
    pods: pods.map(({ pod, containerInterface, hostInterface }) => ({
      pod,
      containerInterface,
      hostInterface,
    })),
    namespaces: [
      readNamespace('host', options.host, {
        path: options.path,
        toward,
        links: wanted.map((pod) => pod.hostInterface),
      }),
      ...wanted.map((pod) => readPod(pod, request)),
    ],
  }
}

function readPod(pod: TracedPod, { toward }: SnapshotRequest) {
  const netns = pod.pod as Netns
  try {
    return readNamespace(netns, pod.kernel(), { path: pod.path, toward })
  } catch (thrown) {
    // The namespace vanished between the list and the look: a pod that is being taken down.
    const unknown = [`the namespace of ${pod.pod} could not be opened: ${messageOf(thrown)}`]
    const none = { links: [], addresses: [], routes: [], rules: [], neighbors: [] }
    return { netns, ...none, sysctls: {}, counters: {}, unknown }
  }
}

function queriesWithin(queries: LookupRequest['queries']): LookupRequest['queries'] {
  if (queries.length <= NODE_LIMITS.lookups) return queries
  throw new NodeError('EINVAL', `At most ${NODE_LIMITS.lookups} lookups at once`)
}

function lookUp(
  kernelOf: (netns: Netns) => Kernel,
  { netns, ...query }: LookupRequest['queries'][number],
): LookupAnswer {
  try {
    return { route: kernelOf(netns).lookupRoute(query) }
  } catch (thrown) {
    if (isKernelError(thrown)) return { code: thrown.code, message: thrown.message }
    throw thrown
  }
}

function refuseArm(node: string, request: ArmRequest, armed: ReadonlyMap<string, unknown>): void {
  const { points, traces } = NODE_LIMITS
  if (request.points.length > points) {
    throw new NodeError(
      'EINVAL',
      `At most ${points} capture points on ${node}, asked for ${request.points.length}`,
    )
  }
  if (armed.has(request.id)) {
    throw new NodeError('EEXIST', `${node} already has a trace ${request.id}`)
  }
  if (armed.size >= traces) {
    throw new NodeError('EBUSY', `${node} runs ${traces} traces already; try again in a moment`)
  }
}

function sendProbe(kernelOf: (netns: Netns) => Kernel, request: ProbeRequest): ProbeAnswer {
  const { packets, packetOctets } = NODE_LIMITS
  const isTooMuch =
    request.packets.length > packets ||
    request.packets.some((packet) => packet.length > packetOctets * 2)
  if (isTooMuch) {
    throw new NodeError('EINVAL', `At most ${packets} packets of ${packetOctets} octets at once`)
  }
  const kernel = kernelOf(request.netns)
  return {
    packets: request.packets.map((packet) => {
      try {
        kernel.sendPacket(fromHex(packet))
        return { sent: true }
      } catch (thrown) {
        if (!isKernelError(thrown)) throw thrown
        return { sent: false, code: thrown.code, message: thrown.message }
      }
    }),
  }
}
