import { ByteReader, type ByteWriter } from '../../lib/bytes.ts'
import { ATTRIBUTES, ROW_BY_CODE } from './attribute-table.ts'
import { mergeAs4Path, readAs4Path, readAsPath, writeAsPath } from './as-path.ts'
import { type CodecContext } from './codec-context.ts'
import { ATTRIBUTE, AS_TRANS, ATTRIBUTE_FLAG } from './iana.ts'
import { writeAttribute } from './write-attribute.ts'
import { type AttributeBlock, type UpdateScan } from './update-scan.ts'

/**
 * Sets the blocks of a scan: the octets of the message where they will do, else a copy in the form that
 * {@link UpdateScan} describes.
 */
export function buildBlocks(
  octets: Uint8Array,
  start: number,
  end: number,
  context: CodecContext,
  scan: UpdateScan,
): void {
  const { announced, mpAnnounced, scratch, block, mpBlock } = scan
  if (announced.count === 0 && mpAnnounced.count === 0) return
  if (!scan.mustRewrite && context.fourOctetAs) {
    set(block, octets, start, end)
    return
  }
  scratch.reset()
  if (announced.count > 0) writeBlock(octets, context, scan, false)
  const middle = scratch.length
  if (mpAnnounced.count > 0) writeBlock(octets, context, scan, true)
  const written = scratch.view()
  set(block, written, 0, middle)
  set(mpBlock, written, middle, written.length)
}

function set(block: AttributeBlock, octets: Uint8Array, start: number, end: number): void {
  block.octets = octets
  block.start = start
  block.end = end
}

function writeBlock(
  octets: Uint8Array,
  context: CodecContext,
  scan: UpdateScan,
  isMultiprotocol: boolean,
): void {
  const { scratch } = scan
  for (let index = 0; index < scan.keptCount; index++) {
    const at = scan.keptStarts[index]!
    const code = octets[at + 1]!
    switch (code) {
      case ATTRIBUTE.mpUnreachNlri:
      case ATTRIBUTE.as4Path:
      case ATTRIBUTE.as4Aggregator:
        break
      case ATTRIBUTE.nextHop:
        if (!isMultiprotocol) copy(octets, at, scan.keptEnds[index]!, scratch)
        break
      case ATTRIBUTE.mpReachNlri:
        if (isMultiprotocol) writeNextHop(octets, scan, scratch)
        break
      case ATTRIBUTE.asPath:
        if (context.fourOctetAs) copy(octets, at, scan.keptEnds[index]!, scratch)
        else widenAsPath(octets, scan, scratch)
        break
      case ATTRIBUTE.aggregator:
        if (context.fourOctetAs) copy(octets, at, scan.keptEnds[index]!, scratch)
        else widenAggregator(octets, scan, scratch)
        break
      default:
        copy(octets, at, scan.keptEnds[index]!, scratch)
    }
  }
}

/** Copies an attribute; one that Tortie does not know gets the partial bit (RFC 4271 section 5). */
function copy(octets: Uint8Array, start: number, end: number, writer: ByteWriter): void {
  const isKnown = ROW_BY_CODE[octets[start + 1]!] !== undefined
  writer.u8(isKnown ? octets[start]! : octets[start]! | ATTRIBUTE_FLAG.partial)
  writer.bytes(octets.subarray(start + 1, end))
}

/** MP_REACH_NLRI reduced to its next hop; NEXT_HOP where that says the same. */
function writeNextHop(octets: Uint8Array, scan: UpdateScan, writer: ByteWriter): void {
  const start = scan.valueStarts[ATTRIBUTE.mpReachNlri]!
  const nextHopEnd = start + 4 + scan.mpNextHopLength
  if (scan.mpNextHopLength === 4) {
    writeAttribute(
      writer,
      ATTRIBUTE_FLAG.transitive,
      ATTRIBUTE.nextHop,
      octets,
      start + 4,
      nextHopEnd,
    )
  } else {
    const { code, flags } = ATTRIBUTES.mpReachNlri
    writeAttribute(writer, flags, code, octets, start, nextHopEnd + 1)
  }
}

function reader(octets: Uint8Array, scan: UpdateScan, code: number): ByteReader {
  return new ByteReader(octets, scan.valueStarts[code], scan.valueEnds[code])
}

/** RFC 6793 section 4.2.3: AS4_PATH does not count where AGGREGATOR shows that an old speaker aggregated. */
function widenAsPath(octets: Uint8Array, scan: UpdateScan, writer: ByteWriter): void {
  const path = readAsPath(reader(octets, scan, ATTRIBUTE.asPath), 2)
  const aggregates =
    scan.hasValue(ATTRIBUTE.aggregator) && scan.hasValue(ATTRIBUTE.as4Aggregator)
      ? reader(octets, scan, ATTRIBUTE.aggregator).u16() !== AS_TRANS
      : false
  const merged =
    scan.hasValue(ATTRIBUTE.as4Path) && !aggregates
      ? mergeAs4Path(path, readAs4Path(reader(octets, scan, ATTRIBUTE.as4Path)))
      : path
  writer.u8(ATTRIBUTE_FLAG.transitive | ATTRIBUTE_FLAG.extendedLength)
  writer.u8(ATTRIBUTE.asPath)
  writer.counted16(() => writeAsPath(writer, merged, 4))
}

function widenAggregator(octets: Uint8Array, scan: UpdateScan, writer: ByteWriter): void {
  const old = reader(octets, scan, ATTRIBUTE.aggregator)
  const asn = old.u16()
  const isTrans = asn === AS_TRANS && scan.hasValue(ATTRIBUTE.as4Aggregator)
  const from = isTrans ? reader(octets, scan, ATTRIBUTE.as4Aggregator) : old
  writer.u8(ATTRIBUTES.aggregator.flags)
  writer.u8(ATTRIBUTE.aggregator)
  writer.u8(8)
  writer.u32(isTrans ? from.u32() : asn)
  writer.u32(from.u32())
}
