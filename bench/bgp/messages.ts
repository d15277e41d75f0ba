/**
 * The BGP messages of the generator, built by hand and not by Tortie's own codec: a witness must not
 * share the faults of what it measures. RFC 4271 section 4, RFC 6793 (four-octet AS numbers).
 */

export const MESSAGE = { open: 1, update: 2, notification: 3, keepalive: 4 } as const
const HEADER_OCTETS = 19

/** Route number 0 is 16.0.0.0/24, number 1 is 16.0.1.0/24 and so on; up to 2^20 and more stay unicast. */
export const FIRST_SLASH_24 = 0x100000

function header(octets: Buffer, type: number): Buffer {
  octets.fill(0xff, 0, 16)
  octets.writeUInt16BE(octets.length, 16)
  octets[18] = type
  return octets
}

export const KEEPALIVE = header(Buffer.alloc(HEADER_OCTETS), MESSAGE.keepalive)

/** OPEN with the capabilities IPv4 unicast, route refresh and four-octet AS. */
export function openMessage(as: number, holdTimeSeconds: number, identifier: string): Buffer {
  const capabilities = Buffer.from([1, 4, 0, 1, 0, 1, 2, 0, 65, 4, 0, 0, 0, 0])
  capabilities.writeUInt32BE(as, capabilities.length - 4)
  const octets = Buffer.alloc(HEADER_OCTETS + 10 + 2 + capabilities.length)
  let at = octets.writeUInt8(4, HEADER_OCTETS)
  at = octets.writeUInt16BE(as > 65535 ? 23456 : as, at)
  at = octets.writeUInt16BE(holdTimeSeconds, at)
  for (const part of identifier.split('.')) at = octets.writeUInt8(Number(part), at)
  at = octets.writeUInt8(2 + capabilities.length, at)
  at = octets.writeUInt8(2, at)
  at = octets.writeUInt8(capabilities.length, at)
  capabilities.copy(octets, at)
  return header(octets, MESSAGE.open)
}

export interface RouteRange {
  /** Number of the first route. */
  readonly first: number
  readonly count: number
  readonly perUpdate: number
}

export interface AnnounceOptions extends RouteRange {
  /** First AS of the path; undefined on iBGP, where LOCAL_PREF is sent instead. */
  readonly as: number | undefined
  readonly nextHop: string
}

/**
 * All UPDATEs that announce a range, one after another. Each has an AS_PATH and two communities of its
 * own, so that no speaker gains by attributes shared between UPDATEs.
 */
export function announcements(options: AnnounceOptions): Buffer {
  const updates = Math.ceil(options.count / options.perUpdate)
  const path = options.as === undefined ? 3 : 4
  const attributes = 4 + (3 + 2 + 4 * path) + 7 + (options.as === undefined ? 7 : 0) + (3 + 8)
  const fixed = HEADER_OCTETS + 4 + attributes
  const all = Buffer.alloc(updates * fixed + options.count * 4)
  const nextHop = Buffer.from(options.nextHop.split('.').map(Number))
  let start = 0
  for (let update = 0; update < updates; update++) {
    const from = update * options.perUpdate
    const count = Math.min(options.perUpdate, options.count - from)
    const octets = all.subarray(start, start + fixed + count * 4)
    start += octets.length
    const identity = Math.floor((options.first + from) / options.perUpdate)
    let at = octets.writeUInt16BE(0, HEADER_OCTETS)
    at = octets.writeUInt16BE(attributes, at)
    at = octets.writeUInt32BE(0x40010100, at) // ORIGIN IGP
    at = octets.writeUIntBE(0x400200 | (2 + 4 * path), at, 3) // AS_PATH
    at = octets.writeUInt16BE(0x0200 | path, at) // one AS_SEQUENCE
    if (options.as !== undefined) at = octets.writeUInt32BE(options.as, at)
    at = octets.writeUInt32BE(3356, at)
    at = octets.writeUInt32BE(100_000 + ((identity * 7919) % 60_000), at)
    at = octets.writeUInt32BE(200_000 + identity, at)
    at = octets.writeUIntBE(0x400304, at, 3) // NEXT_HOP
    at += nextHop.copy(octets, at)
    if (options.as === undefined) {
      at = octets.writeUIntBE(0x400504, at, 3) // LOCAL_PREF
      at = octets.writeUInt32BE(100, at)
    }
    at = octets.writeUIntBE(0xc00808, at, 3) // COMMUNITIES
    at = octets.writeUInt32BE((3356 << 16) | (identity & 0xffff), at)
    at = octets.writeUInt32BE((1299 << 16) | ((identity >>> 8) & 0xffff), at)
    writePrefixes(octets, at, options.first + from, count)
    header(octets, MESSAGE.update)
  }
  return all
}

/** All UPDATEs that withdraw a range, one after another. */
export function withdrawals(range: RouteRange): Buffer {
  const messages: Buffer[] = []
  for (let from = 0; from < range.count; from += range.perUpdate) {
    const count = Math.min(range.perUpdate, range.count - from)
    const octets = Buffer.alloc(HEADER_OCTETS + 4 + count * 4)
    const at = octets.writeUInt16BE(count * 4, HEADER_OCTETS)
    writePrefixes(octets, at, range.first + from, count)
    messages.push(header(octets, MESSAGE.update))
  }
  return Buffer.concat(messages)
}

/** End-of-RIB of IPv4 unicast (RFC 4724 section 2). */
export const END_OF_RIB = header(Buffer.alloc(HEADER_OCTETS + 4), MESSAGE.update)

function writePrefixes(octets: Buffer, start: number, first: number, count: number): void {
  let at = start
  for (let route = first; route < first + count; route++) {
    at = octets.writeUInt32BE(((24 << 24) | (FIRST_SLASH_24 + route)) >>> 0, at)
  }
}

/**
 * Cuts a stream into messages. `onMessage` gets the buffer that holds the message, its type, and where
 * its body starts and ends; nothing is copied unless a message spans two chunks.
 */
export class MessageSplitter {
  readonly #onMessage: (octets: Buffer, type: number, start: number, end: number) => void
  #rest = Buffer.alloc(0)

  constructor(onMessage: (octets: Buffer, type: number, start: number, end: number) => void) {
    this.#onMessage = onMessage
  }

  push(chunk: Buffer): void {
    const octets = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    let at = 0
    while (octets.length - at >= HEADER_OCTETS) {
      const length = (octets[at + 16]! << 8) | octets[at + 17]!
      if (length < HEADER_OCTETS) throw new Error(`message of ${length} octets`)
      if (octets.length - at < length) break
      this.#onMessage(octets, octets[at + 18]!, at + HEADER_OCTETS, at + length)
      at += length
    }
    this.#rest = at === octets.length ? Buffer.alloc(0) : Buffer.from(octets.subarray(at))
  }
}
