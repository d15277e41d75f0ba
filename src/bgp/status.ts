import type { Family, IpAddress } from '../net/ip-address.ts'
import type { Prefix } from '../net/prefix.ts'
import type { RouteAttributes } from './route-attributes.ts'

/** The states of RFC 4271 section 8.2.2. */
export type SessionState =
  | 'Idle'
  | 'Connect'
  | 'Active'
  | 'OpenSent'
  | 'OpenConfirm'
  | 'Established'

export interface NeighborStatus {
  readonly address: IpAddress
  readonly port: number
  readonly remoteAs: number
  readonly localAs: number
  readonly kind: 'internal' | 'external'
  readonly description: string | undefined
  /** Came up by a range of dynamic neighbors. */
  readonly dynamic: boolean
  readonly state: SessionState
  /** Wall time, milliseconds since 1970, of the last change of state. */
  readonly since: number
  /** Times the session left Established. */
  readonly flaps: number
  /** By our configuration, perhaps with the text that the neighbor was told. */
  readonly shutdown: boolean | string
  /** Why the session last went down, or the last attempt failed. */
  readonly lastError: string | undefined
  /** The neighbor's shutdown communication, if it sent one (RFC 9003). */
  readonly shutdownCommunication: string | undefined
  /** Known while a connection is open. */
  readonly localAddress: IpAddress | undefined
  readonly routerId: IpAddress | undefined
  readonly holdTimeSeconds: number | undefined
  readonly keepaliveSeconds: number | undefined
  /** What both sides agreed on, in words: "four-octet AS", "add-path IPv4 send". */
  readonly capabilities: readonly string[]
  readonly families: readonly FamilyStatus[]
  readonly gracefulRestart: 'none' | 'helper' | 'both'
  readonly messages: { readonly received: number; readonly sent: number }
  readonly updates: { readonly received: number; readonly sent: number }
}

export interface FamilyStatus {
  readonly family: Family
  readonly received: number
  readonly accepted: number
  readonly advertised: number
  /** Announcements not taken since there were as many prefixes as `prefixLimit` allows; absent for none. */
  readonly refused?: number
  /** Retained of a session that went down (RFC 4724). */
  readonly stale: number
  readonly endOfRibReceived: boolean
}

/** A path in use for a prefix. */
export interface BestPath {
  readonly nextHop: IpAddress
  /** The neighbor it came from; undefined for what this speaker announces. */
  readonly from: IpAddress | undefined
  /** eBGP, iBGP or own. */
  readonly kind: 'external' | 'internal' | 'own'
  readonly attributes: RouteAttributes
  /** Retained from a session that is down, until the neighbor is back or the restart time is over. */
  readonly stale: boolean
}

/** The new best path(s) of a prefix; empty when none is left. The best first, then its ECMP equals. */
export interface BestPathChange {
  readonly prefix: Prefix
  readonly paths: readonly BestPath[]
}

/** The step of the decision process (RFC 4271 section 9.1.2) that set a path apart from the best one. */
export type DecisionReason =
  | 'only path'
  | 'not eligible'
  | 'long-lived stale (RFC 9494)'
  | 'own route'
  | 'local preference'
  | 'AS path length'
  | 'origin'
  | 'MED'
  | 'external over internal'
  | 'cost to next hop'
  | 'router id'
  | 'cluster list length'
  | 'neighbor address'
  | 'path id'

/** One path in the RIB with its standing. */
export interface RibPath extends BestPath {
  readonly prefix: Prefix
  /** Received path identifier (RFC 7911), 0 without. */
  readonly pathId: number
  readonly best: boolean
  /** Used beside the best one (ECMP). */
  readonly multipath: boolean
  /** For the best: what put it before the next. For another: where it lost to the best. */
  readonly reason: DecisionReason
  /** Why it cannot be used: "rejected by import policy", "AS path contains AS 64512". */
  readonly ineligible: string | undefined
}

export interface RouteHistoryEntry {
  /** Milliseconds since 1970. */
  readonly at: number
  readonly event: 'received' | 'withdrawn' | 'stale' | 'best'
  readonly from: IpAddress | undefined
  readonly detail: string
}

/** What the speaker tells as it happens. */
export type SpeakerEvent =
  | {
      readonly kind: 'neighborState'
      readonly neighbor: IpAddress
      readonly from: SessionState
      readonly to: SessionState
      readonly reason: string
    }
  /** All families of a neighbor have been received after its session came up. */
  | { readonly kind: 'endOfRib'; readonly neighbor: IpAddress; readonly family: Family }
  /**
   * The restarting speaker has all routes of its neighbors or waited long enough, and every best path has
   * been given to the listeners: what the kernel has beyond that may be deleted.
   */
  | { readonly kind: 'restartComplete'; readonly reason: 'end of RIB' | 'timer' }
  | { readonly kind: 'prefixLimit'; readonly neighbor: IpAddress; readonly family: Family }
  /** The neighbor asks for our routes, or sends its own again from 'begin' to 'end' (RFC 2918, RFC 7313). */
  | {
      readonly kind: 'routeRefresh'
      readonly neighbor: IpAddress
      readonly family: Family
      readonly what: 'request' | 'begin' | 'end'
    }
