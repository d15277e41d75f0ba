import { ByteReader, ByteWriter } from '../../lib/bytes.ts'
import type { DebugSwitches } from '../../lib/debug-topics.ts'
import type { Log } from '../../lib/log.ts'
import type { TcpConnection } from '../../net/transport.ts'
import { BgpError } from '../../wire/bgp/bgp-error.ts'
import { Framer } from '../../wire/bgp/framer.ts'
import { MESSAGE_HEADER_OCTETS } from '../../wire/bgp/header.ts'
import { ERROR_CODE, MESSAGE_TYPE } from '../../wire/bgp/iana.ts'
import { encodeKeepalive } from '../../wire/bgp/keepalive.ts'
import { messageType } from '../../wire/bgp/message.ts'
import { negotiate, type Negotiated } from '../../wire/bgp/negotiate.ts'
import {
  describeNotification,
  decodeNotification,
  encodeNotification,
  shutdownCommunication,
  hardResetCause,
} from '../../wire/bgp/notification.ts'
import { decodeOpen, encodeOpen, type Open } from '../../wire/bgp/open.ts'
import { decodeRouteRefresh, type RouteRefresh } from '../../wire/bgp/route-refresh.ts'
import type { NotificationData, SessionEvent } from './fsm.ts'
import { tellMessages } from './tell-messages.ts'
import type { Work } from '../work.ts'

/** What a connection tells its neighbor. */
export interface ConnectionEvents {
  event(event: SessionEvent): void
  /** The neighbor's OPEN, well formed; what it means is up to the configuration. */
  open(open: Open): void
  /** An UPDATE of an Established session, whole in `octets[start, end)`. False if the connection is over. */
  update(octets: Uint8Array, start: number, end: number): boolean
  routeRefresh(message: RouteRefresh): void
  shutdownCommunication(text: string): void
  /** Octets arrived: the neighbor lives. */
  heard(): void
  /** The kernel took octets for the neighbor: it reads. */
  taken(): void
  /** Octets have been processed: there may be something to tell others. */
  processed(): void
  drained(): void
}

/** UPDATEs gathered for one write; more are written at once. */
const OUTBOX_OCTETS = 32_768
/** From here on UPDATEs are worth a write of their own: gathering them would only copy them. */
const WRITE_OCTETS = 4096

const KEEPALIVE = encodeKeepalive()
/** Octets of a chunk processed in one go: a thousand routes or so, a millisecond. */
const PIECE_OCTETS = 16_384

/** One TCP connection that speaks BGP: octets in, events out, messages out. */
export class NeighborConnection {
  readonly tcp: TcpConnection
  readonly #events: ConnectionEvents
  readonly #work: Work
  readonly #log: Log
  readonly #topics: DebugSwitches
  readonly #framer: Framer
  /** Chunks that wait for their turn; the connection is paused meanwhile. */
  readonly #inbox: Uint8Array[] = []
  readonly #drainInbox = (): boolean => this.#processInbox()
  /** UPDATEs that wait for the end of the batch that they are part of. */
  #outbox: ByteWriter | undefined
  readonly #flushOutbox = (): boolean => {
    this.#flush()
    return false
  }
  #sentOpen: Open | undefined
  #isOver = false
  /** UPDATEs go straight to the tables. */
  isEstablished = false
  /** `write` answered false and `onDrain` has not come yet. */
  isCongested = false
  messagesReceived = 0
  messagesSent = 0
  /** How many of them were UPDATEs. */
  updatesSent = 0
  #octetsSent = 0
  /** Those of them that the kernel has taken. */
  #octetsTaken = 0

  constructor(tcp: TcpConnection, work: Work, log: Log, events: ConnectionEvents) {
    this.tcp = tcp
    this.#work = work
    this.#log = log
    this.#topics = log.topics
    this.#events = events
    this.#framer = new Framer((octets, start, end) => this.#message(octets, start, end))
    tcp.handlers = {
      onConnect: () => events.event({ kind: 'tcpConnected' }),
      onData: (octets) => this.#received(octets),
      onDrain: () => {
        this.isCongested = false
        this.#lookWhatIsTaken()
        events.drained()
      },
      onClose: (reason) => {
        if (this.#isOver) return
        this.#processAll()
        if (this.#isOver) return
        this.#end()
        events.event({ kind: 'tcpFails', reason })
      },
    }
  }

  /** Whether received messages wait to be processed. */
  get isBehind(): boolean {
    return this.#inbox.length > 0
  }

  sendOpen(open: Open): void {
    this.#sentOpen = open
    const writer = new ByteWriter(128)
    encodeOpen(writer, open)
    this.send(writer.take())
  }

  sendKeepalive(): void {
    this.send(KEEPALIVE)
  }

  sendNotification(notification: NotificationData): void {
    const writer = new ByteWriter(64)
    encodeNotification(writer, notification)
    this.send(writer.take())
  }

  /**
   * Sends UPDATEs, soon: those of one batch in one write. A route reflector tells each client everything
   * but its own routes, one by one; a write and a segment for each would be most of its work.
   */
  sendUpdates(octets: Uint8Array): void {
    if (this.#isOver) return
    const messages = countMessages(octets)
    this.messagesSent += messages
    this.updatesSent += messages
    if (this.#outbox === undefined && octets.length >= WRITE_OCTETS) {
      this.#write(octets)
      return
    }
    this.#outbox ??= new ByteWriter(1024)
    this.#outbox.bytes(octets)
    if (this.#outbox.length >= OUTBOX_OCTETS) this.#flush()
    else this.#work.add(this.#flushOutbox)
  }

  /** Sends one message, after all that came before it. */
  send(message: Uint8Array): void {
    if (this.#isOver) return
    this.#flush()
    this.messagesSent++
    this.#write(message)
  }

  #flush(): void {
    const outbox = this.#outbox
    if (this.#isOver || outbox === undefined) return
    this.#outbox = undefined
    this.#write(outbox.view())
  }

  #write(octets: Uint8Array): void {
    if (this.#topics['bgp.message']) tellMessages(this.#log, 'sent', octets)
    if (!this.tcp.write(octets)) this.isCongested = true
    this.#octetsSent += octets.length
    this.#lookWhatIsTaken()
  }

  #lookWhatIsTaken(): void {
    const taken = this.#octetsSent - this.tcp.unsentOctets
    if (taken <= this.#octetsTaken) return
    this.#octetsTaken = taken
    this.#events.taken()
  }

  /** What both sides' OPENs agree on. */
  negotiate(received: Open): Negotiated {
    const negotiated = negotiate(this.#sentOpen!, received)
    this.#framer.messageOctetsMax = negotiated.receiveOctetsMax
    return negotiated
  }

  /** Ends the connection from this side; there are no events after it. */
  close(): void {
    if (this.#isOver) return
    this.#flush()
    this.#end()
    this.tcp.close()
  }

  /** Drops the connection without a word. */
  abandon(): void {
    this.#end()
    this.tcp.destroy()
  }

  #end(): void {
    this.#isOver = true
    this.#inbox.length = 0
    this.#work.remove(this.#drainInbox)
    this.#work.remove(this.#flushOutbox)
  }

  /** What does not fit into this turn of the event loop waits; nothing more is read meanwhile. */
  #received(octets: Uint8Array): void {
    if (this.#isOver) return
    this.#events.heard()
    let at = 0
    while (at < octets.length && !this.#isOver && !this.isBehind && !this.#work.isTurnSpent()) {
      this.#process(octets.subarray(at, at + PIECE_OCTETS))
      at += PIECE_OCTETS
    }
    if (at >= octets.length || this.#isOver) return
    this.#inbox.push(octets.slice(at))
    this.tcp.pause()
    this.#work.add(this.#drainInbox)
  }

  #processInbox(): boolean {
    const chunk = this.#inbox.shift()
    if (chunk !== undefined) {
      if (chunk.length > PIECE_OCTETS) this.#inbox.unshift(chunk.subarray(PIECE_OCTETS))
      this.#process(chunk.subarray(0, PIECE_OCTETS))
    }
    if (this.#isOver) return false
    if (this.#inbox.length > 0) return true
    this.tcp.resume()
    return false
  }

  #processAll(): void {
    while (!this.#isOver && this.#inbox.length > 0) this.#process(this.#inbox.shift()!)
  }

  #process(octets: Uint8Array): void {
    try {
      this.#framer.push(octets)
    } catch (error) {
      if (!(error instanceof BgpError)) throw error
      this.#events.event(eventOf(error))
    }
    if (!this.#isOver) this.#events.processed()
  }

  #message(octets: Uint8Array, start: number, end: number): boolean {
    this.messagesReceived++
    if (this.#topics['bgp.message']) tellMessages(this.#log, 'received', octets, start, end)
    const type = messageType(octets, start)
    if (type === MESSAGE_TYPE.update) {
      if (this.isEstablished) return this.#events.update(octets, start, end)
      this.#events.event({ kind: 'updateReceived' })
    } else {
      try {
        this.#control(type, new ByteReader(octets, start + MESSAGE_HEADER_OCTETS, end))
      } catch (error) {
        if (!(error instanceof BgpError)) throw error
        this.#events.event(eventOf(error))
      }
    }
    return !this.#isOver
  }

  #control(type: number, body: ByteReader): void {
    switch (type) {
      case MESSAGE_TYPE.open:
        this.#events.open(decodeOpen(body))
        break
      case MESSAGE_TYPE.keepalive:
        this.#events.event({ kind: 'keepaliveReceived' })
        break
      case MESSAGE_TYPE.routeRefresh:
        if (this.isEstablished) this.#events.routeRefresh(decodeRouteRefresh(body))
        else this.#events.event({ kind: 'routeRefreshReceived' })
        break
      default:
        this.#notification(body)
    }
  }

  #notification(body: ByteReader): void {
    const notification = decodeNotification(body)
    const hardReset = hardResetCause(notification) !== undefined
    const communication = shutdownCommunication(notification)
    if (communication !== undefined) this.#events.shutdownCommunication(communication)
    const { code, subcode } = notification
    if (code === ERROR_CODE.openMessage && subcode === 1) {
      this.#events.event({ kind: 'versionErrorReceived' })
      return
    }
    const text = describeNotification(notification)
    this.#events.event({ kind: 'notificationReceived', hardReset, text })
  }
}

/** The event of RFC 4271 that a decoder's error is. */
function eventOf({ code, subcode, data }: BgpError): SessionEvent {
  const notification = { code, subcode, data }
  switch (code) {
    case ERROR_CODE.openMessage:
      return { kind: 'openError', notification }
    case ERROR_CODE.updateMessage:
      return { kind: 'updateError', notification }
    case ERROR_CODE.routeRefreshMessage:
      return { kind: 'routeRefreshError', notification }
    default:
      return { kind: 'headerError', notification }
  }
}

/** Messages in octets that are whole messages. */
function countMessages(octets: Uint8Array): number {
  let count = 0
  for (let at = 0; at < octets.length; count++) at += (octets[at + 16]! << 8) | octets[at + 17]!
  return count
}
