import { headerError } from './bgp-error.ts'
import { EXTENDED_MESSAGE_OCTETS_MAX, MESSAGE_HEADER_OCTETS, MESSAGE_OCTETS_MAX } from './header.ts'
import { HEADER_SUBCODE, MESSAGE_TYPE } from './iana.ts'

/**
 * Called with one whole message, header included: `octets[start, end)`. The octets are valid only
 * during the call. False stops the framer for good (the session is over).
 */
export type OnMessage = (octets: Uint8Array, start: number, end: number) => boolean

/** Least length of each type, RFC 4271 section 6.1 and RFC 2918 section 3; 0 where there is no such type. */
const OCTETS_MIN: readonly number[] = [0, 29, 23, 21, 19, 23]

/**
 * Cuts a stream of octets into messages. Marker, length and type are checked as soon as they are there
 * and before anything is kept; at most one partial message is held. Messages that lie whole in a chunk
 * are handed over where they are, without a copy.
 */
export class Framer {
  readonly #onMessage: OnMessage
  /** Set to {@link EXTENDED_MESSAGE_OCTETS_MAX} once both sides announced RFC 8654. */
  messageOctetsMax = MESSAGE_OCTETS_MAX
  /** Empty until a message comes in pieces, as few do. */
  #partial = new Uint8Array(0)
  #held = 0
  #stopped = false

  constructor(onMessage: OnMessage) {
    this.#onMessage = onMessage
  }

  /** Octets of a message that is not whole yet. */
  get heldOctets(): number {
    return this.#held
  }

  /** Takes the next octets of the stream. Throws BgpError on a bad header; the framer is of no use then. */
  push(chunk: Uint8Array): void {
    let at = 0
    while (this.#held > 0 && at < chunk.length && !this.#stopped) at = this.#complete(chunk, at)
    if (this.#stopped) return
    while (at + MESSAGE_HEADER_OCTETS <= chunk.length) {
      const end = at + this.#messageLength(chunk, at)
      if (end > chunk.length) break
      if (!this.#onMessage(chunk, at, end)) {
        this.#stopped = true
        return
      }
      at = end
    }
    if (at < chunk.length) this.#hold(chunk, at, chunk.length)
  }

  /** Adds to the partial message from `chunk[at...]` and delivers it when whole; where to go on. */
  #complete(chunk: Uint8Array, at: number): number {
    if (this.#held < MESSAGE_HEADER_OCTETS) {
      const end = Math.min(chunk.length, at + MESSAGE_HEADER_OCTETS - this.#held)
      this.#hold(chunk, at, end)
      if (this.#held < MESSAGE_HEADER_OCTETS) return end
      at = end
    }
    const length = this.#messageLength(this.#partial, 0)
    const end = Math.min(chunk.length, at + length - this.#held)
    this.#hold(chunk, at, end)
    if (this.#held === length) {
      this.#held = 0
      if (!this.#onMessage(this.#partial, 0, length)) this.#stopped = true
    }
    return end
  }

  #hold(chunk: Uint8Array, start: number, end: number): void {
    const needed = this.#held + end - start
    if (needed > this.#partial.length) {
      const isPlain = needed <= MESSAGE_OCTETS_MAX
      const grown = new Uint8Array(isPlain ? MESSAGE_OCTETS_MAX : EXTENDED_MESSAGE_OCTETS_MAX)
      grown.set(this.#partial.subarray(0, this.#held))
      this.#partial = grown
    }
    this.#partial.set(chunk.subarray(start, end), this.#held)
    this.#held = needed
    this.#checkMarker(this.#partial, 0, Math.min(16, needed))
  }

  #checkMarker(octets: Uint8Array, start: number, end: number): void {
    for (let at = start; at < end; at++) {
      if (octets[at] !== 0xff) {
        throw headerError(
          HEADER_SUBCODE.connectionNotSynchronized,
          `Expected a marker of sixteen 0xff octets, found 0x${octets[at]!.toString(16)} in place ${at - start}`,
        )
      }
    }
  }

  /** The length of the message whose header is at `start`; RFC 4271 section 6.1, RFC 8654 section 4. */
  #messageLength(octets: Uint8Array, start: number): number {
    this.#checkMarker(octets, start, start + 16)
    const length = (octets[start + 16]! << 8) | octets[start + 17]!
    const type = octets[start + 18]!
    const fixed = type === MESSAGE_TYPE.open || type === MESSAGE_TYPE.keepalive
    const most = fixed ? MESSAGE_OCTETS_MAX : this.messageOctetsMax
    const known = type >= MESSAGE_TYPE.open && type <= MESSAGE_TYPE.routeRefresh
    const least = known ? OCTETS_MIN[type]! : MESSAGE_HEADER_OCTETS
    if (length < least || length > most || (type === MESSAGE_TYPE.keepalive && length !== least)) {
      const data = octets.slice(start + 16, start + 18)
      const range = type === MESSAGE_TYPE.keepalive ? `${least}` : `${least} to ${most}`
      const message = `Expected a message of ${range} octets (type ${type}), found length ${length}`
      throw headerError(HEADER_SUBCODE.badMessageLength, message, data)
    }
    if (!known) {
      const message = `Expected a message type of 1 to 5, found ${type}`
      throw headerError(HEADER_SUBCODE.badMessageType, message, Uint8Array.of(type))
    }
    return length
  }
}
