import type { IpAddress } from '../../../net/ip-address.ts'
import {
  assemble,
  calculate,
  call,
  exit,
  type Item,
  jumpIf,
  label,
  load,
  loadMap,
  move,
  register,
  store,
  swap16,
} from './assembler.ts'
import {
  ADJUST,
  clearFib,
  CONTEXT,
  countingDrops,
  dropIf,
  ETH_P_IP,
  ETHERNET_OCTETS,
  FIB,
  FIB_AT,
  FIB_FIELD,
  FRAME,
  HELPER,
  INNER_AT,
  IPV4_OCTETS,
  loadBytes,
  lookUpFib,
  moveAddress,
  OUTER_AT,
  passing,
  PROTOCOL_IPIP,
  SKB,
  storeBytes,
} from './packet-items.ts'

export interface EncapsulateOptions {
  /** The node's own address: source of outer headers. */
  readonly local: IpAddress
  /** The device that packets were routed into. */
  readonly tunnelIndex: number
  readonly sendersFd: number
  readonly countersFd: number
}

/**
 * IPIP (RFC 2003) for kernels without the ipip module: for the ingress of the tunnel's inside end, where
 * what was routed into tunl0 comes out.
 *
 *   pod ─▶ route "via NODE dev tunl0 onlink" ─▶ tunl0 ═▶ inside end: encapsulate ─▶ route to NODE ─▶ ens33
 *
 * The other end of the tunnel is the gateway of the route, looked up in the kernel's own table, as the
 * real device does; so there is no second table to keep, and without an agent nothing grows stale.
 */
export function encapsulateProgram(options: EncapsulateOptions): Uint8Array {
  const { local, sendersFd, countersFd } = options
  const program = [
    move(CONTEXT, register(1)),
    // For nothing but to keep the map: who finds this program finds it.
    loadMap(1, sendersFd),
    load('u32', 2, CONTEXT, SKB.protocol),
    dropIf('notEqual', 2, ETH_P_IP, 'not-ipv4'),
    ...loadBytes(ETHERNET_OCTETS, INNER_AT, IPV4_OCTETS),
    dropIf('notEqual', 0, 0, 'not-ipv4'),
    ...findGateway(options),
    ...writeOuterHeader(local),
    ...passing(register(CONTEXT), IPV4_OCTETS, ADJUST.mac, HEADER_ADDED),
    call(HELPER.adjustRoom),
    dropIf('notEqual', 0, 0, 'refused'),
    ...storeBytes(ETHERNET_OCTETS, OUTER_AT, IPV4_OCTETS),
    ...findWayOut(options),
    // Without a next hop given, the kernel looks the route up and hangs it on the packet; only so does
    // a packet that waits for its neighbor to be resolved find the way out again afterwards.
    ...passing(register(9), 0, 0, 0),
    call(HELPER.redirectNeighbor),
    exit,
  ]
  return assemble(countingDrops(program, countersFd))
}

const HEADER_ADDED = ADJUST.encapsulateIpv4 | ADJUST.fixedSegments

/** The other end of the tunnel into r8: the gateway of the route by which the packet came here. */
function findGateway({ tunnelIndex }: EncapsulateOptions): Item[] {
  return [
    ...clearFib(tunnelIndex),
    load('u8', 2, FRAME, INNER_AT + 9),
    store('u8', FRAME, FIB_AT + FIB_FIELD.protocol, register(2)),
    load('u32', 2, FRAME, INNER_AT + 12),
    store('u32', FRAME, FIB_AT + FIB_FIELD.source, register(2)),
    load('u32', 7, FRAME, INNER_AT + 16),
    store('u32', FRAME, FIB_AT + FIB_FIELD.destination, register(7)),
    ...lookUpFib(FIB.output | FIB.skipNeighbor, 'no-gateway'),
    load('u32', 8, FRAME, FIB_AT + FIB_FIELD.destination),
    dropIf('equal', 8, register(7), 'no-gateway'),
  ]
}

/** As a little-endian machine reads it. */
const DONT_FRAGMENT = 0x0040
/**
 * From this size on, which passes everywhere (min_pmtu in net/ipv4/route.c), DF is set outside whatever it
 * is inside (RFC 2003 section 3.1 allows it): no program can take a packet out of fragments of its outer
 * header. The router that would have cut it tells the agent, which tells the kernel, which then cuts
 * the inner packet before it comes here.
 */
const WHOLE_OCTETS = 552 - IPV4_OCTETS

/**
 * TOS and DF are the inner packet's (RFC 2003 section 3.1; congestion marks by the normal mode of RFC
 * 6040 section 4.1), and so is the TTL, as with a tunl0 that was not told otherwise (ip_tunnel_xmit).
 */
function writeOuterHeader(local: IpAddress): Item[] {
  return [
    store('u8', FRAME, OUTER_AT, 0x45),
    load('u8', 2, FRAME, INNER_AT + 1),
    store('u8', FRAME, OUTER_AT + 1, register(2)),
    // 0 is "more than the field can say" (BIG TCP, iph_set_totlen).
    load('u16', 2, FRAME, INNER_AT + 2),
    swap16(2),
    jumpIf('equal', 2, 0, 'length'),
    calculate('add', 2, IPV4_OCTETS),
    jumpIf('below', 2, 0x1_0000, 'length'),
    move(2, 0),
    label('length'),
    swap16(2),
    store('u16', FRAME, OUTER_AT + 2, register(2)),
    // Segments of one large packet get the numbers that follow (inet_gso_segment).
    call(HELPER.random),
    store('u16', FRAME, OUTER_AT + 4, register(0)),
    load('u16', 2, FRAME, INNER_AT + 6),
    calculate('and', 2, DONT_FRAGMENT),
    load('u16', 3, FRAME, INNER_AT + 2),
    swap16(3),
    jumpIf('equal', 3, 0, 'large'),
    jumpIf('below', 3, WHOLE_OCTETS, 'fits'),
    label('large'),
    calculate('or', 2, DONT_FRAGMENT),
    label('fits'),
    store('u16', FRAME, OUTER_AT + 6, register(2)),
    load('u8', 2, FRAME, INNER_AT + 8),
    store('u8', FRAME, OUTER_AT + 8, register(2)),
    store('u8', FRAME, OUTER_AT + 9, PROTOCOL_IPIP),
    store('u16', FRAME, OUTER_AT + 10, 0),
    ...moveAddress(2, local),
    store('u32', FRAME, OUTER_AT + 12, register(2)),
    store('u32', FRAME, OUTER_AT + 16, register(8)),
    ...outerChecksum(),
  ]
}

/** RFC 1071; the sum does not care for the order of octets. */
function outerChecksum(): Item[] {
  const words = Array.from({ length: IPV4_OCTETS / 2 }, (_, index) => [
    load('u16', 3, FRAME, OUTER_AT + index * 2),
    calculate('add', 2, register(3)),
  ])
  const fold = [
    move(3, register(2)),
    calculate('shiftRight', 3, 16),
    calculate('and', 2, 0xffff),
    calculate('add', 2, register(3)),
  ]
  return [
    move(2, 0),
    ...words.flat(),
    ...fold,
    ...fold,
    calculate('xor', 2, 0xffff),
    store('u16', FRAME, OUTER_AT + 10, register(2)),
  ]
}

/** The link towards the other end into r9. */
function findWayOut({ local, tunnelIndex }: EncapsulateOptions): Item[] {
  return [
    load('u32', 7, CONTEXT, SKB.ifindex),
    ...clearFib(register(7)),
    store('u8', FRAME, FIB_AT + FIB_FIELD.protocol, PROTOCOL_IPIP),
    ...moveAddress(2, local),
    store('u32', FRAME, FIB_AT + FIB_FIELD.source, register(2)),
    store('u32', FRAME, FIB_AT + FIB_FIELD.destination, register(8)),
    ...lookUpFib(FIB.skipNeighbor, 'no-way'),
    load('u32', 9, FRAME, FIB_AT + FIB_FIELD.ifindex),
    // A tunnel through itself.
    dropIf('equal', 9, tunnelIndex, 'no-way'),
  ]
}
