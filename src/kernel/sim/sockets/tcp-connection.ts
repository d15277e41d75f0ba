import type { Secret } from '../../../lib/secret.ts'
import type { Timer } from '../../../lib/clock.ts'
import type { TcpConnection, TcpEndpoint, TcpHandlers } from '../../../net/transport.ts'
import * as tcp from '../../../wire/packet/tcp.ts'
import { type Addr, addrToText } from '../routing/addr.ts'
import type { Namespace } from '../namespace.ts'
import { SendBuffer, sequenceDifference } from './tcp-buffer.ts'

/** States of RFC 9293 section 3.3.2 without LISTEN, which is a listener's. */
export type TcpState =
  | 'SYN-SENT'
  | 'SYN-RECEIVED'
  | 'ESTABLISHED'
  | 'FIN-WAIT-1'
  | 'FIN-WAIT-2'
  | 'CLOSE-WAIT'
  | 'CLOSING'
  | 'LAST-ACK'
  | 'TIME-WAIT'
  | 'CLOSED'

const { FLAG } = tcp

/** Octets that wait in a socket before `write` asks for patience, and the receive window. */
const SEND_LIMIT = 256 * 1024
const RECEIVE_WINDOW = 65_535
const FIRST_TIMEOUT_MILLISECONDS = 1000
const LEAST_TIMEOUT_MILLISECONDS = 200
const MOST_TIMEOUT_MILLISECONDS = 120_000
const TIME_WAIT_MILLISECONDS = 60_000
const FIN_WAIT_MILLISECONDS = 60_000
/** What Linux assumes of a peer that does not say (TCP_MSS_DEFAULT). */
const DEFAULT_SEGMENT_OCTETS = 536

/** How a connection reaches the network; the sockets of its namespace give it. */
export interface TcpEnvironment {
  readonly namespace: Namespace
  /** Sends one segment of a connection; false if there is no way. */
  send(connection: SimTcpConnection, header: SegmentHeader, data: Uint8Array): boolean
  /** The connection is over: its four-tuple is free. */
  forget(connection: SimTcpConnection): void
  /** Data was acknowledged: the neighbour answers. */
  confirm(connection: SimTcpConnection): void
  established(connection: SimTcpConnection): void
}

export interface SegmentHeader {
  readonly sequence: number
  readonly acknowledgment: number
  readonly flags: number
  readonly window: number
  /** The maximum segment size option, on SYN. */
  readonly maximumSegment?: number
}

export interface ReceivedSegment extends SegmentHeader {
  /** A view on the packet, which is the receiver's to keep. */
  readonly data: Uint8Array
}

const NO_HANDLERS: TcpHandlers = { onData() {}, onClose() {} }
const NO_DATA = new Uint8Array(0)

/** One end of a TCP connection. */
export class SimTcpConnection implements TcpConnection {
  readonly environment: TcpEnvironment
  readonly localAddr: Addr
  readonly localPort: number
  readonly remoteAddr: Addr
  readonly remotePort: number
  readonly md5Key: Secret | undefined
  readonly ttl: number | undefined
  readonly minimumTtl: number
  state: TcpState
  /** Largest segment that the path here takes; the peer may want less. */
  segmentOctets: number
  handlers: TcpHandlers = NO_HANDLERS

  readonly #send = new SendBuffer()
  #unacknowledged: number
  #next: number
  /** The end of what was ever sent; beyond #next after a retransmission went back. */
  #highest: number
  #peerWindow = 0
  #finQueued = false
  #finSequence: number | undefined
  #receiveNext = 0
  #peerFin: number | undefined
  readonly #early: { sequence: number; data: Uint8Array }[] = []
  #arrived: Uint8Array[] = []
  #arrivedOctets = 0
  #paused = false
  #closeReason: string | undefined
  #told = false
  #wantsDrain = false
  #connectPending = false
  #flushScheduled = false
  #ackTimer: Timer | undefined
  #timer: Timer | undefined
  #timeout = FIRST_TIMEOUT_MILLISECONDS
  #retries = 0
  #duplicateAcks = 0
  #lingerTimer: Timer | undefined

  constructor(options: {
    environment: TcpEnvironment
    localAddr: Addr
    localPort: number
    remoteAddr: Addr
    remotePort: number
    md5Key: Secret | undefined
    ttl: number | undefined
    minimumTtl: number
    segmentOctets: number
    state: 'SYN-SENT' | 'SYN-RECEIVED'
    initialSequence: number
  }) {
    this.environment = options.environment
    this.localAddr = options.localAddr
    this.localPort = options.localPort
    this.remoteAddr = options.remoteAddr
    this.remotePort = options.remotePort
    this.md5Key = options.md5Key
    this.ttl = options.ttl
    this.minimumTtl = options.minimumTtl
    this.segmentOctets = options.segmentOctets
    this.state = options.state
    this.#unacknowledged = options.initialSequence
    this.#next = options.initialSequence
    this.#highest = options.initialSequence
  }

  get local(): TcpEndpoint {
    return { address: addrToText(this.localAddr), port: this.localPort }
  }

  get remote(): TcpEndpoint {
    return { address: addrToText(this.remoteAddr), port: this.remotePort }
  }

  get unsentOctets(): number {
    return this.#send.length
  }

  get #clock() {
    return this.environment.namespace.machine.clock
  }

  // The application's side.

  write(octets: Uint8Array): boolean {
    if (this.state === 'CLOSED' || this.#finQueued) return false
    this.#send.push(octets)
    if (this.#isOpen) this.#transmit()
    const hasRoom = this.#send.length < SEND_LIMIT
    if (!hasRoom) this.#wantsDrain = true
    return hasRoom
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    this.#paused = false
    if (this.#arrivedOctets > 0 || this.#closeReason !== undefined) this.#scheduleFlush()
  }

  close(): void {
    if (this.#finQueued || this.state === 'CLOSED') return
    if (this.state === 'SYN-SENT') {
      this.#end('closed', false)
      return
    }
    this.#finQueued = true
    if (this.#isOpen) this.#transmit()
  }

  destroy(): void {
    this.#told = true
    if (this.state === 'CLOSED') return
    if (this.state !== 'SYN-SENT' && this.state !== 'TIME-WAIT') {
      this.#emit(FLAG.rst | FLAG.ack, this.#next, NO_DATA)
    }
    this.#end('destroyed', true)
  }

  /** The process that held the socket is gone: what close(2) does, without anyone to tell. */
  abandon(): void {
    this.handlers = NO_HANDLERS
    this.#told = true
    if (this.#arrivedOctets > 0) this.destroy()
    else this.close()
    this.#arrived = []
  }

  // Opening.

  /** Sends the SYN, or the SYN and ACK of a passive open. */
  open(): void {
    this.#emitSyn()
    this.#next = (this.#next + 1) >>> 0
    this.#highest = this.#next
    this.#arm(FIRST_TIMEOUT_MILLISECONDS)
  }

  #emitSyn(): void {
    const flags = this.state === 'SYN-SENT' ? FLAG.syn : FLAG.syn | FLAG.ack
    const header = {
      sequence: this.#unacknowledged,
      acknowledgment: this.state === 'SYN-SENT' ? 0 : this.#receiveNext,
      flags,
      window: RECEIVE_WINDOW,
      maximumSegment: this.segmentOctets,
    }
    this.environment.send(this, header, NO_DATA)
  }

  /** Takes the SYN that a listener accepted. */
  acceptSyn(segment: ReceivedSegment): void {
    this.#receiveNext = (segment.sequence + 1) >>> 0
    this.#adoptPeer(segment)
  }

  #adoptPeer(segment: ReceivedSegment): void {
    this.#peerWindow = segment.window
    const theirs = segment.maximumSegment ?? DEFAULT_SEGMENT_OCTETS
    this.segmentOctets = Math.min(this.segmentOctets, theirs)
  }

  // The network's side.

  receive(segment: ReceivedSegment): void {
    if (this.state === 'SYN-SENT') this.#receiveInSynSent(segment)
    else this.#receiveSynchronized(segment)
  }

  #receiveInSynSent(segment: ReceivedSegment): void {
    const hasAck = (segment.flags & FLAG.ack) !== 0
    const isAckOfSyn = hasAck && segment.acknowledgment === this.#next
    if ((segment.flags & FLAG.rst) !== 0) {
      if (isAckOfSyn) this.fail('ECONNREFUSED')
      return
    }
    if ((segment.flags & FLAG.syn) === 0 || (hasAck && !isAckOfSyn)) return
    this.acceptSyn(segment)
    if (hasAck) {
      this.#unacknowledged = segment.acknowledgment
      this.#becomeEstablished()
      this.#emit(FLAG.ack, this.#next, NO_DATA)
      this.#transmit()
    } else {
      // Simultaneous open (RFC 9293 figure 8).
      this.state = 'SYN-RECEIVED'
      this.#emitSyn()
    }
  }

  #becomeEstablished(): void {
    const wasActive = this.state === 'SYN-SENT'
    this.state = 'ESTABLISHED'
    this.#retries = 0
    this.#timeout = LEAST_TIMEOUT_MILLISECONDS
    this.#disarm()
    if (wasActive) {
      this.#connectPending = true
      this.#scheduleFlush()
    }
    this.environment.established(this)
  }

  #receiveSynchronized(segment: ReceivedSegment): void {
    const offset = sequenceDifference(segment.sequence, this.#receiveNext)
    const length = segment.data.length + ((segment.flags & FLAG.fin) === 0 ? 0 : 1)
    const isInWindow = offset <= RECEIVE_WINDOW && offset + length >= 0
    if (!isInWindow) {
      if ((segment.flags & FLAG.rst) === 0) this.#emit(FLAG.ack, this.#next, NO_DATA)
      return
    }
    if ((segment.flags & FLAG.rst) !== 0) {
      if (offset === 0) this.fail(this.state === 'SYN-RECEIVED' ? 'ECONNREFUSED' : 'ECONNRESET')
      else this.#emit(FLAG.ack, this.#next, NO_DATA) // RFC 5961 section 3.2
      return
    }
    if ((segment.flags & FLAG.syn) !== 0) {
      // A duplicate of the handshake, or somebody guessing: challenge (RFC 5961 section 4.2).
      if (this.state === 'SYN-RECEIVED' && offset === -1) this.#emitSyn()
      else this.#emit(FLAG.ack, this.#next, NO_DATA)
      return
    }
    if ((segment.flags & FLAG.ack) === 0) return
    if (!this.#acknowledge(segment)) return
    if (this.state === 'CLOSED') return
    if (length > 0) this.#take(segment, offset)
    this.#transmit()
  }

  /** Takes the acknowledgment; false if the segment is to be dropped. */
  #acknowledge(segment: ReceivedSegment): boolean {
    const advance = sequenceDifference(segment.acknowledgment, this.#unacknowledged)
    if (sequenceDifference(segment.acknowledgment, this.#highest) > 0) {
      this.#emit(FLAG.ack, this.#next, NO_DATA)
      return false
    }
    if (this.state === 'SYN-RECEIVED') {
      if (advance !== 1) return false
      this.#unacknowledged = segment.acknowledgment
      this.#peerWindow = segment.window
      this.#becomeEstablished()
      return true
    }
    if (advance > 0) this.#advance(advance, segment.acknowledgment)
    else if (advance === 0 && segment.data.length === 0 && this.#inFlight > 0) {
      if (segment.window === this.#peerWindow && ++this.#duplicateAcks === 3) this.#resendFirst()
    }
    if (advance >= 0) this.#peerWindow = segment.window
    return true
  }

  #advance(count: number, acknowledgment: number): void {
    const coversFin =
      this.#finSequence !== undefined && sequenceDifference(acknowledgment, this.#finSequence) > 0
    this.#send.drop(Math.min(this.#send.length, coversFin ? count - 1 : count))
    this.#unacknowledged = acknowledgment
    if (sequenceDifference(acknowledgment, this.#next) > 0) this.#next = acknowledgment
    this.#duplicateAcks = 0
    this.#retries = 0
    this.#timeout = LEAST_TIMEOUT_MILLISECONDS
    this.environment.confirm(this)
    this.#disarm()
    if (this.#inFlight > 0) this.#arm(this.#timeout)
    if (this.#wantsDrain && this.#send.length < SEND_LIMIT / 2) this.#scheduleFlush()
    if (coversFin) this.#finAcknowledged()
  }

  #finAcknowledged(): void {
    if (this.state === 'FIN-WAIT-1') {
      this.state = 'FIN-WAIT-2'
      this.#lingerTimer = this.#clock.after(FIN_WAIT_MILLISECONDS, () => this.#end('closed', true))
    } else if (this.state === 'CLOSING') this.#enterTimeWait()
    else if (this.state === 'LAST-ACK') this.#end('closed', false)
  }

  #enterTimeWait(): void {
    this.state = 'TIME-WAIT'
    this.#lingerTimer?.cancel()
    this.#lingerTimer = this.#clock.after(TIME_WAIT_MILLISECONDS, () => this.#end('closed', true))
    this.#tell('closed')
  }

  /** Takes data and FIN, in order or early. */
  #take(segment: ReceivedSegment, offset: number): void {
    const { data } = segment
    if ((segment.flags & FLAG.fin) !== 0) {
      this.#peerFin = (segment.sequence + data.length) >>> 0
    }
    if (offset > 0) {
      if (data.length > 0 && this.#early.length < 1024) {
        this.#early.push({ sequence: segment.sequence, data })
      }
      this.#emit(FLAG.ack, this.#next, NO_DATA) // duplicate: tells what is missing
      return
    }
    this.#append(data.subarray(-offset))
    this.#appendEarly()
    if (this.#peerFin === this.#receiveNext) this.#takeFin()
    this.#scheduleAck()
  }

  #append(data: Uint8Array): void {
    if (data.length === 0) return
    if (this.state !== 'ESTABLISHED' && !this.state.startsWith('FIN-WAIT')) return
    this.#receiveNext = (this.#receiveNext + data.length) >>> 0
    if (this.#told) return
    this.#arrived.push(data)
    this.#arrivedOctets += data.length
    this.#scheduleFlush()
  }

  #appendEarly(): void {
    for (let progress = true; progress;) {
      progress = false
      for (let at = 0; at < this.#early.length; at++) {
        const { sequence, data } = this.#early[at]!
        const offset = sequenceDifference(sequence, this.#receiveNext)
        if (offset > 0) continue
        this.#early.splice(at--, 1)
        if (-offset < data.length) {
          this.#append(data.subarray(-offset))
          progress = true
        }
      }
    }
  }

  #takeFin(): void {
    this.#receiveNext = (this.#receiveNext + 1) >>> 0
    this.#peerFin = undefined
    if (this.state === 'ESTABLISHED') {
      // The port has no half-open connections: the peer's end is the end of ours.
      this.state = 'CLOSE-WAIT'
      this.#tell('closed by peer')
      this.#finQueued = true
    } else if (this.state === 'FIN-WAIT-1') this.state = 'CLOSING'
    else if (this.state === 'FIN-WAIT-2') this.#enterTimeWait()
  }

  #scheduleAck(): void {
    if (this.#ackTimer !== undefined) return
    this.#ackTimer = this.#clock.after(0, () => {
      this.#ackTimer = undefined
      if (this.state !== 'CLOSED') this.#emit(FLAG.ack, this.#next, NO_DATA)
    })
  }

  // Sending.

  get #isOpen(): boolean {
    return (
      this.state === 'ESTABLISHED' ||
      this.state === 'CLOSE-WAIT' ||
      this.state === 'FIN-WAIT-1' ||
      this.state === 'CLOSING' ||
      this.state === 'LAST-ACK'
    )
  }

  get #inFlight(): number {
    return sequenceDifference(this.#next, this.#unacknowledged)
  }

  /** Sends what the peer's window takes, then the FIN that waits behind it. */
  #transmit(): void {
    if (!this.#isOpen || this.#finSequence !== undefined) return
    while (this.#inFlight < this.#send.length) {
      const room = this.#peerWindow - this.#inFlight
      const waiting = this.#send.length - this.#inFlight
      const count = Math.min(this.segmentOctets, waiting, room)
      if (count <= 0) {
        if (this.#inFlight === 0 && this.#timer === undefined) this.#arm(this.#timeout)
        return
      }
      const isLast = count === waiting
      const data = this.#send.read(this.#inFlight, count)
      const sequence = this.#next
      this.#moveNext(count)
      this.#emit(isLast ? FLAG.psh | FLAG.ack : FLAG.ack, sequence, data)
      if (this.#timer === undefined) this.#arm(this.#timeout)
    }
    if (this.#finQueued) this.#sendFin()
  }

  #moveNext(count: number): void {
    this.#next = (this.#next + count) >>> 0
    if (sequenceDifference(this.#next, this.#highest) > 0) this.#highest = this.#next
  }

  #sendFin(): void {
    this.#finSequence = this.#next
    this.#moveNext(1)
    this.state = this.state === 'CLOSE-WAIT' ? 'LAST-ACK' : 'FIN-WAIT-1'
    this.#emit(FLAG.fin | FLAG.ack, this.#finSequence, NO_DATA)
    if (this.#timer === undefined) this.#arm(this.#timeout)
  }

  #emit(flags: number, sequence: number, data: Uint8Array): void {
    if ((flags & FLAG.ack) !== 0) {
      this.#ackTimer?.cancel()
      this.#ackTimer = undefined
    }
    const header = {
      sequence,
      acknowledgment: this.#receiveNext,
      flags,
      window: Math.max(0, RECEIVE_WINDOW - this.#arrivedOctets),
    }
    this.environment.send(this, header, data)
  }

  #arm(milliseconds: number): void {
    this.#timer?.cancel()
    this.#timer = this.#clock.after(milliseconds, () => this.#expired())
  }

  #disarm(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  /** The retransmission timer: the oldest goes again, less and less often, until the kernel gives up. */
  #expired(): void {
    this.#timer = undefined
    const { sysctl, counters } = this.environment.namespace
    const most =
      this.state === 'SYN-SENT'
        ? sysctl.number('ipv4.tcp_syn_retries')
        : this.state === 'SYN-RECEIVED'
          ? sysctl.number('ipv4.tcp_synack_retries')
          : sysctl.number('ipv4.tcp_retries2')
    const isProbe = this.#isOpen && this.#inFlight === 0 && this.#peerWindow === 0
    if (this.#retries++ >= most && !isProbe) {
      this.fail('ETIMEDOUT')
      return
    }
    this.#timeout = Math.min(
      MOST_TIMEOUT_MILLISECONDS,
      2 * Math.max(this.#timeout, LEAST_TIMEOUT_MILLISECONDS),
    )
    if (this.state === 'SYN-SENT' || this.state === 'SYN-RECEIVED') this.#emitSyn()
    else if (isProbe) this.#probeWindow()
    else this.#goBack()
    counters.add('Tcp.RetransSegs')
    this.#arm(this.#timeout)
  }

  /** One octet beyond a closed window asks whether it has opened (RFC 9293 section 3.8.6.1). */
  #probeWindow(): void {
    if (this.#send.length === 0) return
    const sequence = this.#next
    this.#moveNext(1)
    this.#emit(FLAG.ack, sequence, this.#send.read(0, 1))
  }

  /** After a timeout all that is unacknowledged counts as lost. */
  #goBack(): void {
    if (this.#finSequence === undefined) {
      this.#next = this.#unacknowledged
      this.#transmit()
    } else this.#resendFirst()
  }

  #resendFirst(): void {
    const isFinOnly = this.#finSequence === this.#unacknowledged
    if (isFinOnly) this.#emit(FLAG.fin | FLAG.ack, this.#unacknowledged, NO_DATA)
    else if (this.#inFlight > 0) {
      const count = Math.min(this.segmentOctets, this.#inFlight, this.#send.length)
      this.#emit(FLAG.ack, this.#unacknowledged, this.#send.read(0, count))
    }
  }

  /** Everything in flight goes again from the start, in smaller segments (path MTU discovery). */
  shrink(segmentOctets: number): void {
    if (segmentOctets >= this.segmentOctets || this.state === 'SYN-SENT') return
    this.segmentOctets = Math.max(88, segmentOctets)
    if (this.#inFlight === 0 || this.#finSequence !== undefined) return
    this.#next = this.#unacknowledged
    this.#transmit()
  }

  // Ending.

  /** The connection failed for a reason of the network's. */
  fail(errno: string): void {
    if (this.state === 'CLOSED') return
    const { counters } = this.environment.namespace
    const isAttempt = this.state === 'SYN-SENT' || this.state === 'SYN-RECEIVED'
    counters.add(isAttempt ? 'Tcp.AttemptFails' : 'Tcp.EstabResets')
    this.#end(errno, true)
  }

  #end(reason: string, silentFlush: boolean): void {
    this.state = 'CLOSED'
    this.#disarm()
    this.#ackTimer?.cancel()
    this.#lingerTimer?.cancel()
    if (!silentFlush || reason !== 'closed') this.#tell(reason)
    this.environment.forget(this)
  }

  /** Lets the application know, once, and after the data that came before. */
  #tell(reason: string): void {
    if (this.#told || this.#closeReason !== undefined) return
    this.#closeReason = reason
    this.#scheduleFlush()
  }

  #scheduleFlush(): void {
    if (this.#flushScheduled) return
    this.#flushScheduled = true
    this.#clock.after(0, () => {
      this.#flushScheduled = false
      this.#flush()
    })
  }

  #flush(): void {
    if (this.#connectPending) {
      this.#connectPending = false
      this.handlers.onConnect?.()
    }
    if (this.#wantsDrain && this.#send.length < SEND_LIMIT / 2 && !this.#told) {
      this.#wantsDrain = false
      this.handlers.onDrain?.()
    }
    const wasShut = this.#arrivedOctets > RECEIVE_WINDOW - this.segmentOctets
    while (this.#arrived.length > 0 && !this.#paused && !this.#told) {
      const octets = this.environment.namespace.machine.joiner.join(this.#arrived)
      this.#arrived = []
      this.#arrivedOctets = 0
      this.handlers.onData(octets)
    }
    if (wasShut && this.#arrivedOctets === 0 && this.#isReceiving) {
      this.#emit(FLAG.ack, this.#next, NO_DATA) // the window has opened
    }
    if (
      this.#closeReason !== undefined &&
      !this.#told &&
      !(this.#paused && this.#arrivedOctets > 0)
    ) {
      this.#told = true
      this.handlers.onClose(this.#closeReason)
    }
  }

  get #isReceiving(): boolean {
    return this.state === 'ESTABLISHED' || this.state.startsWith('FIN-WAIT')
  }
}
