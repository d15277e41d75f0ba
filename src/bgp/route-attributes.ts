import { type Family, familyOf, ip, type IpAddress } from '../net/ip-address.ts'
import type { AsPathSegment } from '../wire/bgp/as-path.ts'
import type { Aggregator, LargeCommunity, UnknownAttribute } from '../wire/bgp/path-attributes.ts'
import { decodeAttributeBlock, encodeAttributeBlock } from '../wire/bgp/update.ts'

/**
 * Path attributes as people and policies see them. On the wire and in the tables they are octets
 * (rib/attribute-table.ts); they become this only where somebody looks.
 */

export type Origin = 'igp' | 'egp' | 'incomplete'

export type { AsPathSegment } from '../wire/bgp/as-path.ts'
export { formatAsPath } from '../wire/bgp/as-path.ts'
export type { Aggregator, LargeCommunity, UnknownAttribute } from '../wire/bgp/path-attributes.ts'

export interface RouteAttributes {
  readonly origin: Origin
  readonly asPath: readonly AsPathSegment[]
  readonly nextHop: IpAddress
  /** The second, link-local next hop of an IPv6 route (RFC 2545 section 3). */
  readonly linkLocalNextHop?: IpAddress
  readonly med?: number
  readonly localPreference?: number
  readonly atomicAggregate?: boolean
  readonly aggregator?: Aggregator
  /** RFC 1997: (AS << 16 | value) as unsigned 32-bit numbers. */
  readonly communities?: readonly number[]
  /** RFC 4360: 8 octets each, as 16 hexadecimal digits. */
  readonly extendedCommunities?: readonly string[]
  readonly largeCommunities?: readonly LargeCommunity[]
  readonly originatorId?: IpAddress
  readonly clusterList?: readonly IpAddress[]
  /** Attributes that this speaker does not interpret; they travel on (RFC 4271 section 9). */
  readonly unknown?: readonly UnknownAttribute[]
}

/** Attributes of a route announced here; what is absent gets its ordinary value. */
export type AnnouncedAttributes = Partial<Omit<RouteAttributes, 'originatorId' | 'clusterList'>>

const ORIGINS = ['igp', 'egp', 'incomplete'] as const satisfies readonly Origin[]

/** The attributes of a block of the tables; see `scanUpdate` for what a block is. */
export function attributesOfBlock(octets: Uint8Array): RouteAttributes {
  const { origin, asPath, nextHop, mpReachNlri, multiExitDisc, localPref, ...others } =
    decodeAttributeBlock(octets)
  return {
    origin: ORIGINS[origin ?? 2]!,
    asPath: asPath ?? [],
    nextHop: nextHop ?? mpReachNlri?.nextHop ?? ip('0.0.0.0'),
    ...(mpReachNlri?.linkLocalNextHop === undefined
      ? {}
      : { linkLocalNextHop: mpReachNlri.linkLocalNextHop }),
    ...(multiExitDisc === undefined ? {} : { med: multiExitDisc }),
    ...(localPref === undefined ? {} : { localPreference: localPref }),
    ...others,
  }
}

/** The reverse of {@link attributesOfBlock} for a route of `family`. */
export function blockOfAttributes(attributes: RouteAttributes, family: Family): Uint8Array {
  const { origin, nextHop, linkLocalNextHop, med, localPreference, atomicAggregate, ...rest } =
    attributes
  const isClassic = family === 4 && familyOf(nextHop) === 4
  return encodeAttributeBlock({
    ...rest,
    origin: ORIGINS.indexOf(origin),
    ...(isClassic ? { nextHop } : {}),
    ...(med === undefined ? {} : { multiExitDisc: med }),
    ...(localPreference === undefined ? {} : { localPref: localPreference }),
    ...(atomicAggregate === true ? { atomicAggregate } : {}),
    ...(isClassic
      ? {}
      : {
          mpReachNlri: {
            family,
            nextHop,
            nlri: [],
            ...(linkLocalNextHop === undefined ? {} : { linkLocalNextHop }),
          },
        }),
  })
}

/** A route originated here: what its announcement leaves out is filled in. */
export function originated(announced: AnnouncedAttributes, family: Family): RouteAttributes {
  return {
    ...announced,
    origin: announced.origin ?? 'igp',
    asPath: announced.asPath ?? [],
    nextHop: announced.nextHop ?? ip(family === 4 ? '0.0.0.0' : '::'),
  }
}
