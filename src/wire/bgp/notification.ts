import { type ByteReader, type ByteWriter, hex } from '../../lib/bytes.ts'
import { type BgpError } from './bgp-error.ts'
import { writeMessage } from './header.ts'
import {
  CEASE_SUBCODE,
  ERROR_CODE,
  FSM_SUBCODE,
  HEADER_SUBCODE,
  MESSAGE_TYPE,
  OPEN_SUBCODE,
  registeredName,
  ROUTE_REFRESH_SUBCODE,
  UPDATE_SUBCODE,
} from './iana.ts'

/** NOTIFICATION, RFC 4271 section 4.5. */
export interface Notification {
  readonly kind: 'notification'
  readonly code: number
  readonly subcode: number
  readonly data: Uint8Array
}

/** Longest shutdown communication in octets, RFC 9003 section 2. */
export const SHUTDOWN_COMMUNICATION_OCTETS_MAX = 255

const SUBCODES: Readonly<Record<number, Readonly<Record<string, number>>>> = {
  [ERROR_CODE.messageHeader]: HEADER_SUBCODE,
  [ERROR_CODE.openMessage]: OPEN_SUBCODE,
  [ERROR_CODE.updateMessage]: UPDATE_SUBCODE,
  [ERROR_CODE.finiteStateMachine]: FSM_SUBCODE,
  [ERROR_CODE.cease]: CEASE_SUBCODE,
  [ERROR_CODE.routeRefreshMessage]: ROUTE_REFRESH_SUBCODE,
}

export function decodeNotification(body: ByteReader): Notification {
  const code = body.u8()
  const subcode = body.u8()
  return { kind: 'notification', code, subcode, data: body.copy(body.remaining) }
}

export function encodeNotification(writer: ByteWriter, message: Omit<Notification, 'kind'>): void {
  writeMessage(writer, MESSAGE_TYPE.notification, () => {
    writer.u8(message.code)
    writer.u8(message.subcode)
    writer.bytes(message.data)
  })
}

/** The NOTIFICATION that answers an error; data is cut so that it fits (4096 octets in all). */
export function notificationOf(error: BgpError): Notification {
  const data = error.data.length > 4075 ? error.data.slice(0, 4075) : error.data
  return { kind: 'notification', code: error.code, subcode: error.subcode, data }
}

/** A CEASE with a text for the operator (RFC 9003); the text is cut at 255 octets of UTF-8. */
export function shutdownNotification(subcode: number, text = ''): Notification {
  let octets = new TextEncoder().encode(text)
  if (octets.length > SHUTDOWN_COMMUNICATION_OCTETS_MAX) {
    let end = SHUTDOWN_COMMUNICATION_OCTETS_MAX
    while ((octets[end]! & 0xc0) === 0x80) end-- // never inside a character
    octets = octets.slice(0, end)
  }
  const data = octets.length === 0 ? octets : Uint8Array.of(octets.length, ...octets)
  return { kind: 'notification', code: ERROR_CODE.cease, subcode, data }
}

/**
 * The shutdown communication of an Administrative Shutdown or Reset (RFC 9003), also of one that a Hard
 * Reset wraps; undefined if there is none or it is not UTF-8 of its own length. Control characters are replaced, so that it can be logged.
 */
export function shutdownCommunication(message: Omit<Notification, 'kind'>): string | undefined {
  const { code, subcode, data } = hardResetCause(message) ?? message
  const mayHaveText =
    code === ERROR_CODE.cease &&
    (subcode === CEASE_SUBCODE.administrativeShutdown ||
      subcode === CEASE_SUBCODE.administrativeReset)
  if (!mayHaveText || data.length === 0 || data[0] === 0 || data[0]! + 1 > data.length) {
    return undefined
  }
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(data.subarray(1, 1 + data[0]!))
    return text.replaceAll(/\p{Cc}/gu, '\uFFFD')
  } catch {
    return undefined
  }
}

/** A Hard Reset around another NOTIFICATION: nothing is to be retained (RFC 8538 section 3.1). */
export function hardReset({ code, subcode, data }: Omit<Notification, 'kind'>): Notification {
  return {
    kind: 'notification',
    code: ERROR_CODE.cease,
    subcode: CEASE_SUBCODE.hardReset,
    data: Uint8Array.of(code, subcode, ...data),
  }
}

/** What a Hard Reset wraps, or undefined if this is none. */
export function hardResetCause(
  message: Omit<Notification, 'kind'>,
): Omit<Notification, 'kind'> | undefined {
  const isHardReset =
    message.code === ERROR_CODE.cease && message.subcode === CEASE_SUBCODE.hardReset
  if (!isHardReset || message.data.length < 2) return undefined
  return { code: message.data[0]!, subcode: message.data[1]!, data: message.data.subarray(2) }
}

/** One line for people: "cease/administrativeShutdown: maintenance until 14:00". */
export function describeNotification(message: Omit<Notification, 'kind'>): string {
  const wrapped = hardResetCause(message)
  // Once only: a message could wrap thousands.
  return wrapped === undefined ? describe(message) : `hard reset, ${describe(wrapped)}`
}

function describe(message: Omit<Notification, 'kind'>): string {
  const code = registeredName(ERROR_CODE, message.code)
  const subcodes = SUBCODES[message.code]
  const subcode = subcodes === undefined ? '' : `/${registeredName(subcodes, message.subcode)}`
  const text = shutdownCommunication(message)
  if (text !== undefined) return `${code}${subcode}: ${text}`
  if (message.data.length === 0) return `${code}${subcode}`
  const shown = hex(message.data.subarray(0, 32))
  return `${code}${subcode} (data ${shown}${message.data.length > 32 ? '…' : ''})`
}
