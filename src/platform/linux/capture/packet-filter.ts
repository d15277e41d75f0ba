import type { CaptureFilter } from '../../../kernel/kernel.ts'
import { addressOctets, familyOf } from '../../../net/ip-address.ts'
import * as vxlan from '../../../wire/packet/vxlan.ts'

/**
 * Classic BPF (linux/filter.h, Documentation/networking/filter.rst) for what a capture asks for.
 *
 * On a SOCK_DGRAM packet socket offset 0 is the network header. The protocol comes from the kernel's
 * own note of it (SKF_AD_PROTOCOL), since links such as TUN have no header to read it from.
 */

/** One instruction; jumps are labels until the program is laid out. */
interface Instruction {
  readonly code: number
  readonly k: number
  readonly ifTrue?: string
  readonly ifFalse?: string
  readonly label?: string
}

const LD_W_ABS = 0x20
const LD_B_ABS = 0x30
const LD_W_IND = 0x40
const LD_H_IND = 0x48
const LD_B_IND = 0x50
const LDX_B_MSH = 0xb1
const JEQ = 0x15
const JGE = 0x35
const RET = 0x06
const SKF_AD_PROTOCOL = 0xffff_f000
const ETH_P_IP = 0x0800
const ETH_P_IPV6 = 0x86dd
const IPPROTO_ICMP = 1
const IPPROTO_IPIP = 4
const IPPROTO_UDP = 17
const IPPROTO_ICMPV6 = 58
const IPPROTO_IPV6 = 41
/** Destination unreachable, time exceeded, parameter problem (RFC 792). */
const ICMP_ERRORS = [3, 11, 12]
/** ICMPv6 types below this are errors (RFC 4443 section 2.1). */
const ICMPV6_INFORMATIONAL = 128
const ICMP_HEADER_OCTETS = 8
const IPV4_HEADER_OCTETS = 20
const IPV6_HEADER_OCTETS = 40
const UDP_HEADER_OCTETS = 8
/** From the end of the outer IPv4 header to the EtherType and to the packet inside VXLAN (RFC 7348 section 5). */
const VXLAN_ETHER_TYPE_AT = UDP_HEADER_OCTETS + vxlan.HEADER_OCTETS + 12
const VXLAN_PACKET_AT = VXLAN_ETHER_TYPE_AT + 2
const INSTRUCTION_OCTETS = 8

const test = (k: number, ifTrue: string, ifFalse: string, label?: string): Instruction => ({
  code: JEQ,
  k,
  ifTrue,
  ifFalse,
  ...at(label),
})
const answer = (k: number, label: string): Instruction => ({ code: RET, k, label })
const at = (label?: string): { label?: string } => (label === undefined ? {} : { label })

/** The program as an array of struct sock_filter. */
export function compileFilter(filter: CaptureFilter | undefined, snapOctets: number): Uint8Array {
  return assemble([
    { code: LD_W_ABS, k: SKF_AD_PROTOCOL },
    ...(filter === undefined ? anyPacket() : between(filter)),
    answer(snapOctets, 'keep'),
    answer(0, 'drop'),
  ])
}

function anyPacket(): Instruction[] {
  return [test(ETH_P_IP, 'keep', 'not4'), test(ETH_P_IPV6, 'keep', 'drop', 'not4')]
}

function between(filter: CaptureFilter): Instruction[] {
  const [left, right] = filter.addresses
  const family = familyOf(left)
  if (family !== familyOf(right)) {
    throw new RangeError(`Expected two addresses of one family, found ${left} and ${right}`)
  }
  const words = [wordsOf(left), wordsOf(right)] as const
  const inner = family === 4 ? IPPROTO_IPIP : IPPROTO_IPV6
  const isBare = family === 4 ? ETH_P_IP : ETH_P_IPV6
  const errors = filter.icmpErrors === true
  const otherwise = filter.echoData === undefined ? 'drop' : 'echo?'
  const ports = filter.vxlanPorts ?? vxlan.PORTS
  const noTunnel = errors && family === 4 ? 'error4' : otherwise
  return [
    test(isBare, 'bare:', 'outer?'),
    ...pair('bare:', LD_W_ABS, words, family === 4 ? 'outer!' : errors ? 'error6' : otherwise),
    ...(errors && family === 6 ? quotedInIcmpv6(words) : []),
    // The outer header is IPv4 in any case; the accumulator may hold an address by now.
    { code: LD_W_ABS, k: SKF_AD_PROTOCOL, label: 'outer?' },
    test(ETH_P_IP, 'outer!', 'drop'),
    { code: LD_B_ABS, k: 9, label: 'outer!' },
    test(inner, 'length', family === 4 ? 'udp?' : noTunnel),
    { code: LDX_B_MSH, k: 0, label: 'length' },
    test(inner, 'inner:', 'drop'),
    ...pair('inner:', LD_W_IND, words, otherwise),
    ...(family === 4 ? insideVxlan(words, ports, noTunnel, otherwise) : []),
    ...(errors && family === 4 ? quotedInIcmp(words, otherwise) : []),
    ...(filter.echoData === undefined ? [] : echoWith(filter.echoData, ports)),
  ]
}

/** The accumulator holds the outer header's protocol. */
function insideVxlan(
  words: Words,
  ports: readonly number[],
  noTunnel: string,
  otherwise: string,
): Instruction[] {
  return [
    test(IPPROTO_UDP, 'udp', noTunnel, 'udp?'),
    { code: LDX_B_MSH, k: 0, label: 'udp' },
    { code: LD_H_IND, k: 2 },
    ...anyOf('vxlan port', ports, 'vxlan', otherwise),
    { code: LD_H_IND, k: VXLAN_ETHER_TYPE_AT, label: 'vxlan' },
    test(ETH_P_IP, 'in vxlan:', otherwise),
    ...pair('in vxlan:', LD_W_IND, words, otherwise, VXLAN_PACKET_AT),
  ]
}

/**
 * ICMP that carries these eight octets behind its header, bare or in an outer header; inner headers are
 * taken to have no options. Last, because a packet too short to tell ends the program.
 */
function echoWith(data: Uint8Array, ports: readonly number[]): Instruction[] {
  const [first, second] = wordsIn(data) as [number, number]
  const bare = ICMP_HEADER_OCTETS
  const inner = IPV4_HEADER_OCTETS + ICMP_HEADER_OCTETS
  const inVxlan = VXLAN_PACKET_AT + inner
  return [
    { code: LD_W_ABS, k: SKF_AD_PROTOCOL, label: 'echo?' },
    test(ETH_P_IP, 'echo', 'drop'),
    { code: LDX_B_MSH, k: 0, label: 'echo' },
    { code: LD_B_ABS, k: 9 },
    test(IPPROTO_ICMP, 'data', 'tunnel'),
    test(IPPROTO_IPIP, 'data in tunnel', 'vxlan tunnel', 'tunnel'),
    test(IPPROTO_UDP, 'port', 'drop', 'vxlan tunnel'),
    { code: LD_H_IND, k: 2, label: 'port' },
    ...anyOf('port', ports, 'data in vxlan', 'drop'),
    { code: LD_W_IND, k: inVxlan, label: 'data in vxlan' },
    test(first, 'data in vxlan 2', 'drop'),
    { code: LD_W_IND, k: inVxlan + 4, label: 'data in vxlan 2' },
    test(second, 'keep', 'drop'),
    { code: LD_W_IND, k: bare, label: 'data' },
    test(first, 'data 2', 'drop'),
    { code: LD_W_IND, k: bare + 4, label: 'data 2' },
    test(second, 'keep', 'drop'),
    { code: LD_W_IND, k: inner, label: 'data in tunnel' },
    test(first, 'data in tunnel 2', 'drop'),
    { code: LD_W_IND, k: inner + 4, label: 'data in tunnel 2' },
    test(second, 'keep', 'drop'),
  ]
}

/** Whether the accumulator is one of some values. */
function anyOf(name: string, values: readonly number[], yes: string, no: string): Instruction[] {
  if (values.length === 0) return [test(0, no, no)]
  return values.map((value, index) => {
    const next = index === values.length - 1 ? no : `${name} or ${index + 1}`
    return test(value, yes, next, index === 0 ? undefined : `${name} or ${index}`)
  })
}

type Words = readonly [readonly number[], readonly number[]]

/** An ICMP error whose quoted packet is between the two; the accumulator holds the protocol. */
function quotedInIcmp(words: Words, otherwise: string): Instruction[] {
  return [
    test(IPPROTO_ICMP, 'header', otherwise, 'error4'),
    { code: LDX_B_MSH, k: 0, label: 'header' },
    { code: LD_B_IND, k: 0 },
    ...anyOf('type', ICMP_ERRORS, 'quoted:', otherwise),
    ...pair('quoted:', LD_W_IND, words, otherwise, ICMP_HEADER_OCTETS),
  ]
}

/** The same of ICMPv6 without extension headers. */
function quotedInIcmpv6(words: Words): Instruction[] {
  const quoted = IPV6_HEADER_OCTETS + ICMP_HEADER_OCTETS
  return [
    { code: LD_B_ABS, k: 6, label: 'error6' },
    test(IPPROTO_ICMPV6, 'type6', 'drop'),
    { code: LD_B_ABS, k: IPV6_HEADER_OCTETS, label: 'type6' },
    { code: JGE, k: ICMPV6_INFORMATIONAL, ifTrue: 'drop', ifFalse: 'quoted6:' },
    ...pair('quoted6:', LD_W_ABS, words, 'drop', quoted),
  ]
}

/** Source and destination of the header at `headerAt` are the two addresses, in either order. */
function pair(
  label: string,
  code: number,
  [left, right]: Words,
  otherwise: string,
  headerAt = 0,
): Instruction[] {
  const source = headerAt + (left.length === 1 ? 12 : 8)
  const destination = source + left.length * 4
  const run = (name: string, first: number, words: readonly number[], yes: string, no: string) =>
    words.flatMap((word, index) => {
      const next = index === words.length - 1 ? yes : `${name}${index + 1}`
      return [
        { code, k: first + index * 4, label: index === 0 ? name : `${name}${index}` },
        test(word, next, no),
      ]
    })
  return [
    ...run(label, source, left, `${label}to-right`, `${label}from-right`),
    ...run(`${label}to-right`, destination, right, 'keep', `${label}from-right`),
    ...run(`${label}from-right`, source, right, `${label}to-left`, otherwise),
    ...run(`${label}to-left`, destination, left, 'keep', otherwise),
  ]
}

function wordsOf(address: CaptureFilter['addresses'][0]): number[] {
  return wordsIn(addressOctets(address))
}

function wordsIn(octets: Uint8Array): number[] {
  const view = new DataView(octets.buffer, octets.byteOffset, octets.length)
  return Array.from({ length: octets.length / 4 }, (_, index) => view.getUint32(index * 4))
}

function assemble(program: readonly Instruction[]): Uint8Array {
  const places = new Map(program.map(({ label }, index) => [label, index]))
  const octets = Buffer.alloc(program.length * INSTRUCTION_OCTETS)
  const distance = (from: number, label: string | undefined): number => {
    if (label === undefined) return 0
    const place = places.get(label)
    if (place === undefined || place <= from) throw new Error(`No way forward to ${label}`)
    return place - from - 1
  }
  program.forEach(({ code, k, ifTrue, ifFalse }, index) => {
    const start = index * INSTRUCTION_OCTETS
    octets.writeUInt16LE(code, start)
    octets.writeUInt8(distance(index, ifTrue), start + 2)
    octets.writeUInt8(distance(index, ifFalse), start + 3)
    octets.writeUInt32LE(k, start + 4)
  })
  return octets
}
