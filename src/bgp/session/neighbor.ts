import { asSecret } from '../../lib/secret.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Log } from '../../lib/log.ts'
import type { Random } from '../../lib/random.ts'
import { type IpAddress, ipv4ToNumber } from '../../net/ip-address.ts'
import type { TcpConnection, TcpHandlers, TcpStack } from '../../net/transport.ts'
import { BGP_PORT, CEASE_SUBCODE, ERROR_CODE, OPEN_SUBCODE } from '../../wire/bgp/iana.ts'
import type { Negotiated } from '../../wire/bgp/negotiate.ts'
import { hardReset, shutdownNotification } from '../../wire/bgp/notification.ts'
import type { Open } from '../../wire/bgp/open.ts'
import type { RouteRefresh } from '../../wire/bgp/route-refresh.ts'
import {
  newPeering,
  type Peering,
  type PeeringEffect,
  peeringState,
  peeringStep,
} from './collision.ts'
import type { NeighborConfig, SpeakerConfig } from '../config.ts'
import {
  type DownCause,
  type NotificationData,
  sendHoldSeconds,
  type SessionEvent,
  type SessionTimer,
} from './fsm.ts'
import { LazyTimer } from './lazy-timer.ts'
import { NeighborConnection } from './neighbor-connection.ts'
import { hopLimits, isInternal, sessionSettings } from './neighbor-settings.ts'
import { openFor } from './open-message.ts'
import type { SessionState } from '../status.ts'
import type { Work } from '../work.ts'

/** What a neighbor needs of the speaker around it. */
export interface NeighborHost {
  readonly clock: Clock
  readonly random: Random
  readonly tcp: TcpStack
  readonly log: Log
  readonly work: Work
  readonly config: SpeakerConfig
  /** The R bit is to be set. */
  readonly isRestarting: boolean
  stateChanged(neighbor: BgpNeighbor, from: SessionState, to: SessionState, reason: string): void
  established(neighbor: BgpNeighbor): void
  released(neighbor: BgpNeighbor, cause: DownCause): void
  /** False ends the processing of what arrived. */
  update(neighbor: BgpNeighbor, octets: Uint8Array, start: number, end: number): void
  routeRefresh(neighbor: BgpNeighbor, message: RouteRefresh): void
  /** Tables may have changed, or there is room to send. */
  wake(): void
}

const IDLE_HANDLERS: TcpHandlers = { onData() {}, onClose() {} }
const TIMER_EVENTS = {
  connectRetry: { kind: 'connectRetryTimerExpires' },
  hold: { kind: 'holdTimerExpires' },
  sendHold: { kind: 'sendHoldTimerExpires' },
  keepalive: { kind: 'keepaliveTimerExpires' },
  idleHold: { kind: 'idleHoldTimerExpires' },
  stable: { kind: 'stableTimerExpires' },
} as const satisfies Record<SessionTimer, SessionEvent>

/** Octets of UPDATEs under way to a neighbor after which no more are built for it. */
const UNSENT_OCTETS_MAX = 1 << 18

/** Time for the last words on a connection that is closed. */
const LINGER_MILLISECONDS = 2000

/** A connection with its timers: what one state machine's effects act on. */
interface TrackRunner {
  connection: NeighborConnection | undefined
  readonly timers: Record<SessionTimer, LazyTimer>
  negotiated: Negotiated | undefined
  remoteOpen: Open | undefined
}

/** An Established session. */
export interface EstablishedSession {
  readonly negotiated: Negotiated
  readonly remoteOpen: Open
  readonly localAddress: IpAddress
}

/** Runs the state machines of one neighbor: carries out their effects, brings them their events. */
export class BgpNeighbor {
  readonly address: IpAddress
  config: NeighborConfig
  readonly isDynamic: boolean
  readonly #host: NeighborHost
  readonly #log: Log
  #peering: Peering
  #primary: TrackRunner
  #second: TrackRunner | undefined
  readonly #events: { track: TrackRunner; event: SessionEvent }[] = []
  #isBusy = false
  /** Connection accepted, until an effect says what becomes of it. */
  #accepted: TcpConnection | undefined
  #isExpiryDoubted = false
  /** What was wrong with the neighbor's OPEN. */
  #objectionText: string | undefined

  session: EstablishedSession | undefined
  /** The session that is, or the one that was last. */
  lastSession: EstablishedSession | undefined
  since: number
  flaps = 0
  lastError: string | undefined
  shutdownCommunication: string | undefined
  updatesReceived = 0
  #messagesReceivedBefore = 0
  #messagesSentBefore = 0
  #updatesSentBefore = 0

  constructor(host: NeighborHost, config: NeighborConfig, isDynamic: boolean) {
    this.address = config.address
    this.config = config
    this.isDynamic = isDynamic
    this.#host = host
    this.#log = host.log.child({ neighbor: config.address })
    this.#peering = newPeering(sessionSettings(host.config, config))
    this.#primary = this.#newTrack()
    this.since = host.clock.wallTime()
  }

  get state(): SessionState {
    return peeringState(this.#peering)
  }

  get connection(): NeighborConnection | undefined {
    return this.#primary.connection
  }

  get isInternal(): boolean {
    return isInternal(this.#host.config, this.config)
  }

  get messagesReceived(): number {
    return this.#messagesReceivedBefore + (this.connection?.messagesReceived ?? 0)
  }

  get messagesSent(): number {
    return this.#messagesSentBefore + (this.connection?.messagesSent ?? 0)
  }

  get updatesSent(): number {
    return this.#updatesSentBefore + (this.connection?.updatesSent ?? 0)
  }

  /** Whether UPDATEs should wait until some have left. */
  get isCongested(): boolean {
    const { connection } = this.#primary
    if (connection === undefined || !connection.isCongested) return false
    return connection.tcp.unsentOctets > UNSENT_OCTETS_MAX
  }

  start(): void {
    const { shutdown } = this.config
    if (shutdown === true || typeof shutdown === 'string') return
    this.#dispatch(this.#primary, { kind: 'manualStart' })
  }

  /** Ends everything for good, with a Cease, or without a word so that the neighbor retains routes. */
  stop(notification: NotificationData | undefined): void {
    if (notification === undefined) {
      this.#primary.connection?.abandon()
      this.#second?.connection?.abandon()
    }
    const told = notification ?? shutdownNotification(CEASE_SUBCODE.administrativeShutdown)
    // RFC 8538 section 3.1: a neighbor that would retain routes over a NOTIFICATION is to drop them now.
    const isRetained = this.session?.negotiated.gracefulNotification === true
    const final = isRetained ? hardReset(told) : told
    this.#dispatch(this.#primary, { kind: 'manualStop', notification: final })
  }

  /** Ends the session; it comes back by itself after a while, or only when started if that is Infinity. */
  reset(notification: NotificationData, waitSeconds?: number): void {
    this.#dispatch(this.#primary, {
      kind: 'automaticStop',
      notification,
      cause: 'notificationSent',
      ...(waitSeconds === undefined ? {} : { waitSeconds }),
    })
  }

  accept(connection: TcpConnection): void {
    this.#accepted = connection
    this.#dispatch(this.#primary, { kind: 'tcpAccepted' })
  }

  /** Sends UPDATEs of the Established session, those of one batch together. */
  sendUpdates(octets: Uint8Array): void {
    this.#primary.connection?.sendUpdates(octets)
  }

  /** Sends one message of the Established session. */
  send(message: Uint8Array): void {
    this.#primary.connection?.send(message)
  }

  #newTrack(): TrackRunner {
    const { clock } = this.#host
    const timer = (name: SessionTimer): LazyTimer =>
      new LazyTimer(clock, () => this.#expired(track, name))
    const track: TrackRunner = {
      connection: undefined,
      timers: {
        connectRetry: timer('connectRetry'),
        hold: timer('hold'),
        sendHold: timer('sendHold'),
        keepalive: timer('keepalive'),
        idleHold: timer('idleHold'),
        stable: timer('stable'),
      },
      negotiated: undefined,
      remoteOpen: undefined,
    }
    return track
  }

  /** A hold timer is doubted once: what the neighbor sent may be waiting to be read. */
  #expired(track: TrackRunner, name: SessionTimer): void {
    if (name === 'hold' && track.connection !== undefined) {
      if (track.connection.isBehind || !this.#isExpiryDoubted) {
        this.#isExpiryDoubted = true
        track.timers.hold.set(1)
        return
      }
      this.#isExpiryDoubted = false
    }
    this.#dispatch(track, TIMER_EVENTS[name])
  }

  /** Events that effects cause wait until the step in hand is done. */
  #dispatch(track: TrackRunner, event: SessionEvent): void {
    this.#events.push({ track, event })
    if (this.#isBusy) return
    this.#isBusy = true
    try {
      for (let next = this.#events.shift(); next !== undefined; next = this.#events.shift()) {
        this.#step(next.track, next.event)
      }
    } finally {
      this.#isBusy = false
    }
  }

  #step(runner: TrackRunner, event: SessionEvent): void {
    const track = runner === this.#primary ? 'primary' : 'second'
    if (track === 'second' && runner !== this.#second) return
    const before = this.state
    const { peering, effects, reason } = peeringStep(this.#peering, track, event)
    this.#peering = peering
    for (const effect of effects) this.#carryOut(effect)
    if (peering.second === undefined) this.#second = undefined
    const after = this.state
    if (this.#log.topics['bgp.fsm']) {
      const did = effects.map(({ effect }) => effect.do)
      const fields = { event: event.kind, track, from: before, to: after, did, reason }
      this.#log.tell('bgp.fsm', 'BGP event', fields)
    }
    if (before === after) return
    this.since = this.#host.clock.wallTime()
    if (after === 'Idle' || (after === 'Active' && before !== 'Idle')) {
      this.lastError = this.#objectionText ?? reason
    }
    this.#objectionText = undefined
    if (before === 'Established') this.flaps++
    const fields = { from: before, to: after, reason }
    if (after === 'Established') this.#log.info('Session up', fields)
    else if (before === 'Established') this.#log.info('Session down', fields)
    else this.#log.debug('Session state', fields)
    this.#host.stateChanged(this, before, after, reason)
  }

  #carryOut({ track, effect }: PeeringEffect): void {
    if (effect.do === 'adopt') return this.#adopt(track)
    const runner = track === 'primary' ? this.#primary : this.#second
    if (runner === undefined) return
    switch (effect.do) {
      case 'refuse':
        this.#accepted?.close()
        this.#accepted = undefined
        break
      case 'promote':
        this.#primary = runner
        this.#second = undefined
        if (this.#peering.primary.state === 'Established') this.#established(runner)
        break
      case 'connect':
        this.#connect(runner)
        break
      case 'close':
        this.#close(runner)
        break
      case 'sendOpen':
        this.shutdownCommunication = undefined
        runner.connection?.sendOpen(
          openFor(this.#host.config, this.address, this.config, this.#host.isRestarting),
        )
        break
      case 'sendKeepalive':
        runner.connection?.sendKeepalive()
        break
      case 'sendNotification':
        runner.connection?.sendNotification(effect.notification)
        break
      case 'setTimer':
        runner.timers[effect.timer].set(this.#milliseconds(effect.timer, effect.seconds))
        break
      case 'stopTimer':
        runner.timers[effect.timer].stop()
        break
      case 'establish':
        if (runner === this.#primary) this.#established(runner)
        break
      case 'release':
        this.session = undefined
        this.#host.released(this, effect.cause)
        break
    }
  }

  /** RFC 4271 section 10: jitter on the timers that would beat in time with the neighbors' otherwise. */
  #milliseconds(timer: SessionTimer, seconds: number): number {
    const isJittered = timer === 'keepalive' || timer === 'connectRetry'
    const factor = isJittered ? 0.75 + 0.25 * this.#host.random.fraction() : 1
    return seconds * 1000 * factor
  }

  #adopt(track: 'primary' | 'second'): void {
    const connection = this.#accepted
    this.#accepted = undefined
    if (connection === undefined) return
    connection.setHopLimits?.(hopLimits(this.#host.config, this.config))
    if (track === 'second') this.#second = this.#newTrack()
    this.#attach(track === 'primary' ? this.#primary : this.#second!, connection)
  }

  #connect(runner: TrackRunner): void {
    const { config } = this
    const connection = this.#host.tcp.connect(
      {
        remote: { address: config.address, port: config.port ?? BGP_PORT },
        ...(config.localAddress === undefined ? {} : { source: config.localAddress }),
        ...(config.md5Key === undefined ? {} : { md5Key: asSecret(config.md5Key) }),
        ...(config.interface === undefined ? {} : { interface: config.interface }),
        ...hopLimits(this.#host.config, config),
      },
      IDLE_HANDLERS,
    )
    this.#attach(runner, connection)
  }

  #attach(runner: TrackRunner, tcp: TcpConnection): void {
    this.#count(runner.connection)
    runner.connection = new NeighborConnection(tcp, this.#host.work, this.#log, {
      event: (event) => this.#dispatch(runner, event),
      open: (open) => this.#opened(runner, open),
      update: (octets, start, end) => {
        this.updatesReceived++
        this.#host.update(this, octets, start, end)
        return runner.connection !== undefined
      },
      routeRefresh: (message) => {
        this.#dispatch(runner, { kind: 'routeRefreshReceived' })
        if (this.session !== undefined) this.#host.routeRefresh(this, message)
      },
      shutdownCommunication: (text) => (this.shutdownCommunication = text),
      heard: () => this.#heard(runner),
      taken: () => this.#taken(runner),
      processed: () => this.#host.wake(),
      drained: () => this.#host.wake(),
    })
  }

  /** UPDATEs put the hold timer off without a step of the machine each: it has nothing else to do then. */
  #heard(runner: TrackRunner): void {
    this.#isExpiryDoubted = false
    const holdTimeSeconds = this.#peering.primary.holdTimeSeconds
    if (runner.connection?.isEstablished === true && holdTimeSeconds > 0) {
      runner.timers.hold.set(holdTimeSeconds * 1000)
    }
  }

  /** RFC 9687 section 3.1: the neighbor takes what it is sent. */
  #taken(runner: TrackRunner): void {
    const { sendHold } = runner.timers
    const { holdTimeSeconds } = this.#peering.primary
    if (sendHold.isRunning) sendHold.set(sendHoldSeconds(holdTimeSeconds) * 1000)
  }

  #close(runner: TrackRunner): void {
    const { connection } = runner
    this.#count(connection)
    connection?.close()
    // A neighbor that does not read would keep the connection, and what is queued for it, for long.
    if (connection !== undefined && connection.tcp.unsentOctets > 0) {
      this.#host.clock.after(LINGER_MILLISECONDS, () => connection.tcp.destroy())
    }
    runner.connection = undefined
    runner.negotiated = undefined
    runner.remoteOpen = undefined
  }

  #count(connection: NeighborConnection | undefined): void {
    if (connection === undefined) return
    this.#messagesReceivedBefore += connection.messagesReceived
    this.#messagesSentBefore += connection.messagesSent
    this.#updatesSentBefore += connection.updatesSent
    connection.messagesReceived = 0
    connection.messagesSent = 0
    connection.updatesSent = 0
  }

  /** An OPEN that is well formed: whether it is the neighbor's that we expect, and what follows from it. */
  #opened(runner: TrackRunner, open: Open): void {
    const notification = this.#objection(open)
    if (notification !== undefined) {
      this.#dispatch(runner, { kind: 'openError', notification })
      return
    }
    const { connection } = runner
    if (connection === undefined) return
    if (this.isDynamic) this.config = { ...this.config, remoteAs: open.asn }
    const negotiated = connection.negotiate(open)
    runner.negotiated = negotiated
    runner.remoteOpen = open
    const { holdTimeSeconds } = negotiated
    const third = holdTimeSeconds / 3
    this.#dispatch(runner, {
      kind: 'openReceived',
      holdTimeSeconds,
      keepaliveSeconds: Math.min(this.config.keepaliveSeconds ?? third, Math.max(1, third)),
      routerId: ipv4ToNumber(open.bgpIdentifier),
      as: open.asn,
      gracefulRestart: (negotiated.gracefulRestart?.families.length ?? 0) > 0,
    })
  }

  #objection(open: Open): NotificationData | undefined {
    const code = ERROR_CODE.openMessage
    const { remoteAs } = this.config
    const data = new Uint8Array(0)
    if (remoteAs !== 0 && open.asn !== remoteAs) {
      this.#objectionText = `Expected AS ${remoteAs}, the neighbor is AS ${open.asn}`
      return { code, subcode: OPEN_SUBCODE.badPeerAs, data }
    }
    // RFC 6286 section 2.2: the same identifier is an error only within an AS.
    const localAs = this.config.localAs ?? this.#host.config.localAs
    if (open.asn === localAs && open.bgpIdentifier === this.#host.config.routerId) {
      this.#objectionText = `The neighbor has our own router id ${open.bgpIdentifier}`
      return { code, subcode: OPEN_SUBCODE.badBgpIdentifier, data }
    }
    return undefined
  }

  #established(runner: TrackRunner): void {
    const { connection, negotiated, remoteOpen } = runner
    if (connection === undefined || negotiated === undefined || remoteOpen === undefined) return
    connection.isEstablished = true
    this.lastError = undefined
    const localAddress = connection.tcp.local.address
    this.session = { negotiated, remoteOpen, localAddress }
    this.lastSession = this.session
    this.#host.established(this)
  }
}
