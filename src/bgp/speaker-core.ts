import { ByteWriter } from '../lib/bytes.ts'
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import type { Random } from '../lib/random.ts'
import { FAMILIES, type Family, type IpAddress, ipv4ToNumber } from '../net/ip-address.ts'
import type { TcpStack } from '../net/transport.ts'
import { afiSafiOf, familyOfAfiSafi } from '../wire/bgp/families.ts'
import { CEASE_SUBCODE, ERROR_CODE, ROUTE_REFRESH_SUBTYPE } from '../wire/bgp/iana.ts'
import { shutdownNotification } from '../wire/bgp/notification.ts'
import { encodeRouteRefresh, type RouteRefresh } from '../wire/bgp/route-refresh.ts'
import { UpdateWriter } from '../wire/bgp/update-writer.ts'
import { Advertiser, type Subscription } from './advertiser.ts'
import { type MultipathRules, usedPaths } from './best-path-feed.ts'
import { BestPathFeeds } from './best-path-feeds.ts'
import { checkConfig } from './check-config.ts'
import { globalKey, isSameImport, isSameLimit } from './config-keys.ts'
import type { NeighborConfig, SpeakerConfig } from './config.ts'
import { policyAdapter } from './export-policy.ts'
import type { DownCause } from './session/fsm.ts'
import { Listeners } from './session/listeners.ts'
import type { BgpNeighbor } from './session/neighbor.ts'
import { OwnRestart, type OwnRestartHost } from './own-restart.ts'
import { PathViews } from './path-views.ts'
import { type Peer, Peers, type PeersHost } from './peers.ts'
import { type Ribs, RouteReceiver } from './receive.ts'
import type { Rib } from './rib/rib.ts'
import { OWN_SOURCE, SOURCE_KIND, type Sources } from './rib/sources.ts'
import { RouteTables } from './route-tables.ts'
import {
  exportPolicy,
  neighborExportRules,
  exportsNothing,
  importRules,
  policyNeighbor,
  sessionFamilies,
} from './session-rules.ts'
import type { SessionState, SpeakerEvent } from './status.ts'
import { Work } from './work.ts'

export interface CorePorts {
  readonly clock: Clock
  readonly random: Random
  readonly tcp: TcpStack
  readonly log: Log
  readonly defer: (task: () => void) => void
}

/** The message is the same for everybody. */
const END_OF_RIB: Readonly<Record<Family, Uint8Array>> = { 4: endOfRib(4), 6: endOfRib(6) }
const FAULTS_LOGGED_MAX = 10
const REFRESH_WORDS = new Map<number, 'request' | 'begin' | 'end'>([
  [ROUTE_REFRESH_SUBTYPE.request, 'request'],
  [ROUTE_REFRESH_SUBTYPE.beginning, 'begin'],
  [ROUTE_REFRESH_SUBTYPE.end, 'end'],
])

/**
 * The parts of a speaker, wired together:
 *
 *     TCP ── NeighborConnection ── BgpNeighbor (state machines) ── RouteReceiver ──▶ Rib 4, Rib 6
 *                                                                       │ rows that changed
 *     TCP ◀── BgpNeighbor ◀── AdjRibOut ◀── Advertiser ◀────────────────┤
 *                                           BestPathFeed ◀──────────────┘──▶ listeners
 */
export class SpeakerCore implements PeersHost, OwnRestartHost {
  readonly clock: Clock
  readonly random: Random
  readonly tcp: TcpStack
  readonly log: Log
  readonly work: Work
  readonly tables: RouteTables
  readonly ribs: Ribs
  readonly sources: Sources
  readonly views: PathViews
  readonly advertiser: Advertiser
  readonly feeds: BestPathFeeds
  readonly listeners: Listeners
  readonly peers: Peers
  readonly #receiver: RouteReceiver
  readonly #restart: OwnRestart
  readonly #eventListeners = new Set<(event: SpeakerEvent) => void>()
  #config: SpeakerConfig | undefined

  constructor(ports: CorePorts) {
    this.clock = ports.clock
    this.random = ports.random
    this.tcp = ports.tcp
    this.log = ports.log
    this.work = new Work(ports.clock, ports.defer)
    this.tables = new RouteTables(this.work, ports.clock)
    this.ribs = this.tables.ribs
    this.sources = this.tables.sources
    this.peers = new Peers(this)
    this.listeners = new Listeners(this.tcp, (connection) => this.peers.accept(connection))
    this.#receiver = new RouteReceiver(this.ribs)
    this.#restart = new OwnRestart(this)
    this.views = new PathViews(this.tables.attributes, (source) => this.#addressOf(source))
    const rules = (): MultipathRules => this.multipath
    const quiet = (): void => this.#quiet()
    this.feeds = new BestPathFeeds(this.ribs, this.views, this.work, rules, quiet)
    this.advertiser = new Advertiser(this.ribs, this.clock, this.work, quiet)
  }

  #addressOf(source: number): IpAddress | undefined {
    return this.peers.ofSource(source)?.neighbor.address
  }

  get config(): SpeakerConfig {
    if (this.#config === undefined) throw new Error('The speaker has not been configured')
    return this.#config
  }

  get isConfigured(): boolean {
    return this.#config !== undefined
  }

  get isRestarting(): boolean {
    return this.#restart.isDeferring
  }

  get multipath(): MultipathRules {
    const { multipathMaximum, multipathRelaxed } = this.#config ?? {}
    return { maximum: multipathMaximum ?? 1, relaxed: multipathRelaxed ?? false }
  }

  configure(config: SpeakerConfig): void {
    checkConfig(config)
    const former = this.#config
    this.listeners.configure(config)
    this.#config = config
    const isFirst = former === undefined
    const { restarting, selectionDeferralSeconds } = config.gracefulRestart ?? {}
    if (isFirst && restarting === true) this.#restart.begin(selectionDeferralSeconds)
    this.sources.routerIds[OWN_SOURCE] = ipv4ToNumber(config.routerId)
    this.tables.configure(config, (source) => this.#addressOf(source))
    this.peers.configure(config, !isFirst && globalKey(former) !== globalKey(config))
    this.#restart.check()
    this.wake()
  }

  /** Neighbors that a restart of this speaker waits for. */
  awaited(): Iterable<Peer> {
    return this.peers.all()
  }

  /** Puts other policies and limits in force on a session that stays. */
  adjusted(peer: Peer, before: NeighborConfig): void {
    const { config, session } = peer.neighbor
    if (session === undefined) return
    const isSame = isSameImport(before, config)
    const hasLimit = isSameLimit(before, config)
    if (!isSame || !hasLimit) {
      peer.routes.rules = importRules(this.config, peer.neighbor, session, peer)
    }
    if (!isSame) this.#reapply(peer)
    // What the limit of before kept out may come in.
    if (!hasLimit && peer.limitTold.size > 0) this.requestRefresh(peer)
    if (before.exportPolicy !== config.exportPolicy) this.#resubscribe(peer)
  }

  #resubscribe(peer: Peer): void {
    for (const family of sessionFamilies(peer.neighbor.session!)) {
      this.advertiser.resubscribe(peer.subscriber, this.#subscription(peer, family))
    }
  }

  #reapply(peer: Peer): void {
    for (const family of FAMILIES) {
      const rib = this.ribs[family]
      let path = 0
      this.work.add(() => {
        const { rules } = peer.routes
        const end = Math.min(rib.pathLimit, path + 512)
        for (; path < end; path++) {
          const isOurs = rib.pathSources[path] === peer.source && rib.pathPrefixes[path]! >= 0
          if (isOurs && rules !== undefined) this.#receiver.reapply(rules, rib, path)
        }
        this.wake()
        return path < rib.pathLimit
      })
    }
  }

  // ---- what neighbors tell ----

  stateChanged(neighbor: BgpNeighbor, from: SessionState, to: SessionState, reason: string): void {
    this.emit({ kind: 'neighborState', neighbor: neighbor.address, from, to, reason })
    const peer = this.peers.of(neighbor)
    if (peer?.range !== undefined && (to === 'Idle' || to === 'Active') && from !== 'Idle') {
      if (!peer.routes.isRetaining) this.peers.remove(peer)
    }
  }

  established(neighbor: BgpNeighbor): void {
    const peer = this.peers.of(neighbor)
    const { session } = neighbor
    if (peer === undefined || session === undefined) return
    const { kinds, routerIds, isClient } = this.sources
    kinds[peer.source] = neighbor.isInternal ? SOURCE_KIND.internal : SOURCE_KIND.external
    routerIds[peer.source] = ipv4ToNumber(session.remoteOpen.bgpIdentifier)
    isClient[peer.source] = neighbor.config.routeReflectorClient === true ? 1 : 0
    peer.faultsLogged = 0
    peer.routes.established(session, importRules(this.config, neighbor, session, peer))
    for (const family of FAMILIES) forgetRefused(peer, family)
    peer.telling.clear()
    for (const family of sessionFamilies(session)) {
      if (exportsNothing(this.config, neighbor)) this.#sendEndOfRib(peer, family)
      else {
        peer.telling.set(family, 'initial')
        this.advertiser.subscribe(peer.subscriber, this.#subscription(peer, family))
      }
    }
    this.#restart.check()
  }

  released(neighbor: BgpNeighbor, cause: DownCause): void {
    const peer = this.peers.of(neighbor)
    const session = neighbor.lastSession
    if (peer === undefined || session === undefined) return
    this.advertiser.unsubscribe(peer.subscriber)
    peer.routes.released(session, cause)
    this.#restart.check()
    this.wake()
  }

  update(neighbor: BgpNeighbor, octets: Uint8Array, start: number, end: number): void {
    const peer = this.peers.of(neighbor)
    const rules = peer?.routes.rules
    if (peer === undefined || rules === undefined) return
    this.#receiver.receive(rules, octets, start, end)
    const { scan } = this.#receiver
    if (scan.faults.length > 0) this.#logFaults(peer)
    if (scan.endOfRib !== undefined) this.#endOfRib(peer, scan.endOfRib)
    if (neighbor.config.prefixLimit !== undefined) this.#checkLimit(peer)
  }

  #logFaults(peer: Peer): void {
    if (peer.faultsLogged++ >= FAULTS_LOGGED_MAX) return
    const { treatment, message, attribute } = this.#receiver.scan.faults[0]!
    const { address } = peer.neighbor
    this.log.warn('Malformed UPDATE', { neighbor: address, treatment, attribute, message })
  }

  #endOfRib(peer: Peer, family: Family): void {
    peer.routes.endOfRib(family)
    this.emit({ kind: 'endOfRib', neighbor: peer.neighbor.address, family })
    this.#restart.check()
  }

  #checkLimit(peer: Peer): void {
    const { neighbor, source } = peer
    const { maximum, action, restartSeconds } = neighbor.config.prefixLimit!
    if (action === 'refuse') return this.#tellRefused(peer, maximum)
    for (const family of FAMILIES) {
      const count = this.ribs[family].counts[source] ?? 0
      if (count <= maximum) continue
      this.emit({ kind: 'prefixLimit', neighbor: neighbor.address, family })
      if (action === 'warn') continue
      const { afi, safi } = afiSafiOf(family)
      // RFC 4486 section 4: family and limit as data.
      const data = Uint8Array.of(
        0,
        afi,
        safi,
        maximum >>> 24,
        maximum >>> 16,
        maximum >>> 8,
        maximum,
      )
      const subcode = CEASE_SUBCODE.maximumPrefixesReached
      neighbor.reset({ code: ERROR_CODE.cease, subcode, data }, restartSeconds ?? Infinity)
      return
    }
  }

  #tellRefused(peer: Peer, maximum: number): void {
    for (const family of FAMILIES) {
      if (peer.refused[family] === 0 || peer.limitTold.has(family)) continue
      peer.limitTold.add(family)
      const { address } = peer.neighbor
      const message = 'Prefix limit of a neighbor reached; new prefixes are not taken'
      this.log.warn(message, { neighbor: address, family, maximum })
      this.emit({ kind: 'prefixLimit', neighbor: address, family })
    }
  }

  routeRefresh(neighbor: BgpNeighbor, { afi, safi, subtype }: RouteRefresh): void {
    const peer = this.peers.of(neighbor)
    const family = familyOfAfiSafi(afi, safi)
    if (peer === undefined || family === undefined || neighbor.session === undefined) return
    if (!sessionFamilies(neighbor.session).includes(family)) return
    const what = REFRESH_WORDS.get(subtype)
    if (what === undefined) return // RFC 7313 section 5: others are ignored
    if (what === 'begin') {
      forgetRefused(peer, family)
      peer.routes.beginRefresh(family)
    } else if (what === 'end') peer.routes.endRefresh(family)
    else this.resend(peer, family)
    this.emit({ kind: 'routeRefresh', neighbor: neighbor.address, family, what })
  }

  /** Sends our routes again, between BoRR and EoRR where the neighbor knows those (RFC 7313). */
  resend(peer: Peer, family: Family): void {
    const { session } = peer.neighbor
    if (session === undefined) return
    // Before End-of-RIB there is no BoRR (RFC 7313 section 4): all is sent again, and then said to be all.
    if (peer.telling.get(family) !== 'initial' && session.negotiated.enhancedRouteRefresh) {
      this.#sendRefresh(peer, family, ROUTE_REFRESH_SUBTYPE.beginning)
      peer.telling.set(family, 'refresh')
    }
    if (exportsNothing(this.config, peer.neighbor)) this.#routesSent(peer, family)
    else this.advertiser.resend(peer.subscriber, family)
  }

  /** All routes of a family have been sent: for the first time, or again. */
  #routesSent(peer: Peer, family: Family): void {
    const told = peer.telling.get(family)
    peer.telling.delete(family)
    if (told === 'initial') this.#sendEndOfRib(peer, family)
    else if (told === 'refresh') this.#sendRefresh(peer, family, ROUTE_REFRESH_SUBTYPE.end)
  }

  /** Asks for the neighbor's routes again (RFC 2918); nothing happens if it cannot be asked. */
  requestRefresh(peer: Peer): void {
    const { session } = peer.neighbor
    if (session?.negotiated.routeRefresh !== true) return
    for (const family of sessionFamilies(session)) {
      forgetRefused(peer, family)
      this.#sendRefresh(peer, family, ROUTE_REFRESH_SUBTYPE.request)
    }
  }

  #sendRefresh(peer: Peer, family: Family, subtype: number): void {
    const writer = new ByteWriter(32)
    encodeRouteRefresh(writer, { kind: 'routeRefresh', ...afiSafiOf(family), subtype })
    peer.neighbor.send(writer.take())
  }

  #sendEndOfRib(peer: Peer, family: Family): void {
    peer.subscriber.send(END_OF_RIB[family])
  }

  #subscription(peer: Peer, family: Family): Subscription {
    const { neighbor } = peer
    const session = neighbor.session!
    const rules = neighborExportRules(this.config, neighbor, session, family)
    const to = policyNeighbor(neighbor)
    return {
      family,
      rules,
      policy: exportPolicy(this.config, neighbor),
      adapt: (policy) =>
        policyAdapter(this.ribs[family], policy, to, rules, (source) => {
          const from = this.peers.ofSource(source)
          return from === undefined ? undefined : policyNeighbor(from.neighbor)
        }),
      onRoutesSent: () => this.#routesSent(peer, family),
    }
  }

  // ---- listeners ----

  onEvent(listener: (event: SpeakerEvent) => void): () => void {
    this.#eventListeners.add(listener)
    return () => this.#eventListeners.delete(listener)
  }

  emit(event: SpeakerEvent): void {
    for (const listener of this.#eventListeners) listener(event)
  }

  wake(): void {
    this.advertiser.wake()
    this.feeds.wake()
  }

  /** Neighbors, or listeners, have been told everything. */
  #quiet(): void {
    if (this.feeds.isQuiet) {
      const reason = this.#restart.takeFinished()
      if (reason !== undefined) this.emit({ kind: 'restartComplete', reason })
    }
    this.tables.reclaim(
      (family, row) => this.advertiser.holds(family, row) || this.feeds.holds(family, row),
    )
  }

  usedPaths(rib: Rib, row: number): number[] {
    return usedPaths(rib, row, this.multipath)
  }

  /** Ends all work and all sessions. */
  stop(subcode: number | undefined, text: string | undefined): void {
    this.listeners.close()
    for (const peer of this.peers.all()) {
      peer.neighbor.stop(subcode === undefined ? undefined : shutdownNotification(subcode, text))
    }
    this.#restart.stop()
    this.work.stop()
  }
}

/** The neighbor sends all of its routes again: what is beyond the limit is counted from there. */
function forgetRefused({ refused, limitTold }: Peer, family: Family): void {
  refused[family] = 0
  limitTold.delete(family)
}

function endOfRib(family: Family): Uint8Array {
  const writer = new UpdateWriter({})
  writer.endOfRib(family)
  return writer.take()
}
