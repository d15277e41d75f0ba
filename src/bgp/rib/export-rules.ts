import type { Family } from '../../net/ip-address.ts'

/** How attributes change on their way to a neighbor; the same for all neighbors of an update group. */
export interface ExportRules {
  readonly family: Family
  readonly external: boolean
  /** AS put in front of the AS_PATH towards external neighbors. */
  readonly localAs: number
  readonly fourOctetAs: boolean
  readonly nextHop: 'auto' | 'self' | 'keep'
  /** Local address of the session: 4 or 16 octets. */
  readonly localAddress: Uint8Array
  /** IPv4 routes may go out with an IPv6 next hop (RFC 8950). */
  readonly extendedNextHop: boolean
  /** CLUSTER_ID towards internal neighbors (RFC 4456). */
  readonly clusterId: number
  readonly messageOctetsMax: number
  readonly addPath: boolean
  /** Paths of a prefix that are sent with add-path. */
  readonly addPathMaximum: number
  /** The neighbor is a client of this reflector. */
  readonly toClient: boolean
  /** The neighbor takes long-lived stale routes (RFC 9494 section 4.3). */
  readonly longLived: boolean
}
