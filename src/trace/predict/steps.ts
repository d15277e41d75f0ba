import type { Family, IpAddress } from '../../net/ip-address.ts'
import type { Link, Neighbor } from '../../kernel/kernel.ts'
import type { LookupAnswer, PodAttachment } from '../../api/node-access.ts'
import type { NamespaceView } from '../tables/namespace-view.ts'
import type { RouteDecision } from '../tables/route-lookup.ts'
import type { FarEnd, TracedCluster } from '../tables/topology.ts'
import type { Exit } from './choose-exit.ts'
import type { WalkFault } from './fault.ts'
import type { WalkRequest } from './prediction.ts'

/** What every step of a walk knows. */
export interface WalkStep {
  readonly topology: TracedCluster
  readonly request: WalkRequest
  /** The namespace that the packet is in. */
  readonly view: NamespaceView
  /** Of the header that is looked at: the outer one in a tunnel. */
  readonly family: Family
}

/**
 * The steps of a walk at which the tables can end a packet's way, and what is known at each: the
 * evidence that a cause's detector judges by.
 */
export interface Steps {
  /** The source's namespace, before anything is sent. */
  readonly start: WalkStep
  /** A route was looked for, to send by or to forward by. */
  readonly route: WalkStep & {
    readonly destination: IpAddress
    readonly source: IpAddress | undefined
    /** The link by which the packet came in; undefined for what the namespace itself sends. */
    readonly input: Link | undefined
    readonly decision: RouteDecision | undefined
    /** The kernel's own answer, where it was asked. */
    readonly answer: LookupAnswer | undefined
  }
  /** A link was chosen. */
  readonly leave: WalkStep & {
    readonly link: Link
    /** The other end, if it is one of a pair whose ends are both known. */
    readonly peer: FarEnd | undefined
    /** With all outer headers. */
    readonly octets: number
    readonly outerOctets: number
    /** It may not be cut here. */
    readonly isWhole: boolean
  }
  /** The next hop needs a MAC address. */
  readonly resolve: WalkStep & {
    readonly link: Link
    readonly address: IpAddress
    readonly entry: Neighbor | undefined
    /** Who would answer for the address. */
    readonly far: FarEnd | undefined
    /** The route that named the next hop, as text. */
    readonly route: string
  }
  /** The packet has entered a VXLAN link, which looks for the node to send it to. */
  readonly encapsulate: WalkStep & {
    readonly link: Link
    readonly address: IpAddress
    readonly macAddress: string
    readonly remote: IpAddress | undefined
    /** The link that has the address, on the node where it is. */
    readonly far: FarEnd | undefined
  }
  /** The packet has left by a pod's link whose other end is not where it should be. */
  readonly cross: WalkStep & {
    readonly link: Link
    readonly pod: PodAttachment
    readonly route: string
  }
  /** The packet reaches a link, which may hear it or not. */
  readonly arrive: WalkStep & { readonly link: Link; readonly peer: FarEnd | undefined }
  /** The packet has come in. */
  readonly receive: WalkStep & {
    readonly link: Link
    readonly source: IpAddress
    /** The route back to its source; undefined in IPv6, where no kernel looks at it. */
    readonly back: RouteDecision | undefined
    /** Interfaces that it came in by so far, "server01 ens33". */
    readonly through: readonly string[]
    /** It has been here before. */
    readonly isAgain: boolean
  }
  /** The packet is for this namespace, and another one is inside it. */
  readonly decapsulate: WalkStep & {
    readonly outerSource: IpAddress
    readonly vni: number | undefined
    /** The link that would take the header off. */
    readonly tunnel: Link | undefined
  }
  /** The packet came in and is for somebody else. */
  readonly forward: WalkStep & { readonly link: Link }
  /** The route that it is forwarded by is known. */
  readonly handOver: WalkStep & {
    readonly link: Link
    readonly exit: Exit
    readonly ttl: number
    readonly isInTunnel: boolean
  }
  /** The packet is for this namespace. */
  readonly deliver: WalkStep
}

export type StepName = keyof Steps

/** What ends the way at a step; undefined if nothing does. */
export type FindFault = <Name extends StepName>(
  name: Name,
  step: Steps[Name],
) => WalkFault | undefined
