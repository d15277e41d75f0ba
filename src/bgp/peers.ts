import type { Family, IpAddress } from '../net/ip-address.ts'
import { contains } from '../net/prefix.ts'
import type { TcpConnection } from '../net/transport.ts'
import { CEASE_SUBCODE } from '../wire/bgp/iana.ts'
import { shutdownNotification } from '../wire/bgp/notification.ts'
import type { DynamicNeighborConfig, NeighborConfig, SpeakerConfig } from './config.ts'
import { isSameRange, isSameSession } from './config-keys.ts'
import { BgpNeighbor, type NeighborHost } from './session/neighbor.ts'
import { NeighborRoutes, type NeighborRoutesHost } from './neighbor-routes.ts'
import { addressKey, isInternal } from './session/neighbor-settings.ts'
import { SOURCE_KIND, type Sources } from './rib/sources.ts'

/** A neighbor with what the speaker keeps of it. */
export interface Peer {
  readonly neighbor: BgpNeighbor
  readonly routes: NeighborRoutes
  readonly source: number
  readonly subscriber: {
    readonly source: number
    readonly isCongested: boolean
    send(octets: Uint8Array): void
  }
  /** The range that it was accepted from. */
  readonly range: DynamicNeighborConfig | undefined
  /** By family, what it is being told: all routes for the first time, or again between BoRR and EoRR. */
  readonly telling: Map<Family, 'initial' | 'refresh'>
  /** Malformed UPDATEs logged since the session came up. */
  faultsLogged: number
  /** Announcements beyond the limit, since the neighbor last began to send all of its routes. */
  readonly refused: Record<Family, number>
  /** Families of which it has been told that the limit is reached. */
  readonly limitTold: Set<Family>
}

export interface PeersHost extends NeighborHost, NeighborRoutesHost {
  readonly sources: Sources
  /** The configuration of a neighbor changed in what its session need not end for. */
  adjusted(peer: Peer, before: NeighborConfig): void
}

const DEFAULT_DYNAMIC_NEIGHBORS = 100

/** The neighbors that there are: made, found, compared with the configuration, removed. */
export class Peers {
  readonly #host: PeersHost
  readonly #byAddress = new Map<IpAddress, Peer>()
  readonly #bySource = new Map<number, Peer>()
  readonly #byNeighbor = new Map<BgpNeighbor, Peer>()

  constructor(host: PeersHost) {
    this.#host = host
  }

  all(): MapIterator<Peer> {
    return this.#byAddress.values()
  }

  at(address: IpAddress): Peer | undefined {
    return this.#byAddress.get(address)
  }

  /** Also of a neighbor that was removed and has left routes that are going. */
  ofSource(source: number): Peer | undefined {
    return this.#bySource.get(source)
  }

  of(neighbor: BgpNeighbor): Peer | undefined {
    return this.#byNeighbor.get(neighbor)
  }

  /** Makes the neighbors what `config` says; with `restartsAll` every session is ended. */
  configure(config: SpeakerConfig, restartsAll: boolean): void {
    const wanted = new Map(config.neighbors.map((neighbor) => [neighbor.address, neighbor]))
    for (const peer of this.#byAddress.values()) {
      const next = wanted.get(peer.neighbor.address)
      const { range } = peer
      if (range !== undefined) {
        const isKept = config.dynamicNeighbors?.some((one) => isSameRange(one, range)) ?? false
        if (next !== undefined || !isKept || restartsAll) this.remove(peer)
      } else if (next === undefined) this.remove(peer)
      else this.#reconfigure(peer, next, restartsAll)
    }
    for (const neighbor of config.neighbors) {
      if (!this.#byAddress.has(neighbor.address)) this.#add(neighbor, undefined).neighbor.start()
    }
  }

  #reconfigure(peer: Peer, next: NeighborConfig, restarts: boolean): void {
    const before = peer.neighbor.config
    if (!restarts && isSameSession(before, next)) {
      peer.neighbor.config = next
      this.#host.adjusted(peer, before)
      return
    }
    const { shutdown } = next
    const { administrativeShutdown, otherConfigurationChange } = CEASE_SUBCODE
    const isShut = shutdown === true || typeof shutdown === 'string'
    const text = typeof shutdown === 'string' ? shutdown : undefined
    this.remove(peer, isShut ? administrativeShutdown : otherConfigurationChange, text)
  }

  /** Ends a neighbor for good; its number is free when its last route is gone. */
  remove(peer: Peer, subcode: number = CEASE_SUBCODE.peerDeconfigured, text?: string): void {
    peer.neighbor.stop(shutdownNotification(subcode, text))
    this.#byAddress.delete(peer.neighbor.address)
    this.#byNeighbor.delete(peer.neighbor)
    peer.routes.remove(() => {
      this.#bySource.delete(peer.source)
      this.#host.sources.remove(peer.source)
    })
  }

  /** A connection from outside: to the neighbor that it is from, or refused. */
  accept(connection: TcpConnection): void {
    const { address } = connection.remote
    const peer = this.#byAddress.get(address) ?? this.#dynamic(address)
    const wanted = peer?.neighbor.config.localAddress
    const isForUs = wanted === undefined || wanted === connection.local.address
    if (peer === undefined || !isForUs) {
      const { log } = this.#host
      log.debug('Connection refused', { remote: address, local: connection.local.address })
      connection.close()
      return
    }
    peer.neighbor.accept(connection)
  }

  /** A neighbor made for a connection from one of the ranges. */
  #dynamic(address: IpAddress): Peer | undefined {
    const { dynamicNeighbors } = this.#host.config
    const range = dynamicNeighbors?.find((one) => contains(one.range, address))
    if (range === undefined) return undefined
    const most = range.maximum ?? DEFAULT_DYNAMIC_NEIGHBORS
    let count = 0
    for (const peer of this.#byAddress.values()) if (peer.range === range) count++
    if (count >= most) {
      const { log } = this.#host
      log.warn('Too many dynamic neighbors', { remote: address, range: range.range, most })
      return undefined
    }
    const { range: _, maximum: __, remoteAs, ...options } = range
    const peer = this.#add({ ...options, address, remoteAs: remoteAs ?? 0, passive: true }, range)
    peer.neighbor.start()
    return peer
  }

  #add(config: NeighborConfig, range: DynamicNeighborConfig | undefined): Peer {
    const host = this.#host
    const neighbor = new BgpNeighbor(host, config, range !== undefined)
    const kind = isInternal(host.config, config) ? SOURCE_KIND.internal : SOURCE_KIND.external
    const source = host.sources.add(kind, addressKey(config.address))
    const peer: Peer = {
      neighbor,
      routes: new NeighborRoutes(host, source),
      source,
      subscriber: {
        source,
        get isCongested() {
          return neighbor.isCongested
        },
        send: (octets) => neighbor.sendUpdates(octets),
      },
      range,
      telling: new Map(),
      faultsLogged: 0,
      refused: { 4: 0, 6: 0 },
      limitTold: new Set(),
    }
    this.#byAddress.set(config.address, peer)
    this.#bySource.set(source, peer)
    this.#byNeighbor.set(neighbor, peer)
    return peer
  }
}
