import type { ByteReader, ByteWriter } from '../../lib/bytes.ts'
import type { IpAddress } from '../../net/ip-address.ts'
import { attributes } from './attributes.ts'
import { body } from './body.ts'
import { type Codec, ipAddress, struct, u16, u32, u8 } from './codec.ts'

/** RTN_* (linux/rtnetlink.h). */
export const RTN = {
  unicast: 1,
  local: 2,
  broadcast: 3,
  anycast: 4,
  multicast: 5,
  blackhole: 6,
  unreachable: 7,
  prohibit: 8,
  throw: 9,
} as const

/** RT_SCOPE_* (linux/rtnetlink.h). */
export const RT_SCOPE = { global: 0, site: 200, link: 253, host: 254, nowhere: 255 } as const

/** RTNH_F_*: flags of one next hop. */
export const RTNH_F = { dead: 1, pervasive: 2, onlink: 4, linkdown: 16 } as const

/** RTM_F_*: flags of a route message. */
export const RTM_F = {
  cloned: 0x200,
  /** In a lookup: answer the table in which the route was found. */
  lookupTable: 0x1000,
  /** In a lookup: answer the row of the table rather than the way of one packet. */
  fibMatch: 0x2000,
} as const

/** struct rtmsg (linux/rtnetlink.h). */
const header = struct({
  family: u8,
  destinationLength: u8,
  sourceLength: u8,
  tos: u8,
  /** Tables above 255 are only in the attribute. */
  shortTable: u8,
  protocol: u8,
  scope: u8,
  type: u8,
  flags: u32,
})

/** struct rtvia: a gateway of a family that may differ from the route's. */
const via: Codec<IpAddress> = {
  decode(from) {
    from.skip(2)
    return ipAddress.decode(from)
  },
  encode(to, address) {
    u16.encode(to, address.includes(':') ? 10 : 2)
    ipAddress.encode(to, address)
  },
}

const nextHopAttributes = attributes({
  gateway: ['RTA_GATEWAY', 5, ipAddress],
  via: ['RTA_VIA', 18, via],
})

/** struct rtnexthop without its length; `hops` is the weight less one. */
const nextHopHeader = struct({ flags: u8, hops: u8, index: u32 })

const nextHop = body(nextHopHeader, nextHopAttributes)
export type NextHopMessage = ReturnType<typeof nextHop.decode>

const RTNH_HEADER = 8

/** RTA_MULTIPATH: a list of struct rtnexthop, each with attributes of its own. */
const multipath: Codec<readonly NextHopMessage[]> = {
  decode(from) {
    const hops: NextHopMessage[] = []
    while (from.remaining >= RTNH_HEADER) hops.push(decodeNextHop(from))
    return hops
  },
  encode(to, hops) {
    for (const hop of hops) encodeNextHop(to, hop)
  },
}

function decodeNextHop(from: ByteReader): NextHopMessage {
  const length = from.u16le()
  const hop = nextHop.decode(from.fence(Math.max(length, RTNH_HEADER) - 2))
  from.skip(Math.min(-length & 3, from.remaining))
  return hop
}

function encodeNextHop(to: ByteWriter, hop: NextHopMessage): void {
  const start = to.length
  to.u16le(0)
  nextHop.encode(to, hop)
  to.patch16le(start, to.length - start)
}

const routeAttributes = attributes({
  destination: ['RTA_DST', 1, ipAddress],
  source: ['RTA_SRC', 2, ipAddress],
  inputIndex: ['RTA_IIF', 3, u32],
  outputIndex: ['RTA_OIF', 4, u32],
  gateway: ['RTA_GATEWAY', 5, ipAddress],
  priority: ['RTA_PRIORITY', 6, u32],
  preferredSource: ['RTA_PREFSRC', 7, ipAddress],
  metrics: ['RTA_METRICS', 8, attributes({ mtu: ['RTAX_MTU', 2, u32] })],
  multipath: ['RTA_MULTIPATH', 9, multipath],
  table: ['RTA_TABLE', 15, u32],
  mark: ['RTA_MARK', 16, u32],
  via: ['RTA_VIA', 18, via],
})

/** RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE. */
export const routeBody = body(header, routeAttributes)
export type RouteMessage = ReturnType<typeof routeBody.decode>
export type RouteRequest = Partial<RouteMessage>
