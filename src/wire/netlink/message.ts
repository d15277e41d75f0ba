import { ByteReader, type ByteWriter, ShortInput } from '../../lib/bytes.ts'
import { attributes } from './attributes.ts'
import { cstring, i32, octets, u32 } from './codec.ts'

/** Types that every netlink protocol shares (linux/netlink.h). */
export const NLMSG = { noop: 1, error: 2, done: 3, overrun: 4 } as const

/** Types of rtnetlink (linux/rtnetlink.h RTM_*). */
export const RTM = {
  newLink: 16,
  deleteLink: 17,
  getLink: 18,
  setLink: 19,
  newAddress: 20,
  deleteAddress: 21,
  getAddress: 22,
  newRoute: 24,
  deleteRoute: 25,
  getRoute: 26,
  newNeighbor: 28,
  deleteNeighbor: 29,
  getNeighbor: 30,
  newRule: 32,
  deleteRule: 33,
  getRule: 34,
  newQueueDiscipline: 36,
  deleteQueueDiscipline: 37,
  getQueueDiscipline: 38,
  newFilter: 44,
  deleteFilter: 45,
  getFilter: 46,
  newSettings: 80,
} as const

/** NLM_F_* (linux/netlink.h). The same bit means different things in requests and in answers. */
export const NLM_F = {
  request: 0x1,
  multi: 0x2,
  acknowledge: 0x4,
  dumpInterrupted: 0x10,
  root: 0x100,
  match: 0x200,
  dump: 0x300,
  replace: 0x100,
  exclusive: 0x200,
  create: 0x400,
  append: 0x800,
  /** In an error: the request was not copied back. */
  capped: 0x100,
  /** In an error: attributes with an explanation follow. */
  explained: 0x200,
} as const

/** Multicast groups (linux/rtnetlink.h RTNLGRP_*); those of settings are called NETCONF there. */
export const RTNLGRP = {
  link: 1,
  neighbor: 3,
  trafficControl: 4,
  ipv4Address: 5,
  ipv4Route: 7,
  ipv4Rule: 8,
  ipv6Address: 9,
  ipv6Route: 11,
  ipv6Rule: 19,
  ipv4Settings: 24,
  ipv6Settings: 25,
} as const

/** struct nlmsghdr. */
export interface MessageHeader {
  readonly type: number
  readonly flags: number
  readonly sequence: number
  /** Port id of the socket that asked; 0 in notifications. */
  readonly port: number
}

export interface NetlinkMessage extends MessageHeader {
  /** Reads what follows the header. */
  readonly body: ByteReader
}

const NLMSG_HDRLEN = 16

/** Writes one message with what `body` writes behind the header. */
export function encodeNetlinkMessage(
  to: ByteWriter,
  header: Pick<MessageHeader, 'type' | 'flags' | 'sequence'>,
  body: (to: ByteWriter) => void,
): void {
  const start = to.length
  to.u32le(0)
  to.u16le(header.type)
  to.u16le(header.flags)
  to.u32le(header.sequence)
  to.u32le(0)
  body(to)
  to.patch32le(start, to.length - start)
  to.zeros(-(to.length - start) & 3)
}

/** The messages of one received datagram. Throws ShortInput where one is cut. */
export function* eachMessage(datagram: Uint8Array): Generator<NetlinkMessage> {
  const from = new ByteReader(datagram)
  while (from.remaining > 0) {
    const length = from.u32le()
    if (length < NLMSG_HDRLEN) throw new ShortInput(NLMSG_HDRLEN, length)
    const [type, flags] = [from.u16le(), from.u16le()]
    const [sequence, port] = [from.u32le(), from.u32le()]
    yield { type, flags, sequence, port, body: from.fence(length - NLMSG_HDRLEN) }
    from.skip(Math.min(-length & 3, from.remaining))
  }
}

/** What the kernel adds to an error when a socket asks for it (NETLINK_EXT_ACK). */
const explanation = attributes({
  message: ['NLMSGERR_ATTR_MSG', 1, cstring],
  offset: ['NLMSGERR_ATTR_OFFS', 2, u32],
  cookie: ['NLMSGERR_ATTR_COOKIE', 3, octets],
  missingType: ['NLMSGERR_ATTR_MISS_TYPE', 5, u32],
  missingNest: ['NLMSGERR_ATTR_MISS_NEST', 6, u32],
})

/** An acknowledgement (errno 0) or a refusal. */
export interface Acknowledgement {
  /** Positive errno; 0 is success. */
  readonly errno: number
  /** The kernel's own words. A warning may come with success. */
  readonly message?: string | undefined
  /** Where in the request the attribute that is at fault begins. */
  readonly offset?: number | undefined
  /** Number of the attribute that was expected. */
  readonly missingType?: number | undefined
}

/** The body of NLMSG_ERROR: errno, the request's header or all of it, and perhaps an explanation. */
export function decodeError(message: NetlinkMessage): Acknowledgement {
  const { body, flags } = message
  const errno = -i32.decode(body) || 0 // not -0
  const request = body.u32le()
  body.skip(NLMSG_HDRLEN - 4)
  if ((flags & NLM_F.explained) === 0) return { errno }
  // An acknowledgement of success copies the header alone, whether or not it says that it is capped.
  const copied = errno === 0 || (flags & NLM_F.capped) !== 0 ? 0 : request - NLMSG_HDRLEN
  body.skip(Math.min(Math.ceil(Math.max(copied, 0) / 4) * 4, body.remaining))
  return { errno, ...explanation.decode(body) }
}

/** The body of NLMSG_DONE: an errno where a dump ended early. */
export function decodeDone(message: NetlinkMessage): Acknowledgement {
  const { body, flags } = message
  if (body.remaining < 4) return { errno: 0 }
  const errno = -i32.decode(body) || 0 // not -0
  return (flags & NLM_F.explained) === 0 ? { errno } : { errno, ...explanation.decode(body) }
}
