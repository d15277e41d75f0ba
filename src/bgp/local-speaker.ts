import { UserError } from '../lib/errors.ts'
import { FAMILIES, type Family, type IpAddress } from '../net/ip-address.ts'
import { type Prefix, prefixFamily } from '../net/prefix.ts'
import { CEASE_SUBCODE } from '../wire/bgp/iana.ts'
import { shutdownNotification } from '../wire/bgp/notification.ts'
import type { Bfd, BfdSessionConfig } from './bfd/bfd.ts'
import { followNeighbors } from './bfd/follow-neighbors.ts'
import type { SpeakerConfig } from './config.ts'
import { neighborStatus } from './neighbor-status.ts'
import { wordsOf } from './rib/prefix-text.ts'
import type { AnnouncedAttributes } from './route-attributes.ts'
import { sessionFamilies } from './session-rules.ts'
import type { ResetOptions, RibFilter, Speaker } from './speaker.ts'
import type { Peer } from './peers.ts'
import { type CorePorts, SpeakerCore } from './speaker-core.ts'
import type {
  BestPathChange,
  NeighborStatus,
  RibPath,
  RouteHistoryEntry,
  SpeakerEvent,
} from './status.ts'

/** How long `stop` waits for what is said last to leave. */
const STOP_MILLISECONDS = 200

/** The speaker of this process: the face of {@link SpeakerCore} that others use. */
export class LocalSpeaker implements Speaker {
  readonly #core: SpeakerCore

  constructor(ports: CorePorts & { readonly bfd?: Bfd }) {
    this.#core = new SpeakerCore(ports)
    if (ports.bfd !== undefined) {
      followNeighbors(ports.bfd, {
        onEvent: (listener) => this.#core.onEvent(listener),
        bfdSessionOf: (address) => this.#bfdSessionOf(address),
        neighborDown: (address, reason) => this.neighborDown(address, reason),
        defer: ports.defer,
        log: ports.log,
      })
    }
  }

  /** One hop for a directly connected eBGP neighbor, else several (RFC 5883), as the BGP session is. */
  #bfdSessionOf(address: IpAddress): BfdSessionConfig | undefined {
    const neighbor = this.#core.peers.at(address)?.neighbor
    const { config, session, isInternal } = neighbor ?? {}
    if (config?.bfd === undefined || session === undefined) return undefined
    const multihop = isInternal === true || config.multihopTtl !== undefined
    return { multihop, ...config.bfd, local: session.localAddress, remote: address }
  }

  configure(config: SpeakerConfig): void {
    this.#core.configure(config)
  }

  announce(prefix: Prefix, attributes: AnnouncedAttributes = {}): void {
    this.#core.tables.announce(prefix, attributes)
    this.#core.wake()
  }

  withdraw(prefix: Prefix): void {
    this.#core.tables.withdraw(prefix)
    this.#core.wake()
  }

  onBestPaths(listener: (changes: readonly BestPathChange[]) => void): () => void {
    return this.#core.feeds.add(listener)
  }

  onEvent(listener: (event: SpeakerEvent) => void): () => void {
    return this.#core.onEvent(listener)
  }

  neighbors(): readonly NeighborStatus[] {
    return [...this.#core.peers.all()].map((peer) => neighborStatus(this.#core, peer))
  }

  listening(): readonly number[] {
    return this.#core.listeners.ports
  }

  paths(prefix: Prefix): readonly RibPath[] {
    const rib = this.#core.ribs[prefixFamily(prefix)]
    const { words, length } = wordsOf(prefix)
    const row = rib.prefixes.find(words, 0, length)
    return row < 0 ? [] : this.#core.views.ribPaths(rib, row, this.#core.usedPaths(rib, row))
  }

  *routes(filter: RibFilter = {}): Generator<RibPath> {
    const families: readonly Family[] = filter.family === undefined ? FAMILIES : [filter.family]
    const to = filter.to === undefined ? undefined : this.#peer(filter.to)
    for (const family of families) {
      const rib = this.#core.ribs[family]
      for (let row = 0; row < rib.prefixes.rowLimit; row++) {
        if (rib.first[row]! < 0) continue
        if (to !== undefined && !this.#isAdvertised(to, family, row)) continue
        const used = this.#core.usedPaths(rib, row)
        for (const path of this.#core.views.ribPaths(rib, row, used)) {
          if (filter.from !== undefined && path.from !== filter.from) continue
          if ((filter.bestOnly === true || to !== undefined) && !path.best) continue
          yield path
        }
      }
    }
  }

  history(prefix: Prefix): readonly RouteHistoryEntry[] {
    return this.#core.tables.history(prefix)
  }

  reset(neighbor: IpAddress, options: ResetOptions = {}): void {
    const { administrativeReset } = CEASE_SUBCODE
    this.#peer(neighbor).neighbor.reset(
      shutdownNotification(administrativeReset, options.communication),
      0,
    )
  }

  refresh(neighbor: IpAddress, direction: 'in' | 'out'): void {
    const peer = this.#peer(neighbor)
    const { session } = peer.neighbor
    if (session === undefined) return
    if (direction === 'in') this.#core.requestRefresh(peer)
    else for (const family of sessionFamilies(session)) this.#core.resend(peer, family)
  }

  neighborDown(neighbor: IpAddress, reason: string): void {
    this.#core.log.info('Neighbor is down', { neighbor, reason })
    // RFC 9384: Cease, BFD Down.
    this.#peer(neighbor).neighbor.reset(shutdownNotification(CEASE_SUBCODE.bfdDown))
  }

  stop(options: { graceful?: boolean; communication?: string } = {}): Promise<void> {
    const subcode = options.graceful === true ? undefined : CEASE_SUBCODE.administrativeShutdown
    this.#core.stop(subcode, options.communication)
    return new Promise((resolve) => {
      this.#core.clock.after(options.graceful === true ? 0 : STOP_MILLISECONDS, resolve)
    })
  }

  #peer(address: IpAddress): Peer {
    const peer = this.#core.peers.at(address)
    if (peer === undefined) throw new UserError(`There is no neighbor ${address}`)
    return peer
  }

  #isAdvertised(peer: Peer, family: Family, row: number): boolean {
    return this.#core.advertiser.isAdvertisedTo(peer.subscriber, family, row)
  }
}
