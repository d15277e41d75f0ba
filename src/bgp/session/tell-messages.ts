import type { Log } from '../../lib/log.ts'
import { MESSAGE_HEADER_OCTETS } from '../../wire/bgp/header.ts'
import { MESSAGE_TYPE } from '../../wire/bgp/iana.ts'

/** Names as in RFC 4271 section 4.1 and RFC 2918, by type. */
const NAMES = new Map<number, string>([
  [MESSAGE_TYPE.open, 'OPEN'],
  [MESSAGE_TYPE.update, 'UPDATE'],
  [MESSAGE_TYPE.notification, 'NOTIFICATION'],
  [MESSAGE_TYPE.keepalive, 'KEEPALIVE'],
  [MESSAGE_TYPE.routeRefresh, 'ROUTE-REFRESH'],
])

/** One line of the topic "bgp.message" for each of the whole messages in `octets[start, end)`. */
export function tellMessages(
  log: Log,
  direction: 'sent' | 'received',
  octets: Uint8Array,
  start = 0,
  end = octets.length,
): void {
  for (let at = start; at + MESSAGE_HEADER_OCTETS <= end;) {
    // The header ends with two octets of length and one of type (RFC 4271 section 4.1).
    const length = (octets[at + 16]! << 8) | octets[at + 17]!
    const type = octets[at + 18]!
    const fields = { direction, type: NAMES.get(type) ?? type, octets: length }
    log.tell('bgp.message', 'BGP message', fields)
    at += Math.max(length, MESSAGE_HEADER_OCTETS)
  }
}
