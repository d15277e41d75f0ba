import { type ByteWriter } from '../../lib/bytes.ts'
import { ATTRIBUTE_FLAG } from './iana.ts'

/** Writes an attribute whose value is `octets[start, end)`; the length gets two octets only if it must. */
export function writeAttribute(
  writer: ByteWriter,
  flags: number,
  code: number,
  octets: Uint8Array,
  start = 0,
  end = octets.length,
): void {
  const length = end - start
  const isLong = length > 255
  writer.u8(isLong ? flags | ATTRIBUTE_FLAG.extendedLength : flags & ~ATTRIBUTE_FLAG.extendedLength)
  writer.u8(code)
  if (isLong) writer.u16(length)
  else writer.u8(length)
  writer.bytes(octets.subarray(start, end))
}
