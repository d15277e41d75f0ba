import { type Family } from '../../net/ip-address.ts'

/**
 * Prefixes as numbers, many at a time, reused from message to message.
 *
 * Prefix `n` of IPv4 is `words[n]` and `lengths[n]`; of IPv6 `words[4n..4n+3]`, most significant word
 * first. Bits beyond the length are zero. `pathIds[n]` is 0 unless path identifiers were negotiated.
 */
export class NlriList {
  family: Family = 4
  count = 0
  words = new Uint32Array(4 * 64)
  lengths = new Uint8Array(64)
  pathIds = new Uint32Array(64)

  clear(family: Family): void {
    this.family = family
    this.count = 0
  }

  /** Makes room for `count` prefixes in all. */
  reserve(count: number): void {
    if (count <= this.lengths.length) return
    const capacity = Math.max(count, 2 * this.lengths.length)
    const { words, lengths, pathIds } = this
    this.words = new Uint32Array(4 * capacity)
    this.words.set(words)
    this.lengths = new Uint8Array(capacity)
    this.lengths.set(lengths)
    this.pathIds = new Uint32Array(capacity)
    this.pathIds.set(pathIds)
  }
}

/**
 * Appends the NLRI in `octets[start, end)` to `into` (which says the family). False if they are
 * syntactically incorrect (RFC 7606 section 5.3): a length beyond the family's, or octets missing.
 * Written by hand and without a reader: this loop runs once for every route there is.
 */
export function readNlri(
  octets: Uint8Array,
  start: number,
  end: number,
  withPathId: boolean,
  into: NlriList,
): boolean {
  const isIpv4 = into.family === 4
  const bitsMax = isIpv4 ? 32 : 128
  let count = into.count
  let at = start
  while (at < end) {
    let pathId = 0
    if (withPathId) {
      if (at + 5 > end) return false
      pathId = word(octets, at)
      at += 4
    }
    const length = octets[at++]!
    if (length > bitsMax) return false
    const next = at + ((length + 7) >>> 3)
    if (next > end) return false
    if (count >= into.lengths.length) into.reserve(count + 1)
    if (isIpv4) into.words[count] = ipv4Word(octets, at, length)
    else {
      for (let index = 0; index < 4; index++) {
        const bits = length - 32 * index
        const from = at + 4 * index
        into.words[4 * count + index] = bits <= 0 ? 0 : maskedWord(octets, from, next, bits)
      }
    }
    into.lengths[count] = length
    into.pathIds[count] = pathId
    count++
    at = next
  }
  into.count = count
  return true
}

/** The address of an IPv4 prefix; octets that its length does not need are not looked at. */
function ipv4Word(octets: Uint8Array, at: number, length: number): number {
  if (length === 0) return 0
  let value = octets[at]! << 24
  if (length > 8) value |= octets[at + 1]! << 16
  if (length > 16) value |= octets[at + 2]! << 8
  if (length > 24) value |= octets[at + 3]!
  return value & (-1 << (32 - length))
}

function word(octets: Uint8Array, at: number): number {
  return (octets[at]! << 24) | (octets[at + 1]! << 16) | (octets[at + 2]! << 8) | octets[at + 3]!
}

/** The word at `at`, octets from `end` on read as zero, bits beyond `bits` cleared. */
function maskedWord(octets: Uint8Array, at: number, end: number, bits: number): number {
  let value = 0
  for (let index = 0; index < 4; index++) {
    value = (value << 8) | (at + index < end ? octets[at + index]! : 0)
  }
  return bits >= 32 ? value : value & (-1 << (32 - bits))
}
