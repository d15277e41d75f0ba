import type { IpAddress } from '../net/ip-address.ts'
import type { Prefix } from '../net/prefix.ts'
import type { RouteAttributes } from './route-attributes.ts'

/** A route before a policy. */
export interface PolicyRoute {
  readonly prefix: Prefix
  readonly attributes: RouteAttributes
  /** The neighbor it was learned from; undefined if it is announced by this speaker. */
  readonly from: PolicyNeighbor | undefined
  /** On export the neighbor it would go to; on import the same as `from`. */
  readonly neighbor: PolicyNeighbor
}

export interface PolicyNeighbor {
  readonly address: IpAddress
  readonly as: number
  readonly kind: 'internal' | 'external'
}

/** Whether the route passes and, if so, with which attributes. */
export type PolicyVerdict =
  | { readonly accept: false; readonly reason?: string }
  | { readonly accept: true; readonly attributes?: RouteAttributes }

/**
 * A pure function from a route to a verdict. Neighbors that are handed the same function object share
 * one computation and one set of UPDATEs, so make a policy once, not once per neighbor.
 */
export type RoutePolicy = (route: PolicyRoute) => PolicyVerdict

/** Lets everything pass as it is, like no policy, where one must be given; costs no computation either. */
export const acceptAll: RoutePolicy = () => ({ accept: true })

/** Lets nothing pass. A neighbor with this export policy costs no computation at all. */
export const rejectAll: RoutePolicy = () => ({ accept: false })
