import type { Closable } from '../../lib/closable.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Log } from '../../lib/log.ts'
import type { Random } from '../../lib/random.ts'
import type { IpAddress } from '../../net/ip-address.ts'
import type { UdpStack } from '../../net/transport.ts'
import type { BfdState } from '../../wire/bfd/control-packet.ts'

/** Intervals of a session; those that a neighbor's configuration may set. */
export interface BfdTimers {
  /** Least time between packets sent once the session is up. Default 300, at least 10. */
  readonly desiredMinTxMilliseconds?: number
  /** Least time between packets that can be received. Default 300, at least 10. */
  readonly requiredMinRxMilliseconds?: number
  /** Packets in a row that may be lost before the other side is taken for dead. Default 3, 1 to 255. */
  readonly detectMultiplier?: number
}

export interface BfdSessionConfig extends BfdTimers {
  readonly local: IpAddress
  readonly remote: IpAddress
  /** RFC 5883, port 4784; otherwise single hop, port 3784, sent and accepted with TTL 255 (RFC 5881). */
  readonly multihop?: boolean
}

export interface BfdChange {
  readonly up: boolean
  /**
   * The path is dead: to be believed by whoever relies on it. False where the other side only said
   * that it does BFD no more, which says nothing of the path (RFC 5882 section 3.2).
   */
  readonly failure: boolean
  /** "Control Detection Time Expired" */
  readonly reason: string
}

export interface BfdSessionStatus {
  readonly local: IpAddress
  readonly remote: IpAddress
  readonly multihop: boolean
  readonly state: BfdState
  readonly remoteState: BfdState
  /** Why this side last left Up. */
  readonly diagnostic: string
  readonly remoteDiagnostic: string
  /** Current time between packets sent, before jitter. */
  readonly txIntervalMilliseconds: number
  /** Silence after which the other side is taken for dead; 0 until it has sent a packet. */
  readonly detectionTimeMilliseconds: number
  readonly sent: number
  readonly received: number
}

export interface BfdSession extends Closable {
  status(): BfdSessionStatus
  /** Tells the other side AdminDown for as long as it needs to hear it, then is gone. */
  close(): void
}

export interface Bfd extends Closable {
  /**
   * Starts a session; `onChange` is called from the event loop whenever it comes up or goes down.
   * @throws Error when the UDP port cannot be had, or a session between the two addresses exists;
   *   UserError when a timer is out of range
   */
  add(config: BfdSessionConfig, onChange: (change: BfdChange) => void): BfdSession
  sessions(): readonly BfdSessionStatus[]
  /** Packets that were dropped, by reason. */
  readonly dropped: ReadonlyMap<string, number>
  /** Ends all sessions at once. */
  close(): void
}

export interface BfdPorts {
  readonly clock: Clock
  readonly random: Random
  readonly udp: UdpStack
  readonly log: Log
}
