import { addressOctets, type IpAddress } from '../../../net/ip-address.ts'
import {
  atomicAdd,
  calculate,
  call,
  exit,
  type Item,
  jump,
  jumpIf,
  label,
  load,
  loadMap,
  move,
  type Operand,
  register,
  type Register,
  store,
} from './assembler.ts'
import { TUNNEL_DROPS, type TunnelDrop } from '../../../kernel/tunnel-drops.ts'

/*
 * What the programs of the tunnel have in common. r6 holds the packet's context throughout; r1 to r5 are
 * lost in every call; labels "drop-…" are places in countingDrops().
 */

/** struct __sk_buff. */
export const SKB = { packetType: 4, protocol: 16, ifindex: 40 } as const

/** linux/if_packet.h PACKET_OTHERHOST: the frame is addressed to another MAC address. */
const TO_OTHER_HOST = 3

/** linux/bpf.h, __BPF_FUNC_MAPPER. */
export const HELPER = {
  mapLookup: 1,
  random: 7,
  storeBytes: 9,
  replaceHeaderChecksum: 10,
  redirect: 23,
  loadBytes: 26,
  changeHead: 43,
  adjustRoom: 50,
  fibLookup: 69,
  redirectNeighbor: 152,
} as const

/** What a program for tc may answer. `next` leaves the packet to others' filters. */
export const ACTION = { next: -1, drop: 2 } as const

/**
 * BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO, BPF_F_ADJ_ROOM_ENCAP_L3_IPV4: segments stay together, and as
 * long as the sender made them. Its MTU leaves room for the outer header. Else the kernel makes them
 * shorter by it, and longer again when it is taken off, also those that a kernel's own tunnel had left
 * alone, and which then fit no link to a pod.
 */
export const ADJUST = { mac: 1, fixedSegments: 1 << 0, encapsulateIpv4: 1 << 1 } as const
export const ETHERNET_OCTETS = 14
export const IPV4_OCTETS = 20
export const PROTOCOL_IPIP = 4
/** ETH_P_IP as a little-endian machine reads it. */
export const ETH_P_IP = 0x0008

export const FRAME: Register = 10
export const CONTEXT: Register = 6

/** Offsets from the frame's end. */
export const FIB_AT = -64
export const OUTER_AT = -88
export const INNER_AT = -112
export const KEY_AT = -120

/** struct bpf_fib_lookup. */
export const FIB_FIELD = {
  family: 0,
  protocol: 1,
  ifindex: 8,
  source: 16,
  destination: 32,
} as const
export const FIB = { output: 2, skipNeighbor: 4 } as const
const FIB_OCTETS = 64
const AF_INET = 2

export function dropIf(
  condition: Parameters<typeof jumpIf>[0],
  destination: Register,
  operand: Operand,
  drop: TunnelDrop,
): Item {
  return jumpIf(condition, destination, operand, `drop-${drop}`)
}

/** A program, and where the packets end that it drops: each adds one to its counter. */
export function countingDrops(program: readonly Item[], countersFd: number): Item[] {
  const targets = new Set(program.map((item) => ('target' in item ? item.target : undefined)))
  const places = Object.keys(TUNNEL_DROPS).flatMap((drop, index) => {
    const place = `drop-${drop}`
    // The verifier refuses what nothing leads to.
    return targets.has(place) ? [label(place), move(7, index), jump('count')] : []
  })
  return [
    ...program,
    ...places,
    label('count'),
    store('u32', FRAME, KEY_AT, register(7)),
    ...lookUp(countersFd),
    jumpIf('equal', 0, 0, 'drop'),
    move(1, 1),
    atomicAdd(0, 0, 1),
    label('drop'),
    move(0, ACTION.drop),
    exit,
  ]
}

/** An empty question about a way, from the link of this index. */
export function clearFib(linkIndex: Operand): Item[] {
  const words = Array.from({ length: FIB_OCTETS / 8 }, (_, index) =>
    store('u64', FRAME, FIB_AT + index * 8, 0),
  )
  return [
    ...words,
    store('u8', FRAME, FIB_AT + FIB_FIELD.family, AF_INET),
    move(2, linkIndex),
    store('u32', FRAME, FIB_AT + FIB_FIELD.ifindex, register(2)),
  ]
}

/** Asks; r0 is 0 when there is a way that leads on. */
export function askFib(flags: number): Item[] {
  return [
    move(1, register(CONTEXT)),
    ...framePointer(2, FIB_AT),
    move(3, FIB_OCTETS),
    move(4, flags),
    call(HELPER.fibLookup),
  ]
}

export function lookUpFib(flags: number, drop: TunnelDrop): Item[] {
  return [
    ...askFib(flags),
    dropIf('notEqual', 0, 0, drop),
    load('u8', 2, FRAME, FIB_AT + FIB_FIELD.family),
    dropIf('notEqual', 2, AF_INET, drop),
  ]
}

/** The value of the key at KEY_AT, or 0, into r0. */
export function lookUp(mapFd: number): Item[] {
  return [loadMap(1, mapFd), ...framePointer(2, KEY_AT), call(HELPER.mapLookup)]
}

/** From the packet into the frame; r0 is 0 when it is that long. */
export function loadBytes(offset: number, frameAt: number, octets: number): Item[] {
  return [
    move(1, register(CONTEXT)),
    move(2, offset),
    ...framePointer(3, frameAt),
    move(4, octets),
    call(HELPER.loadBytes),
  ]
}

/** From the frame into the packet. */
export function storeBytes(offset: number, frameAt: number, octets: number): Item[] {
  return [
    move(1, register(CONTEXT)),
    move(2, offset),
    ...framePointer(3, frameAt),
    move(4, octets),
    move(5, 0),
    call(HELPER.storeBytes),
    dropIf('notEqual', 0, 0, 'refused'),
  ]
}

/** r1 and the following, for a call. */
export function passing(...operands: readonly Operand[]): Item[] {
  return operands.map((operand, index) => move((index + 1) as Register, operand))
}

/** An address as a little-endian machine reads it from a packet, without its sign spreading. */
export function moveAddress(destination: Register, address: IpAddress): Item[] {
  const value = Buffer.from(addressOctets(address)).readInt32LE()
  return [
    move(destination, value),
    calculate('shiftLeft', destination, 32),
    calculate('shiftRight', destination, 32),
  ]
}

function framePointer(destination: Register, offset: number): Item[] {
  return [move(destination, register(FRAME)), calculate('add', destination, offset)]
}

/** Reads the IPv4 header of a packet that came in, and lets go on whatever is no IPIP. */
export function passUnlessIpip(linkHeaderOctets: number): Item[] {
  return [
    // The stack drops it (ip_rcv_core): a switch floods what is for a MAC address that it does not know.
    load('u32', 2, CONTEXT, SKB.packetType),
    jumpIf('equal', 2, TO_OTHER_HOST, 'next'),
    load('u32', 2, CONTEXT, SKB.protocol),
    jumpIf('notEqual', 2, ETH_P_IP, 'next'),
    ...loadBytes(linkHeaderOctets, OUTER_AT, IPV4_OCTETS),
    jumpIf('notEqual', 0, 0, 'next'),
    load('u8', 2, FRAME, OUTER_AT + 9),
    jumpIf('notEqual', 2, PROTOCOL_IPIP, 'next'),
  ]
}

/** Looks for a prefix of senders that covers the outer source: register 0 is 0 where there is none. */
export function lookUpSender(sendersFd: number): Item[] {
  return [
    store('u32', FRAME, KEY_AT, 32),
    load('u32', 2, FRAME, OUTER_AT + 12),
    store('u32', FRAME, KEY_AT + 4, register(2)),
    ...lookUp(sendersFd),
  ]
}
