import type { IpAddress } from '../net/ip-address.ts'

/**
 * Path attributes as people and policies see them. On the wire and in the tables they are octets
 * (attribute-table.ts); they become this only where somebody looks.
 */

export type Origin = 'igp' | 'egp' | 'incomplete'

/** One segment of an AS_PATH (RFC 4271 section 4.3, RFC 5065). */
export interface AsPathSegment {
  readonly kind: 'sequence' | 'set' | 'confederationSequence' | 'confederationSet'
  readonly numbers: readonly number[]
}

/** Global administrator, local data 1, local data 2 (RFC 8092). */
export type LargeCommunity = readonly [number, number, number]

/** An attribute that this speaker does not interpret; transitive ones travel on (RFC 4271 section 9). */
export interface OpaqueAttribute {
  readonly code: number
  readonly flags: number
  readonly value: Uint8Array
}

export interface RouteAttributes {
  readonly origin: Origin
  readonly asPath: readonly AsPathSegment[]
  readonly nextHop: IpAddress
  /** The second, link-local next hop of an IPv6 route (RFC 2545 section 3). */
  readonly linkLocalNextHop?: IpAddress
  readonly med?: number
  readonly localPreference?: number
  readonly atomicAggregate?: boolean
  readonly aggregator?: { readonly as: number; readonly address: IpAddress }
  /** RFC 1997: (AS << 16 | value) as unsigned 32-bit numbers. */
  readonly communities?: readonly number[]
  /** RFC 4360: 8 octets each, as 16 hexadecimal digits. */
  readonly extendedCommunities?: readonly string[]
  readonly largeCommunities?: readonly LargeCommunity[]
  readonly originatorId?: IpAddress
  readonly clusterList?: readonly IpAddress[]
  readonly opaque?: readonly OpaqueAttribute[]
}

/** Attributes of a route announced here; what is absent gets its ordinary value. */
export type AnnouncedAttributes = Partial<Omit<RouteAttributes, 'originatorId' | 'clusterList'>>

/** Well-known communities. https://www.iana.org/assignments/bgp-well-known-communities */
export const WellKnownCommunity = {
  gracefulShutdown: 0xffff0000, // RFC 8326
  llgrStale: 0xffff0006, // RFC 9494
  noLlgr: 0xffff0007, // RFC 9494
  blackhole: 0xffff029a, // RFC 7999
  noExport: 0xffffff01, // RFC 1997
  noAdvertise: 0xffffff02, // RFC 1997
  noExportSubconfed: 0xffffff03, // RFC 1997
} as const

/** "64512:100" */
export function formatCommunity(community: number): string {
  return `${community >>> 16}:${community & 0xffff}`
}

/** The AS_PATH as operators write it: sequences bare, sets in braces, confederations in parentheses. */
export function formatAsPath(path: readonly AsPathSegment[]): string {
  const brackets = {
    sequence: ['', ''],
    set: ['{', '}'],
    confederationSequence: ['(', ')'],
    confederationSet: ['[', ']'],
  } as const
  return path
    .map(({ kind, numbers }) => brackets[kind][0] + numbers.join(' ') + brackets[kind][1])
    .join(' ')
}
