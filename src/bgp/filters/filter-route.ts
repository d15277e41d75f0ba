import type { Prefix } from '../../net/prefix.ts'
import type { RouteAttributes } from '../route-attributes.ts'

/** A route as Calico's rules look at it. */
export interface FilterRoute {
  readonly prefix: Prefix
  readonly attributes: RouteAttributes
  /** Learned from a BGP neighbor (BIRD's RTS_BGP), not originated here. */
  readonly isFromBgp: boolean
  /** Whether the neighbor that it comes from or goes to is in another AS. */
  readonly peerType: 'eBGP' | 'iBGP'
  /** The interface that it points to, where there is one. */
  readonly interface?: string
}

/** Accepted, perhaps with other attributes, or rejected; with the rule that said so, for people. */
export type RouteVerdict =
  | { readonly accept: true; readonly attributes: RouteAttributes; readonly because: string }
  | { readonly accept: false; readonly because: string }
