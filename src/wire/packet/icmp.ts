import { internetChecksum } from './checksum.ts'
import { get16, set16 } from './octets.ts'

/** ICMP for IPv4 (RFC 792) at an offset: `import * as icmp`. */

export const HEADER_OCTETS = 8

/** https://www.iana.org/assignments/icmp-parameters */
export const TYPE = {
  echoReply: 0,
  destinationUnreachable: 3,
  redirect: 5,
  echoRequest: 8,
  timeExceeded: 11,
  parameterProblem: 12,
} as const

/** Codes of destination unreachable. */
export const UNREACHABLE = {
  network: 0,
  host: 1,
  protocol: 2,
  port: 3,
  fragmentationNeeded: 4,
  communicationProhibited: 13,
} as const

/** Codes of redirect: for whom it is. */
export const REDIRECT = { network: 0, host: 1 } as const

export const TIME_EXCEEDED = { timeToLive: 0, reassembly: 1 } as const

export function type(octets: Uint8Array, at: number): number {
  return octets[at]!
}

export function code(octets: Uint8Array, at: number): number {
  return octets[at + 1]!
}

/** Of an echo request or reply. */
export function identifier(octets: Uint8Array, at: number): number {
  return get16(octets, at + 4)
}

/** Of an echo request or reply. */
export function sequence(octets: Uint8Array, at: number): number {
  return get16(octets, at + 6)
}

/** Of "fragmentation needed" (RFC 1191 section 4). */
export function nextHopMtu(octets: Uint8Array, at: number): number {
  return get16(octets, at + 6)
}

/** Whether the message is about another packet, whose beginning it carries. */
export function isError(type: number): boolean {
  return (
    type === TYPE.destinationUnreachable ||
    type === TYPE.timeExceeded ||
    type === TYPE.parameterProblem ||
    type === TYPE.redirect
  )
}

export interface IcmpMessage {
  readonly type: number
  readonly code: number
  /** The two 16-bit words after the checksum: identifier and sequence, or unused and MTU. */
  readonly first?: number
  readonly second?: number
  readonly body: Uint8Array
}

/** Header, body, checksum. */
export function encode(message: IcmpMessage): Uint8Array {
  const octets = new Uint8Array(HEADER_OCTETS + message.body.length)
  octets[0] = message.type
  octets[1] = message.code
  set16(octets, 4, message.first ?? 0)
  set16(octets, 6, message.second ?? 0)
  octets.set(message.body, HEADER_OCTETS)
  set16(octets, 2, internetChecksum(octets, 0, octets.length))
  return octets
}
