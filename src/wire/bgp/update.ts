import { attributeEnd, attributeValueStart } from './attribute-header.ts'
import { ByteReader, ByteWriter } from '../../lib/bytes.ts'
import { ATTRIBUTES, type AttributeRow, ROW_BY_CODE } from './attribute-table.ts'
import { type CodecContext } from './codec-context.ts'
import { MESSAGE_HEADER_OCTETS, writeMessage } from './header.ts'
import { ATTRIBUTE, ATTRIBUTE_FLAG, MESSAGE_TYPE } from './iana.ts'
import { nlriOf, writeNlri } from './nlri.ts'
import { type PathAttributes, type UnknownAttribute, type Update } from './path-attributes.ts'
import { scanUpdate } from './scan-update.ts'
import { type UpdateFault, TREATMENT } from './treatment.ts'
import { BLOCK_OCTETS_MAX, UpdateScan } from './update-scan.ts'
import { writeAttribute } from './write-attribute.ts'

/** Context in which attribute blocks of the RIB are read and written: see {@link UpdateScan}. */
export const BLOCK_CONTEXT: CodecContext = {
  fourOctetAs: true,
  internal: true,
  messageOctetsMax: 65535,
  ipv4: { negotiated: true, addPathReceive: false, addPathSend: false, extendedNextHop: true },
  ipv6: { negotiated: true, addPathReceive: false, addPathSend: false, extendedNextHop: true },
}

/**
 * Decodes an UPDATE whole, for displays, filters and tests. Same checks and errors as {@link scanUpdate};
 * attributes that were discarded are not there, and where routes are treated as withdrawn
 * `attributes` is what is left without the faulty ones and `announced` is empty.
 */
export function decodeUpdate(
  message: Uint8Array,
  context: CodecContext,
): { readonly update: Update; readonly faults: readonly UpdateFault[] } {
  const scan = new UpdateScan()
  scanUpdate(message, 0, message.length, context, scan)
  const { addPathReceive } = context.ipv4
  const attributes: Record<string, unknown> = {}
  for (let index = 0; index < scan.keptCount; index++) {
    const start = scan.keptStarts[index]!
    decodeAttribute(message, start, scan.keptEnds[index]!, context, attributes)
  }
  if (scan.treatment === TREATMENT.treatAsWithdraw) delete attributes['mpReachNlri']
  return {
    update: {
      kind: 'update',
      withdrawn: nlriOf(scan.withdrawn, addPathReceive),
      attributes,
      announced: nlriOf(scan.announced, addPathReceive),
    },
    faults: [...scan.faults],
  }
}

/** The attributes of a block of the RIB. The next hop of an IPv6 route is that of `mpReachNlri`, without NLRI. */
export function decodeAttributeBlock(
  octets: Uint8Array,
  start = 0,
  end = octets.length,
): PathAttributes {
  const attributes: Record<string, unknown> = {}
  for (let at = start; at < end;) {
    const next = attributeEnd(octets, at)
    decodeAttribute(octets, at, next, BLOCK_CONTEXT, attributes)
    at = next
  }
  return attributes
}

/**
 * The reverse of {@link decodeAttributeBlock}: attributes in order of type, AS numbers of four octets. What
 * goes beyond the length of an attribute or of a block is left out, from the end, so that a policy that
 * adds to what a neighbor has filled to the brim makes no block that cannot be read.
 */
export function encodeAttributeBlock(attributes: PathAttributes): Uint8Array {
  const writer = new ByteWriter(256)
  writeAttributes(writer, attributes, BLOCK_CONTEXT, BLOCK_OCTETS_MAX)
  return writer.take()
}

function decodeAttribute(
  octets: Uint8Array,
  start: number,
  end: number,
  context: CodecContext,
  into: Record<string, unknown>,
): void {
  const flags = octets[start]!
  const code = octets[start + 1]!
  const valueStart = attributeValueStart(octets, start)
  const row = ROW_BY_CODE[code]
  if (row === undefined) {
    const kept = (flags | ATTRIBUTE_FLAG.partial) & ~ATTRIBUTE_FLAG.extendedLength
    const unknown = { flags: kept, code, octets: octets.slice(valueStart, end) }
    into['unknown'] = [...((into['unknown'] as UnknownAttribute[] | undefined) ?? []), unknown]
    return
  }
  if (isOtherFamily(row, octets, valueStart)) return
  into[row.key] = row.decode(new ByteReader(octets, valueStart, end), context)
}

/** MP_REACH_NLRI and MP_UNREACH_NLRI of families that are not routed have no representation. */
function isOtherFamily(row: AttributeRow, octets: Uint8Array, valueStart: number): boolean {
  if (row.code !== ATTRIBUTE.mpReachNlri && row.code !== ATTRIBUTE.mpUnreachNlri) return false
  const afi = (octets[valueStart]! << 8) | octets[valueStart + 1]!
  return (afi !== 1 && afi !== 2) || octets[valueStart + 2] !== 1
}

/** Octets of a list that is too long for an attribute: whole elements of 4, 8 and 12 octets. */
const LIST_OCTETS_MAX = 65520

function writeAttributes(
  writer: ByteWriter,
  attributes: PathAttributes,
  context: CodecContext,
  octetsMax: number,
): void {
  const start = writer.length
  const fits = (octets: number): boolean => writer.length - start + 4 + octets <= octetsMax
  // RFC 7606 section 5.1: attributes with routes come first.
  const { mpReachNlri, mpUnreachNlri } = ATTRIBUTES
  const rows = new Set<AttributeRow>([mpReachNlri, mpUnreachNlri])
  for (const row of Object.values(ATTRIBUTES)) rows.add(row)
  const unknown = [...(attributes.unknown ?? [])]
  for (const row of rows) {
    const value = attributes[row.key]
    if (value === undefined) continue
    const octets = new ByteWriter(64)
    row.encode(octets, value, context)
    const length = octets.length > 65535 ? LIST_OCTETS_MAX : octets.length
    if (fits(length)) writeAttribute(writer, row.flags, row.code, octets.view(), 0, length)
  }
  for (const { flags, code, octets } of unknown) {
    if (fits(octets.length)) writeAttribute(writer, flags, code, octets)
  }
}

/** Writes one UPDATE as it stands; the caller sees to it that it fits a message. */
export function encodeUpdate(writer: ByteWriter, update: Update, context: CodecContext): void {
  const start = writer.length
  writeMessage(writer, MESSAGE_TYPE.update, () => {
    const { addPathSend } = context.ipv4
    writer.counted16(() => {
      for (const nlri of update.withdrawn) writeNlri(writer, nlri, addPathSend)
    })
    writer.counted16(() =>
      writeAttributes(writer, update.attributes, context, Number.MAX_SAFE_INTEGER),
    )
    for (const nlri of update.announced) writeNlri(writer, nlri, addPathSend)
  })
  const length = writer.length - start
  if (length > context.messageOctetsMax || length < MESSAGE_HEADER_OCTETS) {
    throw new RangeError(
      `Expected an UPDATE of up to ${context.messageOctetsMax} octets, found ${length}`,
    )
  }
}
