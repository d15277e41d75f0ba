import type { Clock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import type { Random } from '../lib/random.ts'
import type { IpAddress } from '../net/ip-address.ts'
import type { Prefix } from '../net/prefix.ts'
import type { TcpStack } from '../net/transport.ts'
import type { Bfd } from './bfd/bfd.ts'
import type { SpeakerConfig } from './config.ts'
import { LocalSpeaker } from './local-speaker.ts'
import type { AnnouncedAttributes } from './route-attributes.ts'
import type {
  BestPathChange,
  NeighborStatus,
  RibPath,
  RouteHistoryEntry,
  SpeakerEvent,
} from './status.ts'

export interface SpeakerPorts {
  readonly clock: Clock
  readonly random: Random
  readonly tcp: TcpStack
  readonly log: Log
  /** Needed by neighbors whose configuration has `bfd`; their sessions do without it otherwise. */
  readonly bfd?: Bfd
  /**
   * Runs a task after what is waiting now, I/O included (`setImmediate`). Long work is cut into slices
   * by it. Default `clock.after(0, task)`, which is right for a virtual clock.
   */
  readonly defer?: (task: () => void) => void
}

/** A BGP-4 speaker: sessions, tables, decision. Made by `createSpeaker`. */
export interface Speaker {
  /**
   * Makes the speaker what `config` says; only what differs from before changes, sessions of neighbors
   * that stay the same stay up, and new policies are applied by route refresh.
   * @throws UserError if the configuration contradicts itself or an address cannot be listened on;
   *   nothing has changed then
   */
  configure(config: SpeakerConfig): void
  /** Originates a route, or replaces its attributes. */
  announce(prefix: Prefix, attributes?: AnnouncedAttributes): void
  /** Takes back a route originated here; nothing happens if there is none. */
  withdraw(prefix: Prefix): void
  /**
   * Calls `listener` with the best paths that exist now and then with every batch of changes; never
   * from within a call to the speaker. Routes originated here are included (kind 'own').
   * @returns a function that ends it
   */
  onBestPaths(listener: (changes: readonly BestPathChange[]) => void): () => void
  /** @returns a function that ends it */
  onEvent(listener: (event: SpeakerEvent) => void): () => void
  neighbors(): readonly NeighborStatus[]
  /** Ports in use, in the order of the configuration's `listen`. */
  listening(): readonly number[]
  /** All paths of one prefix, the best first. */
  paths(prefix: Prefix): readonly RibPath[]
  /** Paths prefix by prefix; those learned from `from` or advertised to `to` only, where given. */
  routes(filter?: RibFilter): Iterable<RibPath>
  /** The latest changes of one prefix, oldest first; empty unless the configuration keeps history. */
  history(prefix: Prefix): readonly RouteHistoryEntry[]
  /** Ends the session and lets it come back; with a text, as its shutdown communication (RFC 9003). */
  reset(neighbor: IpAddress, options?: ResetOptions): void
  /** Asks a neighbor for its routes again (RFC 2918), or sends ours again. */
  refresh(neighbor: IpAddress, direction: 'in' | 'out'): void
  /** Told from outside (BFD, a link gone): the neighbor is dead; its session is closed at once. */
  neighborDown(neighbor: IpAddress, reason: string): void
  /**
   * Closes everything. Graceful: connections just drop, so that neighbors with graceful restart keep
   * our routes; otherwise each gets Cease, Administrative Shutdown. Resolves when all is closed.
   */
  stop(options?: { readonly graceful?: boolean; readonly communication?: string }): Promise<void>
}

export interface RibFilter {
  readonly from?: IpAddress
  readonly to?: IpAddress
  readonly family?: 4 | 6
  readonly bestOnly?: boolean
}

export interface ResetOptions {
  readonly communication?: string
}

export function createSpeaker(ports: SpeakerPorts): Speaker {
  const { clock } = ports
  const defer = ports.defer ?? ((task: () => void): void => void clock.after(0, task))
  return new LocalSpeaker({ ...ports, defer })
}
