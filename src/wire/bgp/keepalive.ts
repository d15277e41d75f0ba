import { ByteWriter } from '../../lib/bytes.ts'
import { writeMessage } from './header.ts'
import { MESSAGE_TYPE } from './iana.ts'

/** A KEEPALIVE whole, RFC 4271 section 4.4. */
export function encodeKeepalive(): Uint8Array {
  const writer = new ByteWriter(19)
  writeMessage(writer, MESSAGE_TYPE.keepalive, () => {})
  return writer.take()
}
