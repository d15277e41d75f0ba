import { type ByteWriter } from '../../lib/bytes.ts'

/** Octets of marker, length and type, RFC 4271 section 4.1. */
export const MESSAGE_HEADER_OCTETS = 19
/** Largest message unless both sides announced RFC 8654. */
export const MESSAGE_OCTETS_MAX = 4096
/** Largest message with RFC 8654; OPEN and KEEPALIVE stay at {@link MESSAGE_OCTETS_MAX}. */
export const EXTENDED_MESSAGE_OCTETS_MAX = 65535

/** Writes marker and type, then what `body` writes, and sets the length. */
export function writeMessage(writer: ByteWriter, type: number, body: () => void): void {
  const start = writer.length
  for (let word = 0; word < 4; word++) writer.u32(0xffffffff)
  writer.u16(0)
  writer.u8(type)
  body()
  writer.patch16(start + 16, writer.length - start)
}
