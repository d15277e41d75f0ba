import { type ByteReader, type ByteWriter } from '../../lib/bytes.ts'
import { AS_SEGMENT, AS_TRANS, UPDATE_SUBCODE } from './iana.ts'

/** A path segment, RFC 4271 section 4.3. Only sequence and set are taken from and sent to neighbors. */
export interface AsPathSegment {
  readonly kind: 'sequence' | 'set'
  readonly asns: readonly number[]
}

/** Most AS numbers of one segment: its count has one octet. */
const SEGMENT_ASNS_MAX = 255

/** Octets of a path that are written at most: what the length of an attribute can say. */
const PATH_OCTETS_MAX = 65535

/**
 * UPDATE_SUBCODE of what is wrong with path segments in `octets[start, end)`, 0 if nothing is: RFC 7606
 * section 7.2 (unrecognized type, overrun, underrun, empty segment) and AS 0 (RFC 7607). Confederation
 * segments are not accepted: Tortie is in no confederation (RFC 5065 section 5.3).
 */
export function checkAsPath(
  octets: Uint8Array,
  start: number,
  end: number,
  asnOctets: number,
): number {
  // Widened to four octets it must still fit an attribute; sixteen thousand hops are a mistake anyway.
  if (asnOctets === 2 && 2 * (end - start) > PATH_OCTETS_MAX) return UPDATE_SUBCODE.malformedAsPath
  let at = start
  while (at < end) {
    if (at + 2 > end) return UPDATE_SUBCODE.malformedAsPath
    const type = octets[at]!
    const count = octets[at + 1]!
    const next = at + 2 + count * asnOctets
    const isKnown = type === AS_SEGMENT.sequence || type === AS_SEGMENT.set
    if (!isKnown || count === 0 || next > end) return UPDATE_SUBCODE.malformedAsPath
    for (at += 2; at < next; at += asnOctets) {
      if (octets[at] !== 0 || octets[at + 1] !== 0) continue
      if (asnOctets === 2 || (octets[at + 2] === 0 && octets[at + 3] === 0)) {
        return UPDATE_SUBCODE.malformedAsPath
      }
    }
  }
  return 0
}

/** As {@link checkAsPath} for AS4_PATH: never empty, and confederation segments are skipped (RFC 6793 section 6). */
export function checkAs4Path(octets: Uint8Array, start: number, end: number): number {
  if (end - start < 6) return UPDATE_SUBCODE.optionalAttributeError
  let at = start
  while (at < end) {
    if (at + 2 > end) return UPDATE_SUBCODE.optionalAttributeError
    const type = octets[at]!
    const count = octets[at + 1]!
    const next = at + 2 + count * 4
    const isKnown = type >= AS_SEGMENT.set && type <= AS_SEGMENT.confedSet
    if (!isKnown || count === 0 || next > end) return UPDATE_SUBCODE.optionalAttributeError
    for (at += 2; at < next; at += 4) {
      if (readAsn(octets, at, 4) === 0) return UPDATE_SUBCODE.optionalAttributeError
    }
  }
  return 0
}

export function readAsPath(value: ByteReader, asnOctets: number): AsPathSegment[] {
  const segments: AsPathSegment[] = []
  while (value.remaining > 0) {
    const kind = value.u8() === AS_SEGMENT.set ? 'set' : 'sequence'
    const count = value.u8()
    const asns = Array.from({ length: count }, () => (asnOctets === 4 ? value.u32() : value.u16()))
    segments.push({ kind, asns })
  }
  return segments
}

/**
 * Writes segments; long ones in several of 255, AS numbers that do not fit two octets as AS_TRANS. A path
 * that is longer than an attribute can be loses its far end, which only thousands of prepended numbers do.
 */
export function writeAsPath(
  writer: ByteWriter,
  path: readonly AsPathSegment[],
  asnOctets: number,
): void {
  const start = writer.length
  for (const { kind, asns } of path) {
    for (let from = 0; from < asns.length; from += SEGMENT_ASNS_MAX) {
      const part = asns.slice(from, from + SEGMENT_ASNS_MAX)
      if (writer.length - start + 2 + part.length * asnOctets > PATH_OCTETS_MAX) return
      writer.u8(kind === 'set' ? AS_SEGMENT.set : AS_SEGMENT.sequence)
      writer.u8(part.length)
      for (const asn of part) {
        if (asnOctets === 4) writer.u32(asn)
        else writer.u16(asn > 0xffff ? AS_TRANS : asn)
      }
    }
  }
}

/** Hops as the decision process counts them: a set is one (RFC 4271 section 9.1.2.2). */
export function asPathLength(path: readonly AsPathSegment[]): number {
  return path.reduce((sum, { kind, asns }) => sum + (kind === 'set' ? 1 : asns.length), 0)
}

/** "65001 65002 {65003 65004}", as every router prints it. */
export function formatAsPath(path: readonly AsPathSegment[]): string {
  return path
    .map(({ kind, asns }) => (kind === 'set' ? `{${asns.join(' ')}}` : asns.join(' ')))
    .join(' ')
}

/**
 * The AS path of a route from a speaker of two-octet numbers, RFC 6793 section 4.2.3: as many leading
 * numbers of AS_PATH as AS4_PATH lacks, then AS4_PATH; AS_PATH alone if AS4_PATH is the longer.
 */
export function mergeAs4Path(
  path: readonly AsPathSegment[],
  as4Path: readonly AsPathSegment[],
): readonly AsPathSegment[] {
  let missing = asPathLength(path) - asPathLength(as4Path)
  if (missing < 0) return path
  const merged: AsPathSegment[] = []
  for (const segment of path) {
    if (missing === 0) break
    if (segment.kind === 'set') {
      merged.push(segment)
      missing--
    } else {
      const asns = segment.asns.slice(0, missing)
      merged.push({ kind: 'sequence', asns })
      missing -= asns.length
    }
  }
  const joined = joinSequences([...merged, ...as4Path])
  return octetsOf(joined) > PATH_OCTETS_MAX ? path : joined
}

/** Octets of a path with numbers of four octets. */
function octetsOf(path: readonly AsPathSegment[]): number {
  return path.reduce((sum, { asns }) => {
    return sum + 2 * Math.ceil(asns.length / SEGMENT_ASNS_MAX) + 4 * asns.length
  }, 0)
}

/** Neighboring sequences as one, so that a split in transit does not show. */
function joinSequences(path: readonly AsPathSegment[]): AsPathSegment[] {
  const joined: AsPathSegment[] = []
  for (const segment of path) {
    const last = joined.at(-1)
    if (last?.kind === 'sequence' && segment.kind === 'sequence') {
      joined[joined.length - 1] = { kind: 'sequence', asns: [...last.asns, ...segment.asns] }
    } else joined.push(segment)
  }
  return joined
}

/** AS4_PATH without the confederation segments that RFC 6793 section 6 says to skip. */
export function readAs4Path(value: ByteReader): AsPathSegment[] {
  const segments: AsPathSegment[] = []
  while (value.remaining > 0) {
    const type = value.u8()
    const asns = Array.from({ length: value.u8() }, () => value.u32())
    if (type === AS_SEGMENT.set) segments.push({ kind: 'set', asns })
    else if (type === AS_SEGMENT.sequence) segments.push({ kind: 'sequence', asns })
  }
  return segments
}

function readAsn(octets: Uint8Array, at: number, asnOctets: number): number {
  const high = (octets[at]! << 8) | octets[at + 1]!
  return asnOctets === 2 ? high : ((high << 16) | (octets[at + 2]! << 8) | octets[at + 3]!) >>> 0
}
