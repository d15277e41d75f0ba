import type { Clock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import type { Random } from '../lib/random.ts'
import { type Family, type IpAddress, ipv4ToNumber } from '../net/ip-address.ts'
import { contains, type Prefix, prefixFamily } from '../net/prefix.ts'
import type { TcpConnection, TcpStack } from '../net/transport.ts'
import { ByteWriter } from '../lib/bytes.ts'
import { afiSafiOf, familyOfAfiSafi } from '../wire/bgp/families.ts'
import { CEASE_SUBCODE, ERROR_CODE, ROUTE_REFRESH_SUBTYPE } from '../wire/bgp/iana.ts'
import { shutdownNotification } from '../wire/bgp/notification.ts'
import { encodeRouteRefresh, type RouteRefresh } from '../wire/bgp/route-refresh.ts'
import { UpdateWriter } from '../wire/bgp/update-writer.ts'
import { Advertiser, type Subscription } from './advertiser.ts'
import { BestPathFeed, type MultipathRules, usedPaths } from './best-path-feed.ts'
import { checkConfig } from './check-config.ts'
import type { DynamicNeighborConfig, NeighborConfig, SpeakerConfig } from './config.ts'
import { policyAdapter } from './export-policy.ts'
import type { DownCause } from './fsm.ts'
import { Listeners } from './listeners.ts'
import { Neighbor, type NeighborHost } from './neighbor.ts'
import { NeighborRoutes } from './neighbor-routes.ts'
import { addressKey, isInternal } from './neighbor-settings.ts'
import { rejectAll } from './policy.ts'
import { PathViews } from './path-views.ts'
import { RestartDeferral } from './restart-deferral.ts'
import { type Ribs, RouteReceiver } from './receive.ts'
import { AttributeTable } from './rib/attribute-table.ts'
import { wordsOf } from './rib/prefix-text.ts'
import { Rib } from './rib/rib.ts'
import { OWN_SOURCE, SOURCE_KIND, Sources } from './rib/sources.ts'
import { type AnnouncedAttributes, blockOfAttributes, originated } from './route-attributes.ts'
import {
  exportRules,
  exportsNothing,
  importRules,
  policyNeighbor,
  sessionFamilies,
} from './session-rules.ts'
import type { BestPathChange, SessionState, SpeakerEvent } from './status.ts'
import { Work } from './work.ts'

/** A neighbor with what the speaker keeps of it. */
export interface Peer {
  readonly neighbor: Neighbor
  readonly routes: NeighborRoutes
  readonly source: number
  readonly subscriber: {
    readonly source: number
    readonly isCongested: boolean
    send(octets: Uint8Array): void
  }
  readonly range: DynamicNeighborConfig | undefined
  /** Malformed UPDATEs logged since the session came up. */
  faultsLogged: number
}

export interface CorePorts {
  readonly clock: Clock
  readonly random: Random
  readonly tcp: TcpStack
  readonly log: Log
  readonly defer: (task: () => void) => void
}

const FAMILIES: readonly Family[] = [4, 6]
const FAULTS_LOGGED_MAX = 10
const DEFAULT_DYNAMIC_NEIGHBORS = 100
/** Rows looked at in one call of a job. */
const JOB_ROWS = 16_384

/**
 * The parts of a speaker, wired together:
 *
 *     TCP ── Link ── Neighbor (state machines) ── RouteReceiver ──▶ Rib 4, Rib 6
 *                                                                    │ rows that changed
 *     TCP ◀── Neighbor ◀── AdjRibOut ◀── Advertiser ◀────────────────┤
 *                                        BestPathFeed ◀──────────────┘──▶ listeners
 */
export class SpeakerCore implements NeighborHost {
  readonly clock: Clock
  readonly random: Random
  readonly tcp: TcpStack
  readonly log: Log
  readonly work: Work
  readonly attributes = new AttributeTable()
  readonly sources = new Sources()
  readonly ribs: Ribs
  readonly views: PathViews
  readonly advertiser: Advertiser
  readonly receiver: RouteReceiver
  readonly listeners: Listeners
  readonly peers = new Map<IpAddress, Peer>()
  readonly #bySource = new Map<number, Peer>()
  readonly #byNeighbor = new Map<Neighbor, Peer>()
  readonly #feeds = new Set<BestPathFeed>()
  readonly #feedJob = (): boolean => this.#runFeeds()
  readonly #eventListeners = new Set<(event: SpeakerEvent) => void>()
  #config: SpeakerConfig | undefined
  #deferral: RestartDeferral | undefined
  #isReclaiming = false
  #restartDone: 'end of RIB' | 'timer' | undefined

  constructor(ports: CorePorts) {
    this.clock = ports.clock
    this.random = ports.random
    this.tcp = ports.tcp
    this.log = ports.log
    this.work = new Work(ports.clock, ports.defer)
    this.ribs = {
      4: new Rib(4, this.attributes, this.sources),
      6: new Rib(6, this.attributes, this.sources),
    }
    this.views = new PathViews(
      this.attributes,
      (source) => this.#bySource.get(source)?.neighbor.address,
    )
    this.advertiser = new Advertiser(this.ribs, this.clock, this.work, () => this.#quiet())
    this.receiver = new RouteReceiver(this.ribs)
    this.listeners = new Listeners(this.tcp, (connection) => this.#accepted(connection))
  }

  get config(): SpeakerConfig {
    if (this.#config === undefined) throw new Error('The speaker has not been configured')
    return this.#config
  }

  get isConfigured(): boolean {
    return this.#config !== undefined
  }

  get isRestarting(): boolean {
    return this.#deferral !== undefined
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
    if (isFirst && config.gracefulRestart?.restarting === true) this.#beginRestart(config)
    const restartsAll = !isFirst && globalKey(former) !== globalKey(config)
    this.attributes.localAs = config.localAs
    this.sources.routerIds[OWN_SOURCE] = ipv4ToNumber(config.routerId)
    for (const family of FAMILIES) {
      this.ribs[family].options = { alwaysCompareMed: config.alwaysCompareMed ?? false }
    }
    this.#configureNeighbors(config, restartsAll)
    this.#deferral?.check()
    this.wake()
  }

  #configureNeighbors(config: SpeakerConfig, restartsAll: boolean): void {
    const wanted = new Map(config.neighbors.map((neighbor) => [neighbor.address, neighbor]))
    for (const peer of this.peers.values()) {
      const next = wanted.get(peer.neighbor.address)
      if (peer.range !== undefined) {
        const isKept = config.dynamicNeighbors?.some((range) => sameRange(range, peer.range!))
        if (next === undefined && isKept === true && !restartsAll) continue
        this.remove(peer, CEASE_SUBCODE.peerDeconfigured)
      } else if (next === undefined) this.remove(peer, CEASE_SUBCODE.peerDeconfigured)
      else if (restartsAll || neighborKey(peer.neighbor.config) !== neighborKey(next)) {
        const { shutdown } = next
        if (shutdown === true) this.remove(peer, CEASE_SUBCODE.administrativeShutdown)
        else if (typeof shutdown === 'string') {
          this.remove(peer, CEASE_SUBCODE.administrativeShutdown, shutdown)
        } else this.remove(peer, CEASE_SUBCODE.otherConfigurationChange)
      } else this.#repolicy(peer, next)
    }
    for (const neighbor of config.neighbors) {
      if (!this.peers.has(neighbor.address)) this.#add(neighbor, undefined).neighbor.start()
    }
  }

  /** Puts other policies and limits in force on a session that stays. */
  #repolicy(peer: Peer, next: NeighborConfig): void {
    const before = peer.neighbor.config
    peer.neighbor.config = next
    const { session } = peer.neighbor
    if (session === undefined) return
    if (before.importPolicy !== next.importPolicy) {
      const rules = importRules(this.config, peer.neighbor, session, peer.source)
      peer.routes.rules = rules
      this.#reapply(peer)
    }
    if (before.exportPolicy !== next.exportPolicy) this.#resubscribe(peer)
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
          if (isOurs && rules !== undefined) this.receiver.reapply(rules, rib, path)
        }
        this.wake()
        return path < rib.pathLimit
      })
    }
  }

  #add(config: NeighborConfig, range: DynamicNeighborConfig | undefined): Peer {
    const neighbor = new Neighbor(this, config, range !== undefined)
    const kind = isInternal(this.config, config) ? SOURCE_KIND.internal : SOURCE_KIND.external
    const source = this.sources.add(kind, addressKey(config.address))
    const peer: Peer = {
      neighbor,
      routes: new NeighborRoutes(this, source),
      source,
      subscriber: {
        source,
        get isCongested() {
          return neighbor.isCongested
        },
        send: (octets) => {
          neighbor.updatesSent += countMessages(octets)
          neighbor.send(octets)
        },
      },
      range,
      faultsLogged: 0,
    }
    this.peers.set(config.address, peer)
    this.#bySource.set(source, peer)
    this.#byNeighbor.set(neighbor, peer)
    return peer
  }

  /** Ends a neighbor for good; its number is free when its last route is gone. */
  remove(peer: Peer, subcode: number, text?: string): void {
    peer.neighbor.stop(shutdownNotification(subcode, text))
    this.peers.delete(peer.neighbor.address)
    this.#byNeighbor.delete(peer.neighbor)
    peer.routes.remove(() => {
      this.#bySource.delete(peer.source)
      this.sources.remove(peer.source)
    })
    this.#deferral?.check()
  }

  #accepted(connection: TcpConnection): void {
    const { address } = connection.remote
    const peer = this.peers.get(address) ?? this.#dynamic(address)
    const wanted = peer?.neighbor.config.localAddress
    const isForUs = wanted === undefined || wanted === connection.local.address
    if (peer === undefined || !isForUs) {
      this.log.debug('connection refused', { remote: address, local: connection.local.address })
      connection.close()
      return
    }
    peer.neighbor.accept(connection)
  }

  /** A neighbor made for a connection from one of the ranges. */
  #dynamic(address: IpAddress): Peer | undefined {
    if (this.#config === undefined) return undefined
    const range = this.#config.dynamicNeighbors?.find((one) => contains(one.range, address))
    if (range === undefined) return undefined
    const most = range.maximum ?? DEFAULT_DYNAMIC_NEIGHBORS
    const count = [...this.peers.values()].filter((peer) => peer.range === range).length
    if (count >= most) {
      this.log.warn('too many dynamic neighbors', { remote: address, range: range.range, most })
      return undefined
    }
    const { range: _, maximum: __, remoteAs, ...options } = range
    const peer = this.#add({ ...options, address, remoteAs: remoteAs ?? 0, passive: true }, range)
    peer.neighbor.start()
    return peer
  }

  // ---- what neighbors tell ----

  stateChanged(neighbor: Neighbor, from: SessionState, to: SessionState, reason: string): void {
    this.emit({ kind: 'neighborState', neighbor: neighbor.address, from, to, reason })
    const peer = this.#byNeighbor.get(neighbor)
    if (peer?.range !== undefined && (to === 'Idle' || to === 'Active') && from !== 'Idle') {
      if (!peer.routes.isRetaining) this.remove(peer, CEASE_SUBCODE.peerDeconfigured)
    }
  }

  established(neighbor: Neighbor): void {
    const peer = this.#byNeighbor.get(neighbor)
    const { session } = neighbor
    if (peer === undefined || session === undefined) return
    const { kinds, routerIds, isClient } = this.sources
    kinds[peer.source] = neighbor.isInternal ? SOURCE_KIND.internal : SOURCE_KIND.external
    routerIds[peer.source] = ipv4ToNumber(session.remoteOpen.bgpIdentifier)
    isClient[peer.source] = neighbor.config.routeReflectorClient === true ? 1 : 0
    peer.faultsLogged = 0
    peer.routes.established(session, importRules(this.config, neighbor, session, peer.source))
    for (const family of sessionFamilies(session)) {
      if (exportsNothing(this.config, neighbor)) this.#sendEndOfRib(peer, family)
      else this.advertiser.subscribe(peer.subscriber, this.#subscription(peer, family))
    }
    this.#deferral?.check()
  }

  released(neighbor: Neighbor, cause: DownCause): void {
    const peer = this.#byNeighbor.get(neighbor)
    const session = neighbor.lastSession
    if (peer === undefined || session === undefined) return
    this.advertiser.unsubscribe(peer.subscriber)
    peer.routes.released(session, cause)
    this.#deferral?.check()
    this.wake()
  }

  update(neighbor: Neighbor, octets: Uint8Array, start: number, end: number): void {
    const peer = this.#byNeighbor.get(neighbor)
    const rules = peer?.routes.rules
    if (peer === undefined || rules === undefined) return
    this.receiver.receive(rules, octets, start, end)
    const { scan } = this.receiver
    if (scan.faults.length > 0) this.#logFaults(peer)
    if (scan.endOfRib !== undefined) this.#endOfRib(peer, scan.endOfRib)
    if (neighbor.config.prefixLimit !== undefined) this.#checkLimit(peer)
  }

  #logFaults(peer: Peer): void {
    if (peer.faultsLogged++ >= FAULTS_LOGGED_MAX) return
    const { treatment, message, attribute } = this.receiver.scan.faults[0]!
    const { address } = peer.neighbor
    this.log.warn('malformed UPDATE', { neighbor: address, treatment, attribute, message })
  }

  #endOfRib(peer: Peer, family: Family): void {
    peer.routes.endOfRib(family)
    this.emit({ kind: 'endOfRib', neighbor: peer.neighbor.address, family })
    this.#deferral?.check()
  }

  #checkLimit({ neighbor, source }: Peer): void {
    const { maximum, action, restartSeconds } = neighbor.config.prefixLimit!
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

  routeRefresh(neighbor: Neighbor, { afi, safi, subtype }: RouteRefresh): void {
    const peer = this.#byNeighbor.get(neighbor)
    const family = familyOfAfiSafi(afi, safi)
    if (peer === undefined || family === undefined || neighbor.session === undefined) return
    if (!sessionFamilies(neighbor.session).includes(family)) return
    if (subtype === ROUTE_REFRESH_SUBTYPE.beginning) peer.routes.beginRefresh(family)
    else if (subtype === ROUTE_REFRESH_SUBTYPE.end) peer.routes.endRefresh(family)
    else if (subtype === ROUTE_REFRESH_SUBTYPE.request) this.resend(peer, family)
  }

  /** Sends our routes again, between BoRR and EoRR where the neighbor knows those (RFC 7313). */
  resend(peer: Peer, family: Family): void {
    const { session } = peer.neighbor
    if (session === undefined) return
    if (session.negotiated.enhancedRouteRefresh) {
      this.#sendRefresh(peer, family, ROUTE_REFRESH_SUBTYPE.beginning)
    }
    this.advertiser.resend(peer.subscriber, family)
  }

  /** Asks for the neighbor's routes again (RFC 2918); nothing happens if it cannot be asked. */
  requestRefresh(peer: Peer): void {
    const { session } = peer.neighbor
    if (session?.negotiated.routeRefresh !== true) return
    for (const family of sessionFamilies(session)) {
      this.#sendRefresh(peer, family, ROUTE_REFRESH_SUBTYPE.request)
    }
  }

  #sendRefresh(peer: Peer, family: Family, subtype: number): void {
    const writer = new ByteWriter(32)
    encodeRouteRefresh(writer, { kind: 'routeRefresh', ...afiSafiOf(family), subtype })
    peer.neighbor.send(writer.take())
  }

  #sendEndOfRib(peer: Peer, family: Family): void {
    const writer = new UpdateWriter({})
    writer.endOfRib(family)
    peer.subscriber.send(writer.take())
  }

  #subscription(peer: Peer, family: Family): Subscription {
    const { neighbor } = peer
    const session = neighbor.session!
    const rules = exportRules(this.config, neighbor, session, family)
    let isFirst = true
    const to = policyNeighbor(neighbor)
    return {
      family,
      rules,
      policy: exportsNothing(this.config, neighbor) ? rejectAll : neighbor.config.exportPolicy,
      adapt: (policy) =>
        policyAdapter(this.ribs[family], policy, to, rules, (source) => {
          const from = this.#bySource.get(source)
          return from === undefined ? undefined : policyNeighbor(from.neighbor)
        }),
      onRoutesSent: () => {
        if (isFirst) this.#sendEndOfRib(peer, family)
        else if (session.negotiated.enhancedRouteRefresh) {
          this.#sendRefresh(peer, family, ROUTE_REFRESH_SUBTYPE.end)
        }
        isFirst = false
      },
    }
  }

  // ---- routes of our own ----

  announce(prefix: Prefix, attributes: AnnouncedAttributes): void {
    const family = prefixFamily(prefix)
    const block = blockOfAttributes(originated(attributes, family), family)
    const set = this.attributes.intern(block, 0, block.length)
    const { words, length } = wordsOf(prefix)
    this.ribs[family].update(words, 0, length, OWN_SOURCE, 0, set, set, 0)
    this.attributes.release(set)
    this.wake()
  }

  withdraw(prefix: Prefix): void {
    const { words, length } = wordsOf(prefix)
    this.ribs[prefixFamily(prefix)].withdraw(words, 0, length, OWN_SOURCE, 0)
    this.wake()
  }

  // ---- listeners ----

  onBestPaths(listener: (changes: readonly BestPathChange[]) => void): () => void {
    const feeds = FAMILIES.map(
      (family) => new BestPathFeed(this.ribs[family], this.views, () => this.multipath, listener),
    )
    for (const feed of feeds) {
      this.#feeds.add(feed)
      feed.rib.attach(feed.queue, true)
      feed.queue.scanAll()
    }
    this.work.add(this.#feedJob)
    return () => {
      for (const feed of feeds) {
        this.#feeds.delete(feed)
        feed.rib.detach(feed.queue)
      }
    }
  }

  onEvent(listener: (event: SpeakerEvent) => void): () => void {
    this.#eventListeners.add(listener)
    return () => this.#eventListeners.delete(listener)
  }

  emit(event: SpeakerEvent): void {
    for (const listener of this.#eventListeners) listener(event)
  }

  wake(): void {
    this.advertiser.wake()
    if (this.#feeds.size > 0) this.work.add(this.#feedJob)
  }

  #runFeeds(): boolean {
    for (const feed of this.#feeds) {
      if (!feed.queue.isEmpty && !feed.rib.isDeferred) {
        feed.flush()
        return true
      }
    }
    this.#announceRestartDone()
    return false
  }

  /** Everything has been told to everybody. */
  #quiet(): void {
    this.#announceRestartDone()
    for (const family of FAMILIES) {
      const { prefixes, prefixCount } = this.ribs[family]
      const empty = prefixes.size - prefixCount
      if (empty > Math.max(4096, prefixes.size >>> 2) && !this.#isReclaiming) this.#reclaim(family)
    }
  }

  #reclaim(family: Family): void {
    const rib = this.ribs[family]
    const feeds = [...this.#feeds].filter((feed) => feed.rib === rib)
    let row = 0
    this.#isReclaiming = true
    this.work.add(() => {
      const end = row + JOB_ROWS
      rib.reclaim(
        row,
        end,
        (one) => this.advertiser.holds(family, one) || feeds.some((feed) => feed.holds(one)),
      )
      row = end
      this.#isReclaiming = row < rib.prefixes.rowLimit
      return this.#isReclaiming
    })
  }

  // ---- restart of this speaker ----

  #beginRestart(config: SpeakerConfig): void {
    for (const family of FAMILIES) this.ribs[family].isDeferred = true
    this.#deferral = new RestartDeferral(
      this.clock,
      config.gracefulRestart?.selectionDeferralSeconds,
      () => [...this.peers.values()],
      (reason) => this.#endRestart(reason),
    )
  }

  #endRestart(reason: 'end of RIB' | 'timer'): void {
    this.#deferral = undefined
    let remaining = FAMILIES.length
    for (const family of FAMILIES) {
      const rib = this.ribs[family]
      rib.isDeferred = false
      let row = 0
      this.work.add(() => {
        const end = row + JOB_ROWS
        rib.selectDeferred(row, end)
        row = end
        this.wake()
        if (row < rib.prefixes.rowLimit) return true
        remaining--
        if (remaining === 0) this.#restartDone = reason
        return false
      })
    }
  }

  #announceRestartDone(): void {
    const reason = this.#restartDone
    const isTold = [...this.#feeds].every((feed) => feed.queue.isEmpty)
    if (reason === undefined || !isTold) return
    this.#restartDone = undefined
    this.emit({ kind: 'restartComplete', reason })
  }

  usedPaths(rib: Rib, row: number): number[] {
    return usedPaths(rib, row, this.multipath)
  }

  /** Ends all work and all sessions. */
  stop(subcode: number | undefined, text: string | undefined): void {
    this.listeners.close()
    for (const peer of this.peers.values()) {
      peer.neighbor.stop(subcode === undefined ? undefined : shutdownNotification(subcode, text))
    }
    this.#deferral?.stop()
    this.work.stop()
  }
}

/** What all sessions depend on. */
function globalKey(config: SpeakerConfig): string {
  const { localAs, routerId, clusterId, gracefulRestart, requirePolicy } = config
  const { restarting: _, ...graceful } = gracefulRestart ?? {}
  const offers = gracefulRestart === undefined ? undefined : graceful
  return JSON.stringify({ localAs, routerId, clusterId, offers, requirePolicy })
}

/** What can be changed while a session stays up. */
const CHANGEABLE = new Set(['importPolicy', 'exportPolicy', 'prefixLimit', 'description'])

/** What the session with a neighbor depends on. */
function neighborKey(config: NeighborConfig): string {
  const fixed = Object.entries(config).filter(([name]) => !CHANGEABLE.has(name))
  return JSON.stringify(fixed.sort(([a], [b]) => (a < b ? -1 : 1)))
}

function sameRange(a: DynamicNeighborConfig, b: DynamicNeighborConfig): boolean {
  const isSame = JSON.stringify(a) === JSON.stringify(b)
  return isSame && a.importPolicy === b.importPolicy && a.exportPolicy === b.exportPolicy
}

/** Messages in octets that are whole messages. */
function countMessages(octets: Uint8Array): number {
  let count = 0
  for (let at = 0; at < octets.length; count++) at += (octets[at + 16]! << 8) | octets[at + 17]!
  return count
}
