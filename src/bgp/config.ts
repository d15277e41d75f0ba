import type { Secret } from '../lib/secret.ts'
import type { Family, IpAddress } from '../net/ip-address.ts'
import type { Prefix } from '../net/prefix.ts'
import type { BfdTimers } from './bfd/bfd.ts'
import type { RoutePolicy } from './policy.ts'

/** All that a speaker is told. `Speaker.configure` compares two of these and changes what differs. */
export interface SpeakerConfig {
  /** 1..4294967295 */
  readonly localAs: number
  /** BGP Identifier; any non-zero IPv4 address, unique within the AS (RFC 6286). */
  readonly routerId: IpAddress
  /** Where to accept connections; empty for none. Without an address: all of both families. */
  readonly listen: readonly ListenConfig[]
  readonly neighbors: readonly NeighborConfig[]
  /** Neighbors accepted from a range of addresses without being named (always passive). */
  readonly dynamicNeighbors?: readonly DynamicNeighborConfig[]
  /** CLUSTER_ID of this route reflector (RFC 4456); the router id when absent. */
  readonly clusterId?: IpAddress
  readonly gracefulRestart?: GracefulRestartConfig
  /** RFC 8212: eBGP neighbors without import (export) policy accept (announce) nothing. Default false. */
  readonly requirePolicy?: boolean
  /** Equal paths used at once (ECMP); 1 (default) selects one. */
  readonly multipathMaximum?: number
  /** Equal paths may come through different neighbor ASes and AS_PATHs of the same length. Default false. */
  readonly multipathRelaxed?: boolean
  /** MED is compared between routes of different neighbor ASes too. Default false (RFC 4271 section 9.1.2.2). */
  readonly alwaysCompareMed?: boolean
  /** Changes kept of each route for `Speaker.history`; 0 (default) keeps none and costs nothing. */
  readonly historyPerRoute?: number
}

export interface ListenConfig {
  readonly address?: IpAddress
  /** Usually 179; 0 takes a free one, see `Speaker.listening`. */
  readonly port: number
}

/** Graceful restart (RFC 4724, RFC 8538) and its long-lived form (RFC 9494). Present means on. */
export interface GracefulRestartConfig {
  /** Restart Time: seconds neighbors wait for this speaker to come back. Default 120, at most 4095. */
  readonly restartTimeSeconds?: number
  /**
   * This process has just started and the kernel still has the routes of the one before: set the
   * R bit, wait for End-of-RIB of all neighbors before selecting routes. Looked at by the first
   * `configure` only.
   */
  readonly restarting?: boolean
  /** Selection_Deferral_Timer: the most that selection waits for End-of-RIB. Default 120. */
  readonly selectionDeferralSeconds?: number
  /** F bit: forwarding state was preserved. Default true. */
  readonly forwardingPreserved?: boolean
  /** N bit (RFC 8538): retain routes after a NOTIFICATION or an expired hold timer too. Default true. */
  readonly notification?: boolean
  /** RFC 9494: keep stale routes for so long after the restart time, least preferred. Absent: off. */
  readonly longLivedStaleSeconds?: number
  /** Only help others restart, do not offer it for ourselves. Default false. */
  readonly helperOnly?: boolean
}

export type NextHopMode =
  /** eBGP: the session's local address; iBGP: as received; own routes: the local address. */
  | 'auto'
  /** Always the session's local address. */
  | 'self'
  /** As received also towards eBGP. */
  | 'keep'

export type AddPathsMode = 'off' | 'receive' | 'send' | 'both'

/** What can be said of a neighbor whether or not its address is known beforehand. */
export interface NeighborOptions {
  readonly description?: string
  /** AS shown to this neighbor instead of the speaker's own (local-as). */
  readonly localAs?: number
  /** Default: IPv4 for an IPv4 address, IPv6 for an IPv6 address. */
  readonly families?: readonly Family[]
  /** Proposed hold time; 0 for none, else at least 3. Default 90. */
  readonly holdTimeSeconds?: number
  /** Default a third of the negotiated hold time. */
  readonly keepaliveSeconds?: number
  /** RFC 2385; as a Secret it is never shown. */
  readonly md5Key?: string | Secret
  /** TTL of packets to an eBGP neighbor that is not on a shared network; absent: directly connected. */
  readonly multihopTtl?: number
  /** GTSM (RFC 5082): hops away at most; 1 for directly connected. Sends TTL 255. */
  readonly ttlSecurityHops?: number
  /** RFC 7911. Default off. */
  readonly addPaths?: AddPathsMode
  /** Most paths of a prefix sent with `addPaths`. Default 16. */
  readonly addPathsMaximum?: number
  /** RFC 8654. Default true: offered. */
  readonly extendedMessages?: boolean
  /** RFC 8950: IPv4 routes with IPv6 next hops. Default false. */
  readonly extendedNextHop?: boolean
  /** This speaker reflects for it (RFC 4456). */
  readonly routeReflectorClient?: boolean
  readonly clusterId?: IpAddress
  readonly nextHop?: NextHopMode
  /** Times the own AS may appear in a received AS_PATH (allowas-in). Default 0. */
  readonly allowOwnAs?: number
  /** The leftmost AS of an eBGP neighbor's AS_PATH must be its own (RFC 4271 section 6.3). Default true. */
  readonly enforceFirstAs?: boolean
  /** LOCAL_PREF of routes that arrive without one. Default 100. */
  readonly defaultLocalPreference?: number
  /** Only routes to these, and to what lies in them, are used. Default: all. */
  readonly importRanges?: readonly Prefix[]
  /** Prefixes accepted per family. */
  readonly prefixLimit?: PrefixLimit
  /** BFD while the session is established (RFC 5882); needs the speaker's `bfd` port. Absent: none. */
  readonly bfd?: NeighborBfdConfig
  /** false: no graceful restart with this neighbor. */
  readonly gracefulRestart?: boolean
  readonly importPolicy?: RoutePolicy
  readonly exportPolicy?: RoutePolicy
}

export interface NeighborBfdConfig extends BfdTimers {
  /** Default: several hops (RFC 5883) for an internal neighbor or one with `multihopTtl`. */
  readonly multihop?: boolean
}

export interface PrefixLimit {
  readonly maximum: number
  /**
   * Default 'reset': Cease, Maximum Number of Prefixes Reached (RFC 4486). 'refuse' keeps the session and
   * takes no new prefixes until others are withdrawn. 'warn' only logs.
   */
  readonly action?: 'reset' | 'refuse' | 'warn'
  /** Seconds after which a session reset for this is tried again; absent: only by hand. */
  readonly restartSeconds?: number
}

export interface NeighborConfig extends NeighborOptions {
  readonly address: IpAddress
  /** Default 179. */
  readonly port?: number
  readonly remoteAs: number
  /** Local address of the session; the kernel's choice when absent. */
  readonly localAddress?: IpAddress
  /** Interface to bind to, for link-local neighbors. */
  readonly interface?: string
  /** Only wait for the neighbor to connect. */
  readonly passive?: boolean
  /** Administratively down; a text makes it the shutdown communication (RFC 9003). */
  readonly shutdown?: boolean | string
  /** Seconds before the first connect. Default 0. */
  readonly connectDelaySeconds?: number
  /** Seconds between attempts to connect. Default 5. */
  readonly connectRetrySeconds?: number
  /** Wait after an error, doubling from first to most. Default 1 and 30. */
  readonly errorWaitSeconds?: { readonly first: number; readonly most: number }
}

export interface DynamicNeighborConfig extends NeighborOptions {
  /** Addresses accepted. */
  readonly range: Prefix
  /** Absent: any AS but the own makes it external, the own internal. */
  readonly remoteAs?: number
  /** Most neighbors of this range at a time. Default 100. */
  readonly maximum?: number
}
