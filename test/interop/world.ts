import { createBfd } from '../../src/bgp/bfd/create-bfd.ts'
import type { Bfd } from '../../src/bgp/bfd/bfd.ts'
import type { NeighborConfig, SpeakerConfig } from '../../src/bgp/config.ts'
import type { RouteAttributes } from '../../src/bgp/route-attributes.ts'
import { createSpeaker, type Speaker } from '../../src/bgp/speaker.ts'
import type { NeighborStatus, RibPath } from '../../src/bgp/status.ts'
import { silentLog } from '../../src/lib/log.ts'
import { ip } from '../../src/net/ip-address.ts'
import { prefix } from '../../src/net/prefix.ts'
import type { LinuxKernel } from '../../src/platform/linux/linux-kernel.ts'
import { createLinuxMachine, type LinuxMachine } from '../../src/platform/linux/machine.ts'
import { systemClock } from '../../src/platform/node/clock.ts'
import { systemRandom } from '../../src/platform/node/random.ts'
import { eventually } from '../support/command.ts'
import {
  type Feature,
  type PeerDriver,
  type PeerSession,
  type PeerSetup,
  type RunningPeer,
  type SeenRoute,
} from './peer.ts'
import { Testbed } from './testbed.ts'

/** The peer's AS; an iBGP session has it on both sides. */
export const PEER_AS = 65100
const PEER_ROUTER_ID = '10.66.0.100'

/**
 * The speakers under test and the sessions each has with the peer. One process holds them all, so
 * that what one announces can be seen coming back, through the peer, at another.
 */
export const SPEAKERS = {
  /** eBGP of every kind. */
  external: { as: 65001, routerId: '10.66.0.1' },
  /** Another AS: receives what the peer passes on, and several paths of a prefix. */
  far: { as: 65002, routerId: '10.66.0.2' },
  /** Has one session only, so that what that loses is lost. */
  single: { as: 65003, routerId: '10.66.0.3' },
  /** Clients of the peer as a route reflector. */
  client: { as: PEER_AS, routerId: '10.66.0.4' },
  otherClient: { as: PEER_AS, routerId: '10.66.0.5' },
  /** A route reflector with the peer and `leaf` as clients. */
  reflector: { as: PEER_AS, routerId: '10.66.0.6' },
  leaf: { as: PEER_AS, routerId: '10.66.0.7' },
  /** On either side of the peer as a speaker of two-octet AS numbers. */
  large: { as: 4_200_000_001, routerId: '10.66.0.8' },
  otherLarge: { as: 4_200_000_002, routerId: '10.66.0.9' },
} as const

export type SpeakerName = keyof typeof SPEAKERS

interface SessionRow {
  readonly speaker: SpeakerName
  /** The session is set up only for a peer that has this feature. */
  readonly needs?: Feature
  /** Options of the peer's side. */
  readonly peer?: Partial<PeerSession>
  /** Options of our side. */
  readonly own?: Partial<NeighborConfig>
}

const SESSIONS = {
  active: { speaker: 'external', peer: { passive: true } },
  passive: { speaker: 'external', own: { passive: true } },
  ipv6: { speaker: 'external', peer: { family: 6 } },
  md5: {
    speaker: 'external',
    needs: 'md5',
    peer: { md5: 'tortoiseshell', passive: true },
    own: { md5Key: 'tortoiseshell' },
  },
  md5Passive: {
    speaker: 'external',
    needs: 'md5Passive',
    peer: { md5: 'tortoiseshell' },
    own: { md5Key: 'tortoiseshell', passive: true },
  },
  ttl: {
    speaker: 'external',
    needs: 'ttlSecurity',
    peer: { ttlSecurity: true, passive: true },
    own: { ttlSecurityHops: 1 },
  },
  ttlPassive: {
    speaker: 'external',
    needs: 'ttlSecurityPassive',
    peer: { ttlSecurity: true },
    own: { ttlSecurityHops: 1, passive: true },
  },
  bfd: { speaker: 'external', needs: 'bfd', peer: { bfd: true }, own: { bfd: {} } },
  paths: {
    speaker: 'far',
    needs: 'addPaths',
    peer: { addPaths: true },
    own: { addPaths: 'both' },
  },
  onward: { speaker: 'far' },
  single: { speaker: 'single', peer: { gracefulRestart: true } },
  client: { speaker: 'client', needs: 'reflected', peer: { reflectorClient: true } },
  otherClient: { speaker: 'otherClient', needs: 'reflected', peer: { reflectorClient: true } },
  reflector: { speaker: 'reflector', own: { routeReflectorClient: true } },
  large: { speaker: 'large', needs: 'twoOctet', peer: { twoOctet: true } },
  otherLarge: { speaker: 'otherLarge', needs: 'twoOctet', peer: { twoOctet: true } },
} as const satisfies Record<string, SessionRow>

export type SessionLabel = keyof typeof SESSIONS
const LABELS = Object.keys(SESSIONS) as SessionLabel[]

/** Our own end of a session, and the peer's. */
export function ends(label: SessionLabel): { readonly own: string; readonly peer: string } {
  const network = LABELS.indexOf(label) + 1
  return (SESSIONS[label] as SessionRow).peer?.family === 6
    ? { own: `fd00:66:${network}::1`, peer: `fd00:66:${network}::2` }
    : { own: `10.66.${network}.1`, peer: `10.66.${network}.2` }
}

/** Sessions between our own speakers, over addresses of sessions that exist anyway. */
const LINKS = [
  { from: 'far', at: 'onward', to: 'external', with: 'active' },
  { from: 'leaf', at: 'leaf', to: 'reflector', with: 'reflector' },
] as const
/** On the network of the reflector's session, so that the peer can reach what the leaf announces. */
const LEAF_ADDRESS = ends('reflector').own.replace(/1$/, '3')

function addressOf(label: SessionLabel | 'leaf'): string {
  return label === 'leaf' ? LEAF_ADDRESS : ends(label).own
}

/** Speakers and one peer, connected. */
export class World {
  readonly driver: PeerDriver
  readonly testbed: Testbed
  readonly labels: readonly SessionLabel[]
  readonly speakers = new Map<SpeakerName, Speaker>()
  readonly #machine: LinuxMachine
  readonly #kernel: LinuxKernel
  readonly #bfd: Bfd
  peer: RunningPeer

  private constructor(driver: PeerDriver) {
    this.driver = driver
    this.labels = LABELS.filter((label) => {
      const { needs } = SESSIONS[label] as SessionRow
      return needs === undefined || driver.lacks[needs] === undefined
    })
    const sessions = this.labels.map(peerSession)
    this.testbed = new Testbed(sessions, [`${LEAF_ADDRESS}/24`])
    this.#machine = createLinuxMachine()
    this.#kernel = this.#machine.openNamespace(this.testbed.own)
    const { udp } = this.#kernel
    this.#bfd = createBfd({ clock: systemClock, random: systemRandom, udp, log: silentLog })
    for (const name of Object.keys(SPEAKERS) as SpeakerName[]) this.startSpeaker(name)
    this.peer = this.#startPeer(false)
  }

  /** Starts everything; resolves when the peer answers its control command. */
  static async start(driver: PeerDriver): Promise<World> {
    const world = new World(driver)
    try {
      await world.#answering()
    } catch (error) {
      await world.close()
      throw error
    }
    return world
  }

  async #answering(): Promise<void> {
    let failure = ''
    await eventually(
      `an answer of ${this.driver.title}`,
      15,
      () =>
        this.peer.established().then(
          () => true,
          (error: unknown) => {
            failure = String(error)
            return false
          },
        ),
      () => `${failure}\n${this.testbed.peerLog()}`,
    )
  }

  /** Starts a speaker, or starts it again. */
  startSpeaker(name: SpeakerName, changes: Partial<SpeakerConfig> = {}): Speaker {
    const speaker = createSpeaker({
      clock: systemClock,
      random: systemRandom,
      tcp: this.#kernel.tcp,
      log: silentLog,
      defer: (task) => void setImmediate(task),
      bfd: this.#bfd,
    })
    speaker.configure({ ...this.configuration(name), ...changes })
    this.speakers.set(name, speaker)
    return speaker
  }

  configuration(name: SpeakerName): SpeakerConfig {
    const { as, routerId } = SPEAKERS[name]
    const labels = this.labels.filter((label) => SESSIONS[label].speaker === name)
    const own: (SessionLabel | 'leaf')[] = name === 'leaf' ? ['leaf'] : labels
    return {
      localAs: as,
      routerId: ip(routerId),
      listen: own.map((label) => ({ address: ip(addressOf(label)), port: 179 })),
      neighbors: [...labels.map(neighborConfig), ...linkConfigs(name)],
      gracefulRestart: { restartTimeSeconds: 60 },
    }
  }

  #startPeer(restarted: boolean): RunningPeer {
    return this.testbed.run(this.driver, { ...this.#setup(), restarted })
  }

  #setup(): PeerSetup {
    const sessions = this.labels.map(peerSession)
    return { as: PEER_AS, routerId: PEER_ROUTER_ID, sessions, restarted: false }
  }

  /** Starts the peer again after its crash. */
  async restartPeer(): Promise<void> {
    this.peer = this.#startPeer(true)
    await this.#answering()
  }

  speaker(name: SpeakerName): Speaker {
    return this.speakers.get(name)!
  }

  of(label: SessionLabel): Speaker {
    return this.speaker(SESSIONS[label].speaker)
  }

  status(label: SessionLabel): NeighborStatus {
    const address = ip(ends(label).peer)
    const found = this.of(label)
      .neighbors()
      .find((neighbor) => neighbor.address === address)
    if (found === undefined) throw new Error(`There is no neighbor ${address}`)
    return found
  }

  /** Waits until both sides say that a session is established. */
  async established(label: SessionLabel): Promise<void> {
    await eventually(
      `session "${label}" at Tortie`,
      25,
      () => this.status(label).state === 'Established',
      () => JSON.stringify(this.status(label), undefined, 1),
    )
    await eventually(`session "${label}" at ${this.driver.title}`, 10, async () =>
      (await this.peer.established()).has(label),
    )
  }

  /** A route received from the peer on a session, once it is there. */
  received(label: SessionLabel, text: string): Promise<RibPath> {
    const from = ip(ends(label).peer)
    const wanted = prefix(text)
    return eventually(
      `${text} from the peer on "${label}"`,
      15,
      () =>
        this.of(label)
          .paths(wanted)
          .find((path) => path.from === from),
      () =>
        Array.from(this.of(label).routes({ from }), (path) => JSON.stringify(path)).join('\n') ||
        'no route from there',
    )
  }

  /** A route as the peer shows it, once it is there. */
  shown(label: SessionLabel, text: string): Promise<SeenRoute> {
    let last: readonly SeenRoute[] = []
    return eventually(
      `${text} at the peer on "${label}"`,
      15,
      async () => {
        last = await this.peer.received(label)
        return last.find((route) => route.prefix === text)
      },
      () => JSON.stringify(last),
    )
  }

  /** State of the BFD session of a neighbor. */
  bfdState(label: SessionLabel): string | undefined {
    const remote = ip(ends(label).peer)
    return this.#bfd.sessions().find((session) => session.remote === remote)?.state
  }

  bfdDetectionMilliseconds(label: SessionLabel): number {
    const remote = ip(ends(label).peer)
    const session = this.#bfd.sessions().find((one) => one.remote === remote)
    return session?.detectionTimeMilliseconds ?? Number.POSITIVE_INFINITY
  }

  announce(name: SpeakerName, text: string, attributes: Partial<RouteAttributes> = {}): void {
    this.speaker(name).announce(prefix(text), attributes)
  }

  async close(): Promise<void> {
    this.peer.stop()
    await Promise.all(Array.from(this.speakers.values(), (speaker) => speaker.stop()))
    this.#bfd.close()
    this.#machine.close()
    this.testbed.close()
  }
}

function peerSession(label: SessionLabel): PeerSession {
  const { speaker, peer = {} } = SESSIONS[label] as SessionRow
  const { own, peer: local } = ends(label)
  return {
    label,
    family: 4,
    local,
    remote: own,
    remoteAs: SPEAKERS[speaker].as,
    passive: false,
    ...peer,
  }
}

function neighborConfig(label: SessionLabel): NeighborConfig {
  const { own = {} } = SESSIONS[label] as SessionRow
  const { own: localAddress, peer } = ends(label)
  return {
    address: ip(peer),
    localAddress: ip(localAddress),
    remoteAs: PEER_AS,
    connectRetrySeconds: 1,
    ...own,
  }
}

function linkConfigs(name: SpeakerName): NeighborConfig[] {
  const config = (own: SessionLabel | 'leaf', other: SessionLabel | 'leaf', as: number) => ({
    address: ip(addressOf(other)),
    localAddress: ip(addressOf(own)),
    remoteAs: as,
    connectRetrySeconds: 1,
    ...(name === 'reflector' ? { routeReflectorClient: true } : {}),
  })
  return LINKS.flatMap((link) => {
    if (link.from === name) return [config(link.at, link.with, SPEAKERS[link.to].as)]
    if (link.to === name) return [config(link.with, link.at, SPEAKERS[link.from].as)]
    return []
  })
}
