import { addressOctets, type IpAddress } from '../../../net/ip-address.ts'
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
  type Register,
  store,
  swap16,
} from './assembler.ts'

/**
 * IPIP (RFC 2003) for kernels without the ipip module: three programs for tc around a TUN device, that
 * together do what net/ipv4/ipip.c does.
 *
 *   pod ─▶ route "via NODE dev tunl0 onlink" ─▶ tunl0 egress: encapsulate ─▶ route to NODE ─▶ ens33
 *   ens33 ingress: decapsulate ─▶ tunl0 ingress: drop copies ─▶ route to the pod
 *
 * The other end of the tunnel is the gateway of the route, looked up in the kernel's own table, as the
 * real device does; so there is no second table to keep, and a restart of the agent changes nothing.
 */

/** Copies of outgoing packets bear it on their way to the capture points of tunl0. "tort". */
export const COPY_MARK = 0x746f_7274

/** Key of the map under which it says until when every packet is to be copied, not only the rare ones. */
export const COPY_UNTIL_KEY = new Uint8Array(4)

/** struct __sk_buff. */
const SKB = { mark: 8, protocol: 16, ifindex: 40 } as const

/** linux/bpf.h, __BPF_FUNC_MAPPER. */
const HELPER = {
  mapLookup: 1,
  ktimeNanoseconds: 5,
  random: 7,
  storeBytes: 9,
  cloneRedirect: 13,
  redirect: 23,
  loadBytes: 26,
  changeHead: 43,
  adjustRoom: 50,
  fibLookup: 69,
  redirectNeighbor: 152,
} as const

/** What a program for tc may answer. `next` leaves the packet to others' filters. */
const ACTION = { next: -1, drop: 2 } as const

const ADJUST = { mac: 1, encapsulateIpv4: 1 << 1, decapsulateIpv4: 1 << 7 } as const
const REDIRECT_INGRESS = 1
const FIB = { output: 2, skipNeighbor: 4 } as const
const AF_INET = 2
const ETHERNET_OCTETS = 14
const IPV4_OCTETS = 20
const PROTOCOL = { ipip: 4, tcp: 6, udp: 17 } as const
/** ETH_P_IP as a little-endian machine reads it. */
const ETH_P_IP = 0x0008

/** struct bpf_fib_lookup, from the frame's end. */
const FIB_AT = -64
const FIB_OCTETS = 64
const FIB_FIELD = { family: 0, protocol: 1, ifindex: 8, source: 16, destination: 32 } as const
const OUTER_AT = -88
const INNER_AT = -112
const KEY_AT = -120

const FRAME: Register = 10
const CONTEXT: Register = 6

/** For the egress of the tunnel's TUN device. */
export function encapsulateProgram(local: IpAddress, nodesFd: number): Uint8Array {
  return assemble([
    move(CONTEXT, register(1)),
    load('u32', 2, CONTEXT, SKB.protocol),
    jumpIf('notEqual', 2, ETH_P_IP, 'drop'),
    ...loadBytes(0, INNER_AT, IPV4_OCTETS),
    jumpIf('notEqual', 0, 0, 'drop'),
    ...copyForCaptures(nodesFd),
    ...findGateway(),
    ...writeOuterHeader(local),
    ...passing({ register: CONTEXT }, IPV4_OCTETS, ADJUST.mac, ADJUST.encapsulateIpv4),
    call(HELPER.adjustRoom),
    jumpIf('notEqual', 0, 0, 'drop'),
    ...storeBytes(0, OUTER_AT, IPV4_OCTETS),
    ...findWayOut(local),
    ...addEmptyEthernetHeader(),
    // Without a next hop given, the kernel looks the route up and hangs it on the packet; only so does
    // a packet that waits for its neighbor to be resolved find the way out again afterwards.
    ...passing(register(9), 0, 0, 0),
    call(HELPER.redirectNeighbor),
    exit,
    label('drop'),
    move(0, ACTION.drop),
    exit,
  ])
}

/**
 * Sends a copy to the device's ingress, where capture points see it before {@link dropCopiesProgram}
 * ends it: what leaves by redirection passes no capture point otherwise. Rare packets always; the masses
 * of TCP and UDP only while somebody looks.
 */
function copyForCaptures(nodesFd: number): Item[] {
  return [
    store('u32', FRAME, KEY_AT, 0),
    ...lookUp(nodesFd),
    jumpIf('equal', 0, 0, 'copy-rare'),
    load('u64', 7, 0, 0),
    call(HELPER.ktimeNanoseconds),
    jumpIf('below', 0, register(7), 'copy'),
    label('copy-rare'),
    load('u8', 2, FRAME, INNER_AT + 9),
    jumpIf('equal', 2, PROTOCOL.tcp, 'copied'),
    jumpIf('equal', 2, PROTOCOL.udp, 'copied'),
    label('copy'),
    load('u32', 7, CONTEXT, SKB.mark),
    move(2, COPY_MARK),
    store('u32', CONTEXT, SKB.mark, register(2)),
    load('u32', 2, CONTEXT, SKB.ifindex),
    move(1, register(CONTEXT)),
    move(3, REDIRECT_INGRESS),
    call(HELPER.cloneRedirect),
    store('u32', CONTEXT, SKB.mark, register(7)),
    label('copied'),
  ]
}

/** The other end of the tunnel into r8: the gateway of the route by which the packet came here. */
function findGateway(): Item[] {
  return [
    ...clearFib(),
    load('u8', 2, FRAME, INNER_AT + 9),
    store('u8', FRAME, FIB_AT + FIB_FIELD.protocol, register(2)),
    load('u32', 2, FRAME, INNER_AT + 12),
    store('u32', FRAME, FIB_AT + FIB_FIELD.source, register(2)),
    load('u32', 7, FRAME, INNER_AT + 16),
    store('u32', FRAME, FIB_AT + FIB_FIELD.destination, register(7)),
    ...lookUpFib(FIB.output | FIB.skipNeighbor),
    load('u8', 2, FRAME, FIB_AT + FIB_FIELD.family),
    jumpIf('notEqual', 2, AF_INET, 'drop'),
    load('u32', 8, FRAME, FIB_AT + FIB_FIELD.destination),
    // No gateway: there is no other end.
    jumpIf('equal', 8, register(7), 'drop'),
  ]
}

/** TTL and DF are the inner packet's, as with a tunl0 that was not told otherwise (ip_tunnel_xmit). */
function writeOuterHeader(local: IpAddress): Item[] {
  return [
    store('u8', FRAME, OUTER_AT, 0x45),
    ...outerTrafficClass(),
    load('u16', 2, FRAME, INNER_AT + 2),
    swap16(2),
    calculate('add', 2, IPV4_OCTETS),
    swap16(2),
    store('u16', FRAME, OUTER_AT + 2, register(2)),
    call(HELPER.random),
    store('u16', FRAME, OUTER_AT + 4, register(0)),
    load('u16', 2, FRAME, INNER_AT + 6),
    calculate('and', 2, 0x0040),
    store('u16', FRAME, OUTER_AT + 6, register(2)),
    load('u8', 2, FRAME, INNER_AT + 8),
    store('u8', FRAME, OUTER_AT + 8, register(2)),
    store('u8', FRAME, OUTER_AT + 9, PROTOCOL.ipip),
    store('u16', FRAME, OUTER_AT + 10, 0),
    ...moveAddress(2, local),
    store('u32', FRAME, OUTER_AT + 12, register(2)),
    store('u32', FRAME, OUTER_AT + 16, register(8)),
    ...outerChecksum(),
  ]
}

/** Congestion marks go outside: ECT as it is, CE as ECT(0) (RFC 6040 section 4.1, normal mode aside). */
function outerTrafficClass(): Item[] {
  return [
    load('u8', 2, FRAME, INNER_AT + 1),
    calculate('and', 2, 3),
    jumpIf('notEqual', 2, 3, 'not-congested'),
    move(2, 2),
    label('not-congested'),
    store('u8', FRAME, OUTER_AT + 1, register(2)),
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
function findWayOut(local: IpAddress): Item[] {
  return [
    ...clearFib(),
    store('u8', FRAME, FIB_AT + FIB_FIELD.protocol, PROTOCOL.ipip),
    ...moveAddress(2, local),
    store('u32', FRAME, FIB_AT + FIB_FIELD.source, register(2)),
    store('u32', FRAME, FIB_AT + FIB_FIELD.destination, register(8)),
    ...lookUpFib(FIB.skipNeighbor),
    load('u32', 9, FRAME, FIB_AT + FIB_FIELD.ifindex),
    load('u32', 2, CONTEXT, SKB.ifindex),
    // A tunnel through itself.
    jumpIf('equal', 9, register(2), 'drop'),
  ]
}

/** The TUN device has no header, and redirection to a neighbor writes over one that is there. */
function addEmptyEthernetHeader(): Item[] {
  return [
    ...passing(register(CONTEXT), ETHERNET_OCTETS, 0),
    call(HELPER.changeHead),
    jumpIf('notEqual', 0, 0, 'drop'),
    store('u16', FRAME, KEY_AT, ETH_P_IP),
    ...storeBytes(12, KEY_AT, 2),
  ]
}

export interface DecapsulateOptions {
  readonly local: IpAddress
  /** The TUN device into which packets come out. */
  readonly tunnelIndex: number
  readonly nodesFd: number
  /** Octets of link-layer header on the link: 14, or 0 on links that have none. */
  readonly linkHeaderOctets: number
}

/**
 * For the ingress of a link that other nodes are reached by. Takes whole IPIP packets to the node's own
 * address; from who is no node it drops them, since whoever can send one can put any source inside.
 */
export function decapsulateProgram(options: DecapsulateOptions): Uint8Array {
  const { local, tunnelIndex, nodesFd, linkHeaderOctets } = options
  return assemble([
    move(CONTEXT, register(1)),
    load('u32', 2, CONTEXT, SKB.protocol),
    jumpIf('notEqual', 2, ETH_P_IP, 'next'),
    ...loadBytes(linkHeaderOctets, OUTER_AT, IPV4_OCTETS),
    jumpIf('notEqual', 0, 0, 'next'),
    load('u8', 2, FRAME, OUTER_AT + 9),
    jumpIf('notEqual', 2, PROTOCOL.ipip, 'next'),
    load('u8', 2, FRAME, OUTER_AT),
    jumpIf('notEqual', 2, 0x45, 'next'),
    load('u32', 2, FRAME, OUTER_AT + 16),
    ...moveAddress(3, local),
    jumpIf('notEqual', 2, register(3), 'next'),
    // Offset or "more fragments", as a little-endian machine reads them.
    load('u16', 2, FRAME, OUTER_AT + 6),
    jumpIf('anyOf', 2, 0xff3f, 'next'),
    load('u32', 2, FRAME, OUTER_AT + 12),
    jumpIf('equal', 2, 0, 'drop'),
    store('u32', FRAME, KEY_AT, register(2)),
    ...lookUp(nodesFd),
    jumpIf('equal', 0, 0, 'drop'),
    ...loadBytes(linkHeaderOctets + IPV4_OCTETS, INNER_AT, 1),
    jumpIf('notEqual', 0, 0, 'drop'),
    load('u8', 2, FRAME, INNER_AT),
    calculate('shiftRight', 2, 4),
    jumpIf('notEqual', 2, 4, 'drop'),
    ...passing(register(CONTEXT), -IPV4_OCTETS, ADJUST.mac, ADJUST.decapsulateIpv4),
    call(HELPER.adjustRoom),
    jumpIf('notEqual', 0, 0, 'drop'),
    ...passing(tunnelIndex, REDIRECT_INGRESS),
    call(HELPER.redirect),
    exit,
    label('next'),
    move(0, ACTION.next),
    exit,
    label('drop'),
    move(0, ACTION.drop),
    exit,
  ])
}

/** For the ingress of the TUN device: ends the copies that were made for its capture points. */
export function dropCopiesProgram(): Uint8Array {
  return assemble([
    load('u32', 2, 1, SKB.mark),
    move(0, ACTION.next),
    jumpIf('notEqual', 2, COPY_MARK, 'end'),
    move(0, ACTION.drop),
    label('end'),
    exit,
  ])
}

function clearFib(): Item[] {
  const words = Array.from({ length: FIB_OCTETS / 8 }, (_, index) =>
    store('u64', FRAME, FIB_AT + index * 8, 0),
  )
  return [
    ...words,
    store('u8', FRAME, FIB_AT + FIB_FIELD.family, AF_INET),
    load('u32', 2, CONTEXT, SKB.ifindex),
    store('u32', FRAME, FIB_AT + FIB_FIELD.ifindex, register(2)),
  ]
}

function lookUpFib(flags: number): Item[] {
  return [
    move(1, register(CONTEXT)),
    ...framePointer(2, FIB_AT),
    move(3, FIB_OCTETS),
    move(4, flags),
    call(HELPER.fibLookup),
    jumpIf('notEqual', 0, 0, 'drop'),
  ]
}

/** The value of the key at KEY_AT, or 0, into r0. */
function lookUp(mapFd: number): Item[] {
  return [loadMap(1, mapFd), ...framePointer(2, KEY_AT), call(HELPER.mapLookup)]
}

function loadBytes(offset: number, frameAt: number, octets: number): Item[] {
  return [
    move(1, register(CONTEXT)),
    move(2, offset),
    ...framePointer(3, frameAt),
    move(4, octets),
    call(HELPER.loadBytes),
  ]
}

function storeBytes(offset: number, frameAt: number, octets: number): Item[] {
  return [
    move(1, register(CONTEXT)),
    move(2, offset),
    ...framePointer(3, frameAt),
    move(4, octets),
    move(5, 0),
    call(HELPER.storeBytes),
    jumpIf('notEqual', 0, 0, 'drop'),
  ]
}

function framePointer(destination: Register, offset: number): Item[] {
  return [move(destination, register(FRAME)), calculate('add', destination, offset)]
}

function passing(...operands: readonly Parameters<typeof move>[1][]): Item[] {
  return operands.map((operand, index) => move((index + 1) as Register, operand))
}

/** An address as a little-endian machine reads it from a packet, without its sign spreading. */
function moveAddress(destination: Register, address: IpAddress): Item[] {
  const octets = addressOctets(address)
  const value = Buffer.from(octets).readInt32LE()
  return [
    move(destination, value),
    calculate('shiftLeft', destination, 32),
    calculate('shiftRight', destination, 32),
  ]
}
