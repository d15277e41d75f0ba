import type { RouteAttributes, UnknownAttribute } from '../bgp/route-attributes.ts'
import type { RibPath } from '../bgp/status.ts'
import type { Family, IpAddress } from '../net/ip-address.ts'
import type { Prefix } from '../net/prefix.ts'

/** A path as it crosses a process: octets of attributes that the speaker does not know in hexadecimal. */
export interface RibPathDocument extends Omit<RibPath, 'attributes'> {
  readonly attributes: Omit<RouteAttributes, 'unknown'> & {
    readonly unknown?: readonly (Omit<UnknownAttribute, 'octets'> & { readonly octets: string })[]
  }
}

/** Which routes are listed; with `next` alone the rest of a listing that was begun. */
export interface RoutesRequest {
  readonly family?: Family
  /** Learned from this neighbor. */
  readonly from?: IpAddress
  /** Advertised to this neighbor. */
  readonly to?: IpAddress
  readonly bestOnly?: boolean
  readonly within?: Prefix
  /** Of the {@link RoutesPage} before. */
  readonly next?: number
}

export interface RoutesPage {
  readonly paths: readonly RibPathDocument[]
  /** Number to ask for the rest with; absent on the last page. */
  readonly next?: number
}

export interface PrefixRequest {
  readonly prefix: Prefix
}

export interface NeighborRequest {
  readonly neighbor: IpAddress
}

export interface ResetRequest extends NeighborRequest {
  /** What the neighbor is told (RFC 9003). */
  readonly communication?: string
}

export interface RefreshRequest extends NeighborRequest {
  /** "in": the neighbor is asked for its routes again; "out": ours are sent again. */
  readonly direction: 'in' | 'out'
}

export interface StopRequest {
  /** Neighbors and the kernel keep the routes until the speaker is back (RFC 4724). */
  readonly graceful: boolean
  /** What neighbors are told (RFC 9003). */
  readonly communication?: string
}
