import type { Clock, Timer } from '../../lib/clock.ts'
import type { Random } from '../../lib/random.ts'
import {
  BFD_DIAGNOSTICS,
  type BfdControlPacket,
  type BfdState,
  encodeBfdControlPacket,
} from '../../wire/bfd/control-packet.ts'
import type { BfdChange } from './bfd.ts'
import { type BfdEvent, NEXT_BFD_STATE } from './next-state.ts'

/** Least time between packets while a session is not up (RFC 5880 section 6.8.3), microseconds. */
const SLOW_TX_MICROSECONDS = 1_000_000

const DIAGNOSTIC = { none: 0, detectionTimeExpired: 1, neighborDown: 3, administrative: 7 } as const

export interface SessionOptions {
  readonly clock: Clock
  readonly random: Random
  readonly discriminator: number
  readonly desiredMinTxMicroseconds: number
  readonly requiredMinRxMicroseconds: number
  readonly detectMultiplier: number
  readonly send: (octets: Uint8Array) => void
  readonly onChange: (change: BfdChange) => void
}

/**
 * One session in asynchronous mode, in the active role; names of the variables are those of RFC 5880
 * section 6.8.1. The other side's demand mode is honored, this side never asks for it.
 */
export class AsynchronousSession {
  readonly #options: SessionOptions
  #sessionState: BfdState = 'Down'
  #remoteSessionState: BfdState = 'Down'
  #remoteDiscriminator = 0
  #localDiagnostic: number = DIAGNOSTIC.none
  #remoteDiagnostic: number = DIAGNOSTIC.none
  #desiredMinTx = SLOW_TX_MICROSECONDS
  /** What has been in force since the last Poll Sequence ended; slower than asked for until then. */
  #transmitMinTx = SLOW_TX_MICROSECONDS
  #remoteMinRx = 1
  #remoteDesiredMinTx = 0
  #remoteDemandMode = false
  #remoteDetectMultiplier = 0
  #polling = false
  #transmitTimer: Timer | undefined
  #lastTransmit: number
  #detectionTimer: Timer | undefined
  #ended = false
  sent = 0
  received = 0

  constructor(options: SessionOptions) {
    this.#options = options
    this.#lastTransmit = options.clock.now()
    this.#desiredMinTx = Math.max(SLOW_TX_MICROSECONDS, options.desiredMinTxMicroseconds)
    this.#transmitMinTx = this.#desiredMinTx
    // The first packet leaves at once, so that both sides need not wait a second for each step.
    this.#transmitTimer = options.clock.after(0, () => this.#periodic())
  }

  get state(): BfdState {
    return this.#sessionState
  }

  get remoteState(): BfdState {
    return this.#remoteSessionState
  }

  get discriminator(): number {
    return this.#options.discriminator
  }

  get diagnostics(): { readonly local: string; readonly remote: string } {
    return {
      local: diagnosticText(this.#localDiagnostic),
      remote: diagnosticText(this.#remoteDiagnostic),
    }
  }

  /** RFC 5880 section 6.8.7: the greater of what this side wants to send and the other to receive. */
  get txIntervalMilliseconds(): number {
    return Math.max(this.#transmitMinTx, this.#remoteMinRx) / 1000
  }

  /** RFC 5880 section 6.8.4, asynchronous mode; 0 until the other side has sent a packet. */
  get detectionTimeMilliseconds(): number {
    const agreed = Math.max(this.#options.requiredMinRxMicroseconds, this.#remoteDesiredMinTx)
    return (this.#remoteDetectMultiplier * agreed) / 1000
  }

  /** A packet whose discriminators or addresses chose this session (RFC 5880 section 6.8.6). */
  receive(packet: BfdControlPacket): void {
    if (this.#ended) return
    this.received++
    this.#remoteDiscriminator = packet.myDiscriminator
    this.#remoteSessionState = packet.state
    this.#remoteDiagnostic = packet.diagnostic
    this.#remoteDemandMode = packet.demand
    this.#remoteDetectMultiplier = packet.detectMultiplier
    this.#remoteDesiredMinTx = packet.desiredMinTxMicroseconds
    const slower = this.txIntervalMilliseconds
    this.#remoteMinRx = packet.requiredMinRxMicroseconds
    if (packet.final && this.#polling) this.#pollEnded()
    this.#restartDetection()
    this.#on(packet.state)
    if (packet.poll) this.#transmit(true)
    // A shorter interval holds from now, not only after the long one that is running has passed.
    if (this.txIntervalMilliseconds < slower || this.#transmitTimer === undefined) this.#schedule()
  }

  /** Tells AdminDown for a Detection Time of the other side (RFC 5880 section 6.8.16), then calls `ended`. */
  endGently(ended: () => void): void {
    const heard = this.#remoteDiscriminator !== 0
    const needed = this.#options.detectMultiplier * this.txIntervalMilliseconds
    this.#detectionTimer?.cancel()
    this.#sessionState = 'AdminDown'
    this.#localDiagnostic = DIAGNOSTIC.administrative
    this.#polling = false
    this.#transmit(false)
    if (!heard) {
      this.end()
      ended()
      return
    }
    this.#schedule()
    this.#detectionTimer = this.#options.clock.after(needed, () => {
      this.end()
      ended()
    })
  }

  /** Stops at once and says nothing. */
  end(): void {
    this.#ended = true
    this.#transmitTimer?.cancel()
    this.#detectionTimer?.cancel()
  }

  #on(event: BfdEvent): void {
    const before = this.#sessionState
    const after = NEXT_BFD_STATE[before][event]
    if (after === before) return
    this.#sessionState = after
    if (after === 'Up') this.#cameUp()
    else if (after === 'Down') this.#wentDown(before, event)
    // The other side is waiting for this to be told.
    this.#transmit(false)
    this.#schedule()
  }

  #cameUp(): void {
    this.#localDiagnostic = DIAGNOSTIC.none
    this.#desiredMinTx = this.#options.desiredMinTxMicroseconds
    // RFC 5880 section 6.8.3: a longer interval waits for the Poll Sequence, a shorter one does not.
    this.#transmitMinTx = Math.min(this.#transmitMinTx, this.#desiredMinTx)
    this.#polling = true
    this.#options.onChange({ up: true, failure: false, reason: 'up' })
  }

  #wentDown(before: BfdState, event: BfdEvent): void {
    this.#localDiagnostic =
      event === 'timeout' ? DIAGNOSTIC.detectionTimeExpired : DIAGNOSTIC.neighborDown
    this.#desiredMinTx = Math.max(SLOW_TX_MICROSECONDS, this.#options.desiredMinTxMicroseconds)
    this.#transmitMinTx = this.#desiredMinTx
    this.#polling = false
    if (before !== 'Up') return
    const administrative = event === 'AdminDown'
    this.#options.onChange({
      up: false,
      failure: !administrative,
      reason: administrative
        ? 'the neighbor shut BFD down'
        : diagnosticText(this.#localDiagnostic) +
          (event === 'timeout' ? '' : ` (it says: ${diagnosticText(this.#remoteDiagnostic)})`),
    })
  }

  #pollEnded(): void {
    this.#polling = false
    this.#transmitMinTx = this.#desiredMinTx
  }

  #restartDetection(): void {
    if (this.#sessionState === 'AdminDown') return
    this.#detectionTimer?.cancel()
    this.#detectionTimer = this.#options.clock.after(this.detectionTimeMilliseconds, () => {
      // RFC 5880 section 6.8.1: what was learned of the other side is forgotten.
      this.#detectionTimer = undefined
      this.#remoteDiscriminator = 0
      this.#remoteDemandMode = false
      this.#remoteMinRx = 1
      this.#on('timeout')
    })
  }

  /** RFC 5880 section 6.8.7: when nothing periodic is sent at all. */
  get #silent(): boolean {
    if (this.#remoteMinRx === 0) return true
    const bothUp = this.#sessionState === 'Up' && this.#remoteSessionState === 'Up'
    return this.#remoteDemandMode && bothUp && !this.#polling
  }

  #periodic(): void {
    this.#transmitTimer = undefined
    if (this.#silent) return
    this.#transmit(false)
    this.#schedule()
  }

  /** The next periodic packet: a jittered interval after the last one (RFC 5880 section 6.8.7). */
  #schedule(): void {
    if (this.#ended) return
    this.#transmitTimer?.cancel()
    const { clock, random, detectMultiplier } = this.#options
    const most = detectMultiplier === 1 ? 0.9 : 1
    const share = 0.75 + (most - 0.75) * random.fraction()
    const due = this.#lastTransmit + this.txIntervalMilliseconds * share
    this.#transmitTimer = clock.after(Math.max(0, due - clock.now()), () => this.#periodic())
  }

  #transmit(final: boolean): void {
    if (this.#ended) return
    const { clock, discriminator, detectMultiplier, requiredMinRxMicroseconds } = this.#options
    this.#lastTransmit = clock.now()
    this.sent++
    this.#options.send(
      encodeBfdControlPacket({
        diagnostic: this.#localDiagnostic,
        state: this.#sessionState,
        poll: this.#polling && !final,
        final,
        controlPlaneIndependent: false,
        demand: false,
        detectMultiplier,
        myDiscriminator: discriminator,
        yourDiscriminator: this.#remoteDiscriminator,
        desiredMinTxMicroseconds: this.#desiredMinTx,
        requiredMinRxMicroseconds,
        requiredMinEchoRxMicroseconds: 0,
      }),
    )
  }
}

function diagnosticText(diagnostic: number): string {
  return BFD_DIAGNOSTICS[diagnostic] ?? `diagnostic ${diagnostic}`
}
