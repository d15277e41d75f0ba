import type { IpAddress } from '../net/ip-address.ts'
import type {
  ForwardingEntry,
  Link,
  LinkAddress,
  Neighbor,
  Route,
  RouteAnswer,
  RouteQuery,
  Rule,
} from '../kernel/kernel.ts'

/**
 * A node as the trace reaches it: read its tables, listen on its links, send from inside its pods.
 *
 * Every value here survives JSON, so that the port can be carried over a socket (`node-rpc.ts`); it is
 * implemented beside the kernel by `local-node.ts`. Nothing that a trace does changes the node, and all
 * that it opens there ends by itself when the one who asked does not come back.
 *
 *     snapshot ── what the tables say            arm ── listen; resolves when every capture listens
 *     lookup ──── what the kernel answers        probe ── send from inside a namespace
 *                                                collect ── sightings so far, waiting for more
 *                                                finish ── the last sightings; captures are closed
 */
export interface NodeAccess {
  /** Name of the node: "server01". */
  readonly node: string
  /** Errors: ENOTCONN, ETIMEDOUT when the node cannot be reached. */
  snapshot(request: SnapshotRequest): Promise<NodeSnapshot>
  /** The kernel's own answers to route lookups, in the order of the queries. */
  lookup(request: LookupRequest): Promise<readonly LookupAnswer[]>
  /** Errors: EBUSY (too many traces), EEXIST (id in use), EINVAL (too many points). */
  arm(request: ArmRequest): Promise<ArmAnswer>
  /** Sends packets as they are, header included. Errors: ENOENT (namespace), and the kernel's own. */
  probe(request: ProbeRequest): Promise<ProbeAnswer>
  /** Errors: ENOENT when the id is unknown or its captures have ended by themselves. */
  collect(request: CollectRequest): Promise<CollectAnswer>
  /** Closes the captures and answers what was not collected yet. Errors: ENOENT, as collect. */
  finish(request: FinishRequest): Promise<FinishAnswer>
}

/** A network namespace of a node: its own, or that of a pod by "namespace/name". */
export type Netns = 'host' | `${string}/${string}`

/** Limits that every implementation holds, whatever it is asked. */
export const NODE_LIMITS = {
  /** Capture points of one trace on one node. */
  points: 64,
  /** Traces armed on one node at once. */
  traces: 64,
  /** Sightings kept of one trace on one node; more are counted as lost. */
  sightings: 4096,
  /** Packets of one probe request. */
  packets: 256,
  /** UDP ports that may be VXLAN's. */
  vxlanPorts: 8,
  /** Octets of one packet. */
  packetOctets: 65_535,
  /** Route lookups of one request. */
  lookups: 256,
  /** Longest that captures live without being finished. */
  deadlineMilliseconds: 60_000,
  /** Longest that one collect waits. */
  waitMilliseconds: 5_000,
} as const

export interface SnapshotRequest {
  /** Pods whose namespaces are wanted, "namespace/name"; all of the node's when absent. */
  readonly pods?: readonly string[]
  /** Only routes that contain one of these; all when absent. For nodes with a great many routes. */
  readonly toward?: readonly IpAddress[]
}

export interface NodeSnapshot {
  readonly node: string
  /** Equal on nodes whose packet clocks can be compared: one machine, one boot. */
  readonly machine: string
  readonly namespaces: readonly NamespaceSnapshot[]
  /** Every pod of the node, also those whose namespaces were not asked for. */
  readonly pods: readonly PodAttachment[]
}

/** How a pod hangs on its node. */
export interface PodAttachment {
  /** "default/network-5z4qp". */
  readonly pod: string
  /** "eth0", in the pod's namespace. */
  readonly containerInterface: string
  /** "cali50914021272", in the node's. */
  readonly hostInterface: string
}

export interface NamespaceSnapshot {
  readonly netns: Netns
  /** What `ip netns exec` or `nsenter --net=` calls it; absent when it has no such name. */
  readonly path?: string
  readonly links: readonly Link[]
  readonly addresses: readonly LinkAddress[]
  /** Of all tables. */
  readonly routes: readonly Route[]
  readonly rules: readonly Rule[]
  readonly neighbors: readonly Neighbor[]
  /** Forwarding databases of VXLAN links; absent where there is no such link. */
  readonly forwarding?: readonly ForwardingEntry[]
  /** By the path after "net.": "ipv4.conf.eth0.rp_filter"; a dot of an interface name is "/". */
  readonly sysctls: Readonly<Record<string, string>>
  /** By the kernel's names: "TcpExt.IPReversePathFilter". */
  readonly counters: Readonly<Record<string, number>>
  /** What could not be read, one sentence each; a prediction that needs it says so. */
  readonly unknown: readonly string[]
}

export interface LookupRequest {
  readonly queries: readonly (RouteQuery & { readonly netns: Netns })[]
}

export type LookupAnswer =
  | { readonly route: RouteAnswer }
  /** The kernel's refusal, which is an answer too: ENETUNREACH, EHOSTUNREACH, EACCES, EINVAL. */
  | { readonly code: string; readonly message: string }

/** One place to listen: a link of a namespace, both directions. */
export interface CapturePoint {
  readonly netns: Netns
  readonly link: string
}

export interface ArmRequest {
  /** Of the trace; chosen by the caller, unguessable, the same on all nodes. */
  readonly id: string
  readonly points: readonly CapturePoint[]
  /**
   * Packets between these two, bare, inside one outer header, or quoted by an ICMP error; with a marker
   * of eight octets or more also echo messages that begin with it, between whatever addresses.
   */
  readonly addresses: readonly [IpAddress, IpAddress]
  /**
   * Keep only packets that hold these octets (hexadecimal), and ICMP errors, which may quote too
   * little of a packet to show it; all between the addresses when absent.
   */
  readonly marker?: string
  /** UDP ports of outer headers that are VXLAN's; 4789 when absent. */
  readonly vxlanPorts?: readonly number[]
  readonly snapOctets?: number
  /** When the captures end by themselves. */
  readonly deadlineMilliseconds: number
}

export interface ArmAnswer {
  /** In the order of the request: armed, or why not. */
  readonly points: readonly { readonly armed: boolean; readonly reason?: string }[]
  /** Counters of the namespaces concerned, read just before. */
  readonly counters: readonly NamespaceCounters[]
}

export interface NamespaceCounters {
  readonly netns: Netns
  readonly counters: Readonly<Record<string, number>>
}

export interface ProbeRequest {
  readonly netns: Netns
  /** Whole IP packets, hexadecimal. */
  readonly packets: readonly string[]
}

export interface ProbeAnswer {
  /** In the order of the request: accepted by the kernel, or the kernel's refusal. */
  readonly packets: readonly (
    | { readonly sent: true }
    | { readonly sent: false; readonly code: string; readonly message: string }
  )[]
}

export interface CollectRequest {
  readonly id: string
  /** Sightings already received; the answer begins behind them. */
  readonly after: number
  /** Waits this long for the first new sighting; 0 answers at once. */
  readonly waitMilliseconds: number
}

export interface CollectAnswer {
  readonly sightings: readonly Sighting[]
}

/** One packet seen at one point. */
export interface Sighting {
  /** Index into the points of the {@link ArmRequest}. */
  readonly point: number
  readonly direction: 'in' | 'out'
  /** Of the machine's packet clock; comparable among nodes of one `machine`. */
  readonly atMicroseconds: number
  /** From the network header on, hexadecimal, possibly cut. */
  readonly octets: string
  /** Octets before cutting. */
  readonly length: number
}

export interface FinishRequest {
  readonly id: string
  /** As in {@link CollectRequest}. */
  readonly after: number
}

export interface FinishAnswer extends CollectAnswer {
  /** Index in the order of the points: packets that matched but could not be kept. */
  readonly lost: readonly number[]
  readonly counters: readonly NamespaceCounters[]
}
