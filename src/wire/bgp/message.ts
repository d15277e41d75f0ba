import { ByteReader, ByteWriter, ShortInput } from '../../lib/bytes.ts'
import { headerError } from './bgp-error.ts'
import { type CodecContext } from './codec-context.ts'
import { MESSAGE_HEADER_OCTETS } from './header.ts'
import { HEADER_SUBCODE, MESSAGE_TYPE } from './iana.ts'
import { encodeKeepalive } from './keepalive.ts'
import { decodeNotification, encodeNotification, type Notification } from './notification.ts'
import { decodeOpen, encodeOpen, type Open } from './open.ts'
import { type Update } from './path-attributes.ts'
import { decodeRouteRefresh, encodeRouteRefresh, type RouteRefresh } from './route-refresh.ts'
import { decodeUpdate, encodeUpdate } from './update.ts'

export interface Keepalive {
  readonly kind: 'keepalive'
}

export type Message = Open | Update | Notification | Keepalive | RouteRefresh

/** The type octet of a framed message: one of MESSAGE_TYPE. */
export function messageType(octets: Uint8Array, start: number): number {
  return octets[start + MESSAGE_HEADER_OCTETS - 1]!
}

/**
 * Decodes a whole message that {@link Framer} delivered, for people and for everything but the path of
 * routes (that is `scanUpdate`). Throws BgpError.
 */
export function decodeMessage(
  octets: Uint8Array,
  start: number,
  end: number,
  context: CodecContext,
): Message {
  const body = new ByteReader(octets, start + MESSAGE_HEADER_OCTETS, end)
  try {
    switch (messageType(octets, start)) {
      case MESSAGE_TYPE.open:
        return decodeOpen(body)
      case MESSAGE_TYPE.update:
        return decodeUpdate(octets.subarray(start, end), context).update
      case MESSAGE_TYPE.notification:
        return decodeNotification(body)
      case MESSAGE_TYPE.keepalive:
        return { kind: 'keepalive' }
      case MESSAGE_TYPE.routeRefresh:
        return decodeRouteRefresh(body)
      default:
    }
  } catch (error) {
    if (!(error instanceof ShortInput)) throw error
    const length = octets.slice(start + 16, start + 18)
    throw headerError(HEADER_SUBCODE.badMessageLength, error.message, length)
  }
  const type = messageType(octets, start)
  const message = `Expected a message type of 1 to 5, found ${type}`
  throw headerError(HEADER_SUBCODE.badMessageType, message, Uint8Array.of(type))
}

/** The octets of a message, header included. */
export function encodeMessage(message: Message, context: CodecContext): Uint8Array {
  const writer = new ByteWriter(256)
  switch (message.kind) {
    case 'open':
      encodeOpen(writer, message)
      break
    case 'update':
      encodeUpdate(writer, message, context)
      break
    case 'notification':
      encodeNotification(writer, message)
      break
    case 'keepalive':
      return encodeKeepalive()
    case 'routeRefresh':
      encodeRouteRefresh(writer, message)
      break
  }
  return writer.take()
}
