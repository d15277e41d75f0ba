import type { PeerPackage } from '../support/peer-packages.ts'

/**
 * What a peer is told, the same for all daemons. It originates {@link ORIGINATED} to every session,
 * accepts everything and passes everything on, as a transit AS or route reflector does.
 */
export interface PeerSetup {
  readonly as: number
  readonly routerId: string
  readonly sessions: readonly PeerSession[]
  /** Started again after a crash: it should say so in its OPENs (RFC 4724 section 4.1). */
  readonly restarted: boolean
}

/** One session as the peer sees it; `local` is the peer's address. */
export interface PeerSession {
  /** Letters and digits only. */
  readonly label: string
  readonly family: 4 | 6
  readonly local: string
  readonly remote: string
  readonly remoteAs: number
  /** The peer waits for the other side to connect. */
  readonly passive: boolean
  readonly md5?: string
  readonly ttlSecurity?: boolean
  readonly addPaths?: boolean
  readonly reflectorClient?: boolean
  /** The peer behaves as if it knew nothing of four-octet AS numbers (RFC 6793). */
  readonly twoOctet?: boolean
  readonly gracefulRestart?: boolean
  readonly bfd?: boolean
}

/** What every peer originates, with everything that it can be made to attach. */
export const ORIGINATED = {
  4: '198.51.100.0/24',
  6: '2001:db8:99::/48',
  med: 77,
  community: [65100, 1],
  largeCommunity: [65100, 3, 4],
  /** Route target of a two-octet AS (RFC 4360 section 4). */
  routeTarget: [65100, 2],
} as const

/** A route as the peer shows it, in the notation of operators. */
export interface SeenRoute {
  readonly prefix: string
  readonly nextHop: string
  readonly origin: 'igp' | 'egp' | 'incomplete'
  /** "65001 65002 {65003 65004}" */
  readonly asPath: string
  readonly med: number | undefined
  readonly localPreference: number | undefined
  readonly communities: readonly string[]
  readonly largeCommunities: readonly string[]
  readonly extendedCommunities: readonly string[]
  readonly atomicAggregate: boolean
  /** "65009 192.0.2.9" */
  readonly aggregator: string | undefined
  readonly originatorId: string | undefined
  readonly clusterList: readonly string[]
}

/** A running daemon and its control command. */
export interface RunningPeer {
  /** Labels of established sessions. */
  established(): Promise<ReadonlySet<string>>
  /** Routes received on one session, before or after import, whichever the daemon shows. */
  received(label: string): Promise<readonly SeenRoute[]>
  /** Prefixes of a session that is down which are kept nevertheless (RFC 4724). */
  kept(label: string): Promise<readonly string[]>
  /** Asks the other side for its routes again. */
  refresh(label: string): Promise<void>
  /** Shuts one session down with a text for the other side. */
  shutdown(label: string, text: string): Promise<void>
  /** Everything the daemon says about a session, as text to be searched. */
  describe(label: string): Promise<string>
  /** Kills all processes at once, without a word to anyone. */
  crash(): Promise<void>
  stop(): void
}

/** What an old speaker sees in OPEN where a number does not fit (RFC 6793 section 4.2.2). */
export const AS_TRANS = 23_456

export interface PeerContext {
  readonly namespace: string
  /** For configuration, sockets and logs. */
  readonly folder: string
  /** Where the package is unpacked. */
  readonly root: string
  /** Starts a program in the namespace, its output in `folder`. */
  start(program: readonly string[], env: NodeJS.ProcessEnv): void
  /** Runs a control command in the namespace. */
  control(program: readonly string[], env: NodeJS.ProcessEnv): Promise<string>
  /** All output of the started programs. */
  log(): string
  /** Ends what `start` started, by SIGKILL, and waits for the end. */
  killAll(): Promise<void>
}

export const FEATURES = {
  active: 'session opened by Tortie',
  passive: 'session opened by the peer',
  routesOut: 'IPv4 routes to the peer, every attribute',
  routesIn: 'IPv4 routes from the peer, every attribute',
  transit: 'IPv4 routes through the peer, transitive attributes intact',
  ipv6: 'IPv6 routes both ways',
  md5: 'TCP MD5, opened by Tortie (RFC 2385)',
  md5Passive: 'TCP MD5, opened by the peer',
  ttlSecurity: 'GTSM, opened by Tortie (RFC 5082)',
  ttlSecurityPassive: 'GTSM, opened by the peer',
  refreshAsked: 'route refresh asked by Tortie (RFC 2918)',
  refreshGiven: 'route refresh asked by the peer',
  enhancedRefresh: 'enhanced route refresh both ways (RFC 7313)',
  addPaths: 'add-path both ways (RFC 7911)',
  reflected: 'route reflection by the peer (RFC 4456)',
  reflecting: 'route reflection by Tortie',
  largeCommunities: 'large communities (RFC 8092)',
  twoOctet: 'four-octet AS across the peer as an old speaker (RFC 6793)',
  shutdownShown: 'shutdown message of the peer shown by Tortie (RFC 9003)',
  shutdownSent: 'shutdown message of Tortie shown by the peer',
  bfd: 'BFD: a dead peer noticed within a second (RFC 5880)',
  helper: 'graceful restart of Tortie, routes kept by the peer',
  restart: 'graceful restart of the peer, routes kept (RFC 4724)',
} as const

export type Feature = keyof typeof FEATURES

export interface PeerDriver {
  readonly package: PeerPackage
  readonly title: string
  /** What this daemon cannot do, and in which words the table says so. */
  readonly lacks: Readonly<Partial<Record<Feature, string>>>
  start(setup: PeerSetup, context: PeerContext): RunningPeer
}
