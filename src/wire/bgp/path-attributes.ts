import { type IpAddress } from '../../net/ip-address.ts'
import { type Prefix } from '../../net/prefix.ts'
import { type AsPathSegment } from './as-path.ts'

/** A prefix as NLRI has it; the path identifier (RFC 7911) only where it was negotiated. */
export interface Nlri {
  readonly prefix: Prefix
  readonly pathId?: number
}

export interface Aggregator {
  readonly asn: number
  readonly address: IpAddress
}

/** RFC 8092: three numbers of 32 bits. */
export interface LargeCommunity {
  readonly globalAdministrator: number
  readonly localData1: number
  readonly localData2: number
}

/** An attribute that Tortie does not know, kept as it came; the partial bit is set (RFC 4271 section 5). */
export interface UnknownAttribute {
  readonly flags: number
  readonly code: number
  readonly octets: Uint8Array
}

/** MP_REACH_NLRI of a family that Tortie routes, RFC 4760 section 3. */
export interface MpReachNlri {
  readonly family: 4 | 6
  readonly nextHop: IpAddress
  /** The second address of an IPv6 next hop, RFC 2545 section 3. */
  readonly linkLocalNextHop?: IpAddress
  readonly nlri: readonly Nlri[]
}

export interface MpUnreachNlri {
  readonly family: 4 | 6
  readonly nlri: readonly Nlri[]
}

/** Path attributes for people: filters, displays and tests. What is absent was not there. */
export interface PathAttributes {
  /** ORIGIN: 0 IGP, 1 EGP, 2 incomplete. */
  readonly origin?: number
  readonly asPath?: readonly AsPathSegment[]
  readonly nextHop?: IpAddress
  readonly multiExitDisc?: number
  readonly localPref?: number
  readonly atomicAggregate?: true
  readonly aggregator?: Aggregator
  /** 32 bits each; RFC 1997. */
  readonly communities?: readonly number[]
  readonly originatorId?: IpAddress
  readonly clusterList?: readonly IpAddress[]
  readonly mpReachNlri?: MpReachNlri
  readonly mpUnreachNlri?: MpUnreachNlri
  /** Sixteen hexadecimal digits each; RFC 4360. */
  readonly extendedCommunities?: readonly string[]
  readonly as4Path?: readonly AsPathSegment[]
  readonly as4Aggregator?: Aggregator
  readonly largeCommunities?: readonly LargeCommunity[]
  readonly unknown?: readonly UnknownAttribute[]
}

/** UPDATE, RFC 4271 section 4.3. */
export interface Update {
  readonly kind: 'update'
  /** IPv4 unicast routes withdrawn. */
  readonly withdrawn: readonly Nlri[]
  readonly attributes: PathAttributes
  /** IPv4 unicast routes announced. */
  readonly announced: readonly Nlri[]
}
