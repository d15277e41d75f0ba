import { type ByteReader, type ByteWriter } from '../../lib/bytes.ts'
import { BgpError } from './bgp-error.ts'
import { type AfiSafi } from './families.ts'
import { writeMessage } from './header.ts'
import { ERROR_CODE, MESSAGE_TYPE, ROUTE_REFRESH_SUBCODE, ROUTE_REFRESH_SUBTYPE } from './iana.ts'

/** ROUTE-REFRESH, RFC 2918; with RFC 7313 the middle octet says what it is. */
export interface RouteRefresh extends AfiSafi {
  readonly kind: 'routeRefresh'
  /** ROUTE_REFRESH_SUBTYPE; RFC 2918 speakers send 0. Others are to be ignored (RFC 7313 section 5). */
  readonly subtype: number
}

/** Decodes the body of a ROUTE-REFRESH; whatever follows (RFC 5291 filters) is not looked at. */
export function decodeRouteRefresh(body: ByteReader): RouteRefresh {
  const length = body.remaining
  const start = body.at
  const afi = body.u16()
  const subtype = body.u8()
  const safi = body.u8()
  const marks = subtype === ROUTE_REFRESH_SUBTYPE.beginning || subtype === ROUTE_REFRESH_SUBTYPE.end
  if (marks && length !== 4) {
    // RFC 7313 section 5: the data is the whole message.
    throw new BgpError(
      ERROR_CODE.routeRefreshMessage,
      ROUTE_REFRESH_SUBCODE.invalidMessageLength,
      `Expected a ROUTE-REFRESH of 23 octets with subtype ${subtype}, found ${length + 19}`,
      body.octets.slice(Math.max(0, start - 19), body.end),
    )
  }
  return { kind: 'routeRefresh', afi, safi, subtype }
}

export function encodeRouteRefresh(writer: ByteWriter, message: RouteRefresh): void {
  writeMessage(writer, MESSAGE_TYPE.routeRefresh, () => {
    writer.u16(message.afi)
    writer.u8(message.subtype)
    writer.u8(message.safi)
  })
}
