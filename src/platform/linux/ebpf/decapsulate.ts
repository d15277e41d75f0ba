import type { IpAddress } from '../../../net/ip-address.ts'
import { type MacAddress, macOctets } from '../../../net/mac-address.ts'
import {
  assemble,
  calculate,
  call,
  exit,
  type Item,
  jump,
  jumpIf,
  label,
  load,
  move,
  register,
  store,
} from './assembler.ts'
import {
  ACTION,
  ADJUST,
  CONTEXT,
  countingDrops,
  dropIf,
  ETH_P_IP,
  ETHERNET_OCTETS,
  FRAME,
  HELPER,
  INNER_AT,
  IPV4_OCTETS,
  KEY_AT,
  loadBytes,
  lookUpSender,
  moveAddress,
  OUTER_AT,
  passing,
  passUnlessIpip,
  storeBytes,
} from './packet-items.ts'

export interface DecapsulateOptions {
  readonly local: IpAddress
  /** The tunnel's inside end; what is sent there comes in by tunl0. */
  readonly insideIndex: number
  /** Of tunl0, so that it takes the packet for one to itself. */
  readonly tunnelMac: MacAddress
  readonly sendersFd: number
  readonly countersFd: number
  /** Octets of link-layer header on the link: 14, or 0 on links that have none. */
  readonly linkHeaderOctets: number
}

/**
 * For the ingress of a link that other nodes are reached by. Takes IPIP to the node's own address out
 * of its outer header; from whom the node does not take any it drops them, since whoever can send one
 * can put any source inside.
 *
 *   ens33: decapsulate ─▶ inside end ═▶ tunl0 ─▶ route to the pod
 */
export function decapsulateProgram(options: DecapsulateOptions): Uint8Array {
  const { insideIndex, sendersFd, countersFd, linkHeaderOctets } = options
  const program = [
    move(CONTEXT, register(1)),
    ...passUnlessForUs(options),
    ...lookUpSender(sendersFd),
    dropIf('equal', 0, 0, 'stranger'),
    ...dropFragments(),
    ...loadBytes(linkHeaderOctets + IPV4_OCTETS, INNER_AT, IPV4_OCTETS),
    dropIf('notEqual', 0, 0, 'malformed'),
    load('u8', 2, FRAME, INNER_AT),
    calculate('shiftRight', 2, 4),
    dropIf('notEqual', 2, 4, 'malformed'),
    ...mergeCongestionMarks(linkHeaderOctets + IPV4_OCTETS),
    // IPv4 comes out of IPv4, so BPF_F_ADJ_ROOM_DECAP_L3_IPV4 says nothing, and Linux before 6.2 refuses it.
    ...passing(register(CONTEXT), -IPV4_OCTETS, ADJUST.mac, ADJUST.fixedSegments),
    call(HELPER.adjustRoom),
    dropIf('notEqual', 0, 0, 'refused'),
    ...addressToTunnel(options),
    ...passing(insideIndex, 0),
    call(HELPER.redirect),
    exit,
    label('next'),
    move(0, ACTION.next),
    exit,
  ]
  return assemble(countingDrops(program, countersFd))
}

/** Everything but IPIP to the node itself goes on as if nobody had looked. */
function passUnlessForUs({ local, linkHeaderOctets }: DecapsulateOptions): Item[] {
  return [
    ...passUnlessIpip(linkHeaderOctets),
    load('u8', 2, FRAME, OUTER_AT),
    jumpIf('notEqual', 2, 0x45, 'next'),
    load('u32', 2, FRAME, OUTER_AT + 16),
    ...moveAddress(3, local),
    jumpIf('notEqual', 2, register(3), 'next'),
  ]
}

/**
 * The kernel's ipip device gets packets that the stack has put together; a program sees them before, and
 * the stack would not know what to do with them after. Our own end makes none (see encapsulate.ts).
 */
function dropFragments(): Item[] {
  return [
    load('u16', 2, FRAME, OUTER_AT + 6),
    // Offset or "more fragments", as a little-endian machine reads them.
    dropIf('anyOf', 2, 0xff3f, 'fragment'),
  ]
}

/**
 * Congestion that the outer header met goes on within (RFC 6040 section 4.2): CE where the sender knows
 * marks, else the packet ends here; ECT(1) over ECT(0).
 */
function mergeCongestionMarks(innerOffset: number): Item[] {
  return [
    load('u8', 2, FRAME, OUTER_AT + 1),
    calculate('and', 2, 3),
    load('u8', 3, FRAME, INNER_AT + 1),
    calculate('and', 3, 3),
    jumpIf('equal', 2, 3, 'congested'),
    jumpIf('notEqual', 2, 1, 'merged'),
    jumpIf('notEqual', 3, 2, 'merged'),
    jump('mark'),
    label('congested'),
    dropIf('equal', 3, 0, 'congested'),
    jumpIf('equal', 3, 3, 'merged'),
    label('mark'),
    load('u8', 4, FRAME, INNER_AT + 1),
    calculate('and', 4, 0xfc),
    calculate('or', 4, register(2)),
    // Version, header length and TOS, before and after, for the checksum.
    load('u16', 3, FRAME, INNER_AT),
    store('u8', FRAME, INNER_AT + 1, register(4)),
    load('u16', 4, FRAME, INNER_AT),
    move(1, register(CONTEXT)),
    move(2, innerOffset + 10),
    move(5, 2),
    call(HELPER.replaceHeaderChecksum),
    dropIf('notEqual', 0, 0, 'refused'),
    ...storeBytes(innerOffset + 1, INNER_AT + 1, 1),
    label('merged'),
  ]
}

/** The link-layer header that tunl0 expects; links without one get one first. */
function addressToTunnel({ tunnelMac, linkHeaderOctets }: DecapsulateOptions): Item[] {
  const octets = Buffer.from(macOctets(tunnelMac))
  const addHeader = [
    ...passing(register(CONTEXT), ETHERNET_OCTETS, 0),
    call(HELPER.changeHead),
    dropIf('notEqual', 0, 0, 'refused'),
    store('u16', FRAME, KEY_AT, ETH_P_IP),
    ...storeBytes(12, KEY_AT, 2),
  ]
  return [
    ...(linkHeaderOctets === 0 ? addHeader : []),
    store('u32', FRAME, KEY_AT, octets.readInt32LE(0)),
    store('u16', FRAME, KEY_AT + 4, octets.readUInt16LE(4)),
    ...storeBytes(0, KEY_AT, 6),
  ]
}
