import type { SessionState } from '../bgp/status.ts'
import type { ClusterProblem } from '../model/cluster-problem.ts'
import type { IpAddress } from '../net/ip-address.ts'
import type { Prefix } from '../net/prefix.ts'

/** How packets to nodes of other subnets are carried. */
export interface TunnelStatus {
  /** "tunl0", "vxlan.calico" */
  readonly link: string
  /** What tunl0 is made of; "vxlan" where no pool uses that. */
  readonly kind: 'kernel' | 'ebpf' | 'vxlan'
  /** Why this kind and not the other, in words. */
  readonly reason: string
  /** Octets of a packet inside. */
  readonly mtu: number
  /** Octets inside, towards nodes to which the path is narrower, by their addresses. */
  readonly pathMtus?: Readonly<Record<IpAddress, number>>
  /** Packets that eBPF programs dropped since tunl0 was made, by reason. */
  readonly drops?: Readonly<Record<string, number>>
}

/** How an agent is, as it answers on its socket. */
export interface AgentStatus {
  readonly node: string
  /** Why pods cannot be attached now; absent when they can. */
  readonly notReady?: string
  readonly blocks: readonly Prefix[]
  readonly pods: number
  readonly neighbors: readonly {
    readonly address: IpAddress
    /** Name of the node or BGPPeer. */
    readonly description: string | undefined
    readonly remoteAs: number
    readonly state: SessionState
    /** Wall time, milliseconds since 1970. */
    readonly since: number
    readonly lastError: string | undefined
    readonly endOfRibReceived: boolean
    readonly received: number
  }[]
  readonly packetFilter: {
    /** Why this kernel can neither masquerade nor drop forgeries; absent where it can. */
    readonly unavailable?: string
    /** Packets by the names of own-filter.ts: "forged-ipip", "spoofed-source". */
    readonly counters: Readonly<Record<string, number>>
  }
  readonly learnedRoutes: number
  /** What BGP learned and the node does not use, "203.0.113.0/24: …", with the reason; older agents do not say. */
  readonly passedOver?: readonly string[]
  /** Absent where nothing is tunnelled. */
  readonly tunnel?: TunnelStatus
  /** What the node should have and has not, one sentence each: links of pods, routes. */
  readonly lacking: readonly string[]
  /** What of the datastore the node cannot do, and what it does instead; older agents do not say. */
  readonly problems?: readonly ClusterProblem[]
  /** Ready, all of the datastore done, all sessions up and heard out, all routes installed. */
  readonly converged: boolean
}
