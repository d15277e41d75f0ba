import { get16, get32, set16, set32 } from './octets.ts'

/** The TCP header (RFC 9293) at an offset: `import * as tcp`. */

export const HEADER_OCTETS = 20

export const FLAG = { fin: 1, syn: 2, rst: 4, psh: 8, ack: 16, urg: 32 } as const

/** Whether a whole header with its options is there. */
export function check(octets: Uint8Array, at: number, end: number): boolean {
  if (end - at < HEADER_OCTETS) return false
  const header = headerOctets(octets, at)
  return header >= HEADER_OCTETS && header <= end - at
}

export function sourcePort(octets: Uint8Array, at: number): number {
  return get16(octets, at)
}

export function destinationPort(octets: Uint8Array, at: number): number {
  return get16(octets, at + 2)
}

export function sequence(octets: Uint8Array, at: number): number {
  return get32(octets, at + 4)
}

export function acknowledgment(octets: Uint8Array, at: number): number {
  return get32(octets, at + 8)
}

export function headerOctets(octets: Uint8Array, at: number): number {
  return (octets[at + 12]! >>> 4) * 4
}

export function flags(octets: Uint8Array, at: number): number {
  return octets[at + 13]!
}

export function window(octets: Uint8Array, at: number): number {
  return get16(octets, at + 14)
}

/** https://www.iana.org/assignments/tcp-parameters, option kinds. */
export const OPTION = { end: 0, noOperation: 1, maximumSegmentSize: 2, md5Signature: 19 } as const

/** The value of an option, or undefined if it is not there or the options are malformed. */
export function option(octets: Uint8Array, at: number, kind: number): Uint8Array | undefined {
  const end = at + headerOctets(octets, at)
  for (let next = at + HEADER_OCTETS; next < end;) {
    const found = octets[next]!
    if (found === OPTION.end) return undefined
    if (found === OPTION.noOperation) {
      next++
      continue
    }
    const length = next + 1 < end ? octets[next + 1]! : 0
    if (length < 2 || next + length > end) return undefined
    if (found === kind) return octets.subarray(next + 2, next + length)
    next += length
  }
  return undefined
}

export interface TcpHeader {
  readonly sourcePort: number
  readonly destinationPort: number
  readonly sequence: number
  readonly acknowledgment: number
  readonly flags: number
  readonly window: number
  /** Options, padded here to a multiple of four octets. */
  readonly options?: Uint8Array
}

/** Header and options, to be followed by the data; the checksum is zero until the packet stands. */
export function encodeHeader(header: TcpHeader): Uint8Array {
  const options = header.options?.length ?? 0
  const length = HEADER_OCTETS + ((options + 3) & ~3)
  const octets = new Uint8Array(length)
  set16(octets, 0, header.sourcePort)
  set16(octets, 2, header.destinationPort)
  set32(octets, 4, header.sequence)
  set32(octets, 8, header.acknowledgment)
  octets[12] = (length / 4) << 4
  octets[13] = header.flags
  set16(octets, 14, header.window)
  if (header.options !== undefined) octets.set(header.options, HEADER_OCTETS)
  return octets
}
