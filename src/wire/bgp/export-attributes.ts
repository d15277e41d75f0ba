import { attributeEnd, attributeValueStart } from './attribute-header.ts'
import { get32 } from '../../lib/octets.ts'
import { type ByteWriter } from '../../lib/bytes.ts'
import { ROW_BY_CODE } from './attribute-table.ts'
import { AS_SEGMENT, AS_TRANS, ATTRIBUTE, ATTRIBUTE_FLAG } from './iana.ts'
import { writeAttribute } from './write-attribute.ts'

/** How a block changes on its way to a neighbor; what is absent stays as it is. */
export interface AttributeEdits {
  /** AS numbers have four octets; if not, AS4_PATH and AS4_AGGREGATOR are added where they are needed. */
  readonly fourOctetAs: boolean
  /** AS number to prepend, `prependCount` times (1 when absent). */
  readonly prependAs?: number
  readonly prependCount?: number
  /** The IPv4 next hop to write as NEXT_HOP: 4 octets. Without it, and with `keepNextHop` unset, there is none. */
  readonly nextHop?: Uint8Array
  /** Copies NEXT_HOP. */
  readonly keepNextHop?: boolean
  /** A number replaces or adds it, null removes it. */
  readonly localPref?: number | null
  readonly multiExitDisc?: number | null
  /** Added only where there is none (RFC 4456 section 8); null removes it. */
  readonly originatorId?: number | null
  /** Prepended to CLUSTER_LIST; null removes the list. */
  readonly clusterId?: number | null
}

/**
 * Writes the block `octets[start, end)` of the RIB as it goes to a neighbor, in order of type as RFC 4271
 * section 5 wants; MP_REACH_NLRI is left out, since the UPDATE writer writes it with its NLRI. One pass
 * and no objects: this runs once for each distinct block and group of like neighbors.
 */
export function exportAttributes(
  octets: Uint8Array,
  start: number,
  end: number,
  edits: AttributeEdits,
  writer: ByteWriter,
): void {
  const present = codesOf(octets, start, end)
  let done = 0
  let at = start
  while (at < end) {
    const code = octets[at + 1]!
    const valueStart = attributeValueStart(octets, at)
    const next = attributeEnd(octets, at)
    // The block may be in any order: MP_REACH_NLRI stands first in many (RFC 7606 section 5.1).
    if (code > done && code !== ATTRIBUTE.mpReachNlri) {
      writeAdded(writer, done, code, present, edits)
      done = code
    }
    writeEdited(octets, at, valueStart, next, edits, writer)
    at = next
  }
  writeAdded(writer, done, 256, present, edits)
  if (!edits.fourOctetAs) writeForOldSpeakers(octets, start, end, edits, writer)
}

/** The types below 32 that a block has, as bits. */
function codesOf(octets: Uint8Array, start: number, end: number): number {
  let codes = 0
  for (let at = start; at < end; at = attributeEnd(octets, at)) {
    if (octets[at + 1]! < 32) codes |= 1 << octets[at + 1]!
  }
  return codes
}

/** Writes the edited attributes whose types are between two, unless they come later. */
function writeAdded(
  writer: ByteWriter,
  after: number,
  before: number,
  present: number,
  edits: AttributeEdits,
): void {
  const between = (code: number): boolean =>
    after < code && code < before && (present & (1 << code)) === 0
  if (between(ATTRIBUTE.asPath)) writePrepended(writer, NOTHING, 0, 0, edits)
  if (edits.nextHop !== undefined && between(ATTRIBUTE.nextHop)) writeNextHop(writer, edits.nextHop)
  if (typeof edits.multiExitDisc === 'number' && between(ATTRIBUTE.multiExitDisc)) {
    writeNumber(writer, ATTRIBUTE_FLAG.optional, ATTRIBUTE.multiExitDisc, edits.multiExitDisc)
  }
  if (typeof edits.localPref === 'number' && between(ATTRIBUTE.localPref)) {
    writeNumber(writer, ATTRIBUTE_FLAG.transitive, ATTRIBUTE.localPref, edits.localPref)
  }
  if (typeof edits.originatorId === 'number' && between(ATTRIBUTE.originatorId)) {
    writeNumber(writer, ATTRIBUTE_FLAG.optional, ATTRIBUTE.originatorId, edits.originatorId)
  }
  if (typeof edits.clusterId === 'number' && between(ATTRIBUTE.clusterList)) {
    writeNumber(writer, ATTRIBUTE_FLAG.optional, ATTRIBUTE.clusterList, edits.clusterId)
  }
}

const NOTHING = new Uint8Array(0)

function writeEdited(
  octets: Uint8Array,
  at: number,
  start: number,
  end: number,
  edits: AttributeEdits,
  writer: ByteWriter,
): void {
  switch (octets[at + 1]!) {
    case ATTRIBUTE.asPath:
      writePrepended(writer, octets, start, end, edits)
      break
    case ATTRIBUTE.nextHop:
      if (edits.nextHop !== undefined) writeNextHop(writer, edits.nextHop)
      else if (edits.keepNextHop === true) copy(octets, at, end, writer)
      break
    case ATTRIBUTE.multiExitDisc:
      if (typeof edits.multiExitDisc === 'number') {
        writeNumber(writer, ATTRIBUTE_FLAG.optional, ATTRIBUTE.multiExitDisc, edits.multiExitDisc)
      } else if (edits.multiExitDisc === undefined) copy(octets, at, end, writer)
      break
    case ATTRIBUTE.localPref:
      if (typeof edits.localPref === 'number') {
        writeNumber(writer, ATTRIBUTE_FLAG.transitive, ATTRIBUTE.localPref, edits.localPref)
      } else if (edits.localPref === undefined) copy(octets, at, end, writer)
      break
    case ATTRIBUTE.aggregator:
      if (edits.fourOctetAs) copy(octets, at, end, writer)
      else writeOldAggregator(octets, at, start, writer)
      break
    case ATTRIBUTE.originatorId:
      if (edits.originatorId !== null) copy(octets, at, end, writer)
      break
    case ATTRIBUTE.clusterList:
      if (typeof edits.clusterId === 'number') {
        const length = end - start + 4
        writeHeader(writer, ATTRIBUTE_FLAG.optional, ATTRIBUTE.clusterList, length)
        writer.u32(edits.clusterId)
        copy(octets, start, end, writer)
      } else if (edits.clusterId === undefined) copy(octets, at, end, writer)
      break
    case ATTRIBUTE.mpReachNlri:
      break
    default:
      copy(octets, at, end, writer)
  }
}

function copy(octets: Uint8Array, start: number, end: number, writer: ByteWriter): void {
  for (let at = start; at < end; at++) writer.u8(octets[at]!)
}

function writeHeader(writer: ByteWriter, flags: number, code: number, length: number): void {
  const isLong = length > 255
  writer.u8(isLong ? flags | ATTRIBUTE_FLAG.extendedLength : flags)
  writer.u8(code)
  if (isLong) writer.u16(length)
  else writer.u8(length)
}

function writeNumber(writer: ByteWriter, flags: number, code: number, value: number): void {
  writeHeader(writer, flags, code, 4)
  writer.u32(value)
}

function writeNextHop(writer: ByteWriter, nextHop: Uint8Array): void {
  writeHeader(writer, ATTRIBUTE_FLAG.transitive, ATTRIBUTE.nextHop, 4)
  writer.bytes(nextHop)
}

function writeAsn(writer: ByteWriter, asn: number, fourOctetAs: boolean): void {
  if (fourOctetAs) writer.u32(asn)
  else writer.u16(asn > 0xffff ? AS_TRANS : asn)
}

/** AS_PATH with our number in front: in the first sequence if it has room, else in a new one. */
function writePrepended(
  writer: ByteWriter,
  octets: Uint8Array,
  start: number,
  end: number,
  edits: AttributeEdits,
): void {
  const asnOctets = edits.fourOctetAs ? 4 : 2
  const prepended = prependedCount(edits)
  const joins = joinsFirst(octets, start, end, prepended)
  const segments = countSegments(octets, start, end)
  const numbers = (end - start - 2 * segments) / 4 + prepended
  const written = segments + (prepended > 0 && !joins ? 1 : 0)
  writeHeader(
    writer,
    ATTRIBUTE_FLAG.transitive,
    ATTRIBUTE.asPath,
    2 * written + asnOctets * numbers,
  )
  if (prepended > 0) {
    writer.u8(AS_SEGMENT.sequence)
    writer.u8(joins ? octets[start + 1]! + prepended : prepended)
    for (let n = 0; n < prepended; n++) writeAsn(writer, edits.prependAs!, edits.fourOctetAs)
  }
  if (edits.fourOctetAs) copy(octets, joins ? start + 2 : start, end, writer)
  else writeNarrow(octets, start, end, joins, writer)
}

function prependedCount(edits: AttributeEdits): number {
  return edits.prependAs === undefined ? 0 : Math.min(255, edits.prependCount ?? 1)
}

function joinsFirst(octets: Uint8Array, start: number, end: number, prepended: number): boolean {
  if (prepended === 0 || start === end) return false
  return octets[start] === AS_SEGMENT.sequence && octets[start + 1]! + prepended <= 255
}

function countSegments(octets: Uint8Array, start: number, end: number): number {
  let count = 0
  for (let at = start; at < end; at += 2 + 4 * octets[at + 1]!) count++
  return count
}

/** Segments with numbers of two octets; the header of the first one is left out if it was joined. */
function writeNarrow(
  octets: Uint8Array,
  start: number,
  end: number,
  joins: boolean,
  writer: ByteWriter,
): void {
  let at = start
  while (at < end) {
    const next = at + 2 + 4 * octets[at + 1]!
    if (at !== start || !joins) copy(octets, at, at + 2, writer)
    for (at += 2; at < next; at += 4) writeAsn(writer, get32(octets, at), false)
  }
}

function writeOldAggregator(
  octets: Uint8Array,
  at: number,
  start: number,
  writer: ByteWriter,
): void {
  writer.u8(octets[at]! & ~ATTRIBUTE_FLAG.extendedLength)
  writer.u8(ATTRIBUTE.aggregator)
  writer.u8(6)
  writeAsn(writer, get32(octets, start), false)
  copy(octets, start + 4, start + 8, writer)
}

/** RFC 6793 section 4.2.2: the numbers that do not fit, in attributes of their own, only where there are any. */
function writeForOldSpeakers(
  octets: Uint8Array,
  start: number,
  end: number,
  edits: AttributeEdits,
  writer: ByteWriter,
): void {
  let path = [0, 0]
  let aggregator = -1
  for (let at = start; at < end; at = attributeEnd(octets, at)) {
    const valueStart = attributeValueStart(octets, at)
    if (octets[at + 1] === ATTRIBUTE.asPath) path = [valueStart, attributeEnd(octets, at)]
    if (octets[at + 1] === ATTRIBUTE.aggregator) aggregator = valueStart
  }
  const { flags } = ROW_BY_CODE[ATTRIBUTE.as4Path]!
  if ((edits.prependAs ?? 0) > 0xffff || hasLongAsn(octets, path[0]!, path[1]!)) {
    writeAs4Path(octets, path[0]!, path[1]!, edits, writer)
  }
  if (aggregator >= 0 && get32(octets, aggregator) > 0xffff) {
    writeAttribute(writer, flags, ATTRIBUTE.as4Aggregator, octets, aggregator, aggregator + 8)
  }
}

function hasLongAsn(octets: Uint8Array, start: number, end: number): boolean {
  let at = start
  while (at < end) {
    const next = at + 2 + 4 * octets[at + 1]!
    for (at += 2; at < next; at += 4) if (octets[at] !== 0 || octets[at + 1] !== 0) return true
  }
  return false
}

/** The path as a speaker of four octets would get it. */
function writeAs4Path(
  octets: Uint8Array,
  start: number,
  end: number,
  edits: AttributeEdits,
  writer: ByteWriter,
): void {
  const prepended = prependedCount(edits)
  const joins = joinsFirst(octets, start, end, prepended)
  const length = end - start + 4 * prepended + (prepended > 0 && !joins ? 2 : 0)
  writeHeader(
    writer,
    ATTRIBUTE_FLAG.optional | ATTRIBUTE_FLAG.transitive,
    ATTRIBUTE.as4Path,
    length,
  )
  if (prepended > 0) {
    writer.u8(AS_SEGMENT.sequence)
    writer.u8(joins ? octets[start + 1]! + prepended : prepended)
    for (let n = 0; n < prepended; n++) writer.u32(edits.prependAs!)
  }
  copy(octets, joins ? start + 2 : start, end, writer)
}
