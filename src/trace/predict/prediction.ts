import type { IpAddress } from '../../net/ip-address.ts'
import type { RouteQuery } from '../../kernel/kernel.ts'
import type { WalkFault } from './fault.ts'
import type { Netns } from '../../api/node-access.ts'

/** The path to the destination, and the path back to the source. */
export type Leg = 'forward' | 'return'

/** Where a walk begins and what for. */
export interface WalkRequest {
  readonly leg: Leg
  readonly start: { readonly node: string; readonly netns: Netns }
  /** Where it should end; undefined for an address that is nobody's. */
  readonly end: { readonly node: string; readonly netns: Netns } | undefined
  readonly source: IpAddress
  readonly destination: IpAddress
  readonly ttl: number
  /** The packet's length, its header included. */
  readonly octets: number
  readonly dontFragment: boolean
}

/** The header around a packet in a tunnel. */
export interface OuterHeader {
  readonly source: IpAddress
  readonly destination: IpAddress
  readonly ttl: number
  /** 4: IP in IP; 17: UDP, with VXLAN inside. */
  readonly protocol: number
  /** What is between this header and the packet, where it is VXLAN. */
  readonly vxlan?: { readonly port: number; readonly vni: number }
}

/** One passing of one interface. */
export interface PredictedHop {
  readonly node: string
  readonly netns: Netns
  readonly link: string
  readonly linkIndex: number
  readonly direction: 'in' | 'out'
  /** Of the packet itself, the inner one where there are two. */
  readonly ttl: number
  /** The packet crossed a router that no snapshot shows: the TTL may be lower. */
  readonly ttlIsUpperBound: boolean
  readonly outer?: OuterHeader
  /** The same of the outer header's TTL. */
  readonly outerTtlIsUpperBound: boolean
  readonly mtu: number
  /** Why it left by this interface; on `out` hops. */
  readonly way?: Way
  /** What is uncertain or remarkable here, one sentence each. */
  readonly notes: readonly string[]
}

/** The route that chose an interface. */
export interface Way {
  /** As `ip route` prints it. */
  readonly route: string
  readonly table: number
  /** The neighbor that the packet is handed to: the gateway, or the destination itself. */
  readonly nextHop: IpAddress
  /** Other ways of the same cost, as text; the kernel spreads flows over all of them. */
  readonly alternatives: readonly string[]
  /** Whether the kernel's own lookup gives the same. */
  readonly kernel: 'agrees' | 'differs' | 'not asked'
  readonly query: RouteQuery
}

export type Outcome =
  | { readonly kind: 'delivered' }
  | { readonly kind: 'dropped'; readonly fault: WalkFault }
  /** The walk cannot go on, because nothing that was read tells how. */
  | { readonly kind: 'unknown'; readonly reason: string }

export interface Prediction {
  readonly leg: Leg
  readonly source: IpAddress
  readonly destination: IpAddress
  readonly hops: readonly PredictedHop[]
  readonly outcome: Outcome
  /** Lookups that the walk made, to be put to the kernels, in order. */
  readonly lookups: readonly Lookup[]
  /** Nodes whose snapshots would take the walk further. */
  readonly needs: readonly string[]
}

export interface Lookup {
  readonly node: string
  readonly netns: Netns
  readonly query: RouteQuery
}

/** The key under which the answer to a lookup is handed to the walk. */
export function lookupKey({ node, netns, query }: Lookup): string {
  const { destination, source, inputLinkIndex } = query
  return [node, netns, destination, source ?? '', inputLinkIndex ?? ''].join(' ')
}
