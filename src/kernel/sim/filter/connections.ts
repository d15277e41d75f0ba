import * as icmp from '../../../wire/packet/icmp.ts'
import * as icmpv6 from '../../../wire/packet/icmpv6.ts'
import { FLAG } from '../../../wire/packet/tcp.ts'
import * as tcp from '../../../wire/packet/tcp.ts'
import { IP_PROTOCOL } from '../../../wire/packet/protocols.ts'
import type { ConnectionState } from '../../packet-filter.ts'
import { type Addr, addrFamily } from '../routing/addr.ts'
import type { Namespace } from '../namespace.ts'
import { describePacket, type FilteredPacket, type PacketMeta, portAt } from './filtered-packet.ts'

/** NF_IP_PRI_CONNTRACK: chains before it see packets that are not tracked yet. */
export const TRACKING_PRIORITY = -200

/** Connections kept; the oldest go first (nf_conntrack_max). */
const MOST_CONNECTIONS = 65_536

/** How long a connection is remembered after a packet, before and after the first answer (nf_conntrack_*_timeout). */
const TIMEOUT_SECONDS: Readonly<Record<number, readonly [asked: number, answered: number]>> = {
  [IP_PROTOCOL.tcp]: [120, 432_000],
  [IP_PROTOCOL.udp]: [30, 120],
  [IP_PROTOCOL.icmp]: [30, 30],
  [IP_PROTOCOL.icmpv6]: [30, 30],
}
const OTHER_TIMEOUT_SECONDS = [600, 600] as const

/** What is known of a connection (struct nf_conn). */
export interface TrackedConnection {
  isAnswered: boolean
  mark: number
  expiresAt: number
}

/** What conntrack says of one packet. */
export interface Tracked {
  /** Undefined for packets of none: invalid and untracked ones. */
  readonly connection: TrackedConnection | undefined
  readonly state: ConnectionState
}

interface Known {
  readonly connection: TrackedConnection
  readonly isReply: boolean
}

/** The connections of a namespace: a small conntrack, without windows, helpers and fragments. */
export class Connections {
  readonly #byTuple = new Map<string, Known>()

  /** Finds or begins the packet's connection (nf_conntrack_in). */
  track(namespace: Namespace, packet: FilteredPacket): void {
    const { meta } = packet
    if (meta.tracked === undefined) meta.tracked = this.#track(namespace, packet)
  }

  #track(namespace: Namespace, packet: FilteredPacket): Tracked {
    const quoted = quotedPacket(packet)
    if (typeof quoted === 'string') return { connection: undefined, state: quoted }
    const now = namespace.machine.clock.now()
    if (quoted !== undefined) {
      const known = this.#find(tupleOf(quoted)?.tuple, now)
      return known === undefined ? INVALID : { connection: known.connection, state: 'related' }
    }
    const own = tupleOf(packet)
    const known = this.#find(own?.tuple, now)
    if (own === undefined) return INVALID
    if (known === undefined) {
      if (!mayBegin(packet)) return INVALID
      const connection = { isAnswered: false, mark: 0, expiresAt: 0 }
      return { connection, state: 'new' }
    }
    const { connection, isReply } = known
    connection.isAnswered ||= isReply
    connection.expiresAt = expiry(packet, connection, now)
    return { connection, state: connection.isAnswered ? 'established' : 'new' }
  }

  #find(tuple: string | undefined, now: number): Known | undefined {
    const known = tuple === undefined ? undefined : this.#byTuple.get(tuple)
    return known === undefined || known.connection.expiresAt <= now ? undefined : known
  }

  /** Remembers a connection whose first packet has come through (nf_conntrack_confirm). */
  confirm(namespace: Namespace, first: FilteredPacket, octets: Uint8Array): void {
    const { tracked } = first.meta
    if (tracked?.state !== 'new' || tracked.connection === undefined) return
    const { connection } = tracked
    if (connection.expiresAt !== 0) return
    const asSent = tupleOf(first)
    // Source NAT has changed what answers look like.
    const asAnswered = tupleOf(describePacket(octets, first.input, first.output, first.meta))
    if (asSent === undefined || asAnswered === undefined) return
    connection.expiresAt = expiry(first, connection, namespace.machine.clock.now())
    if (this.#byTuple.size >= MOST_CONNECTIONS * 2) this.#byTuple.clear()
    this.#byTuple.set(asSent.tuple, { connection, isReply: false })
    this.#byTuple.set(asAnswered.reply, { connection, isReply: true })
  }
}

const INVALID: Tracked = { connection: undefined, state: 'invalid' }

function expiry(
  { protocol }: FilteredPacket,
  { isAnswered }: TrackedConnection,
  now: number,
): number {
  const [asked, answered] = TIMEOUT_SECONDS[protocol] ?? OTHER_TIMEOUT_SECONDS
  return now + (isAnswered ? answered : asked) * 1000
}

const PROTOCOLS_WITH_PORTS: ReadonlySet<number> = new Set([6, 17, 33, 132, 136])

/** What packets of a connection have in common, and its answers (struct nf_conntrack_tuple). */
function tupleOf(
  packet: FilteredPacket,
): { readonly tuple: string; readonly reply: string } | undefined {
  const { source, destination, protocol } = packet
  const make = (from: Addr, fromPort: number, to: Addr, toPort: number): string =>
    [protocol, from, fromPort, to, toPort].join('|')
  if (PROTOCOLS_WITH_PORTS.has(protocol)) {
    const [from, to] = [portAt(packet, 0), portAt(packet, 2)]
    if (from === undefined || to === undefined) return undefined
    return {
      tuple: make(source, from, destination, to),
      reply: make(destination, to, source, from),
    }
  }
  if (protocol === IP_PROTOCOL.icmp || protocol === IP_PROTOCOL.icmpv6) {
    const [kind, identifier] = [portAt(packet, 0), portAt(packet, 4)]
    if (kind === undefined || identifier === undefined) return undefined
    const type = kind >>> 8
    const opposite = OPPOSITES[type] ?? -1
    return {
      tuple: make(source, identifier, destination, type),
      reply: make(destination, identifier, source, opposite),
    }
  }
  return { tuple: make(source, 0, destination, 0), reply: make(destination, 0, source, 0) }
}

/** Types of ICMP and ICMPv6 that ask, and those that answer them. */
const QUESTIONS: Readonly<Record<number, number>> = { 8: 0, 13: 14, 15: 16, 17: 18, 128: 129 }
const OPPOSITES: Readonly<Record<number, number>> = {
  ...QUESTIONS,
  ...Object.fromEntries(
    Object.entries(QUESTIONS).map(([asks, answers]) => [answers, Number(asks)]),
  ),
}

/** Whether a connection can begin with such a packet (nf_conntrack_proto_*.c). */
function mayBegin(packet: FilteredPacket): boolean {
  const { octets, at, protocol } = packet
  if (protocol === IP_PROTOCOL.icmp || protocol === IP_PROTOCOL.icmpv6) {
    const kind = portAt(packet, 0)
    return kind !== undefined && QUESTIONS[kind >>> 8] !== undefined
  }
  if (protocol !== IP_PROTOCOL.tcp) return true
  if (at === undefined || octets.length < at + tcp.HEADER_OCTETS) return false
  const flags = tcp.flags(octets, at) & (FLAG.syn | FLAG.ack | FLAG.fin | FLAG.rst)
  return flags === FLAG.syn || flags === FLAG.ack
}

/** Neighbor discovery and multicast listeners (nf_conntrack_icmpv6_redirect and the list before it). */
const UNTRACKED6: ReadonlySet<number> = new Set([130, 131, 132, 133, 134, 135, 136, 137, 143])

const IP_HEADER_OCTETS = { 4: 20, 6: 40 } as const

/** The packet that an ICMP error is about, as it was sent, or what such a packet is at once. */
function quotedPacket(packet: FilteredPacket): FilteredPacket | ConnectionState | undefined {
  const { octets, at, protocol, source, meta } = packet
  if (at === undefined || octets.length < at + icmp.HEADER_OCTETS) return undefined
  if (protocol === IP_PROTOCOL.icmpv6 && UNTRACKED6.has(icmpv6.type(octets, at))) return 'untracked'
  const isError =
    (protocol === IP_PROTOCOL.icmp && icmp.isError(icmp.type(octets, at))) ||
    (protocol === IP_PROTOCOL.icmpv6 && icmpv6.isError(icmpv6.type(octets, at)))
  if (!isError) return undefined
  const quoted = octets.subarray(at + icmp.HEADER_OCTETS)
  if (quoted.length < IP_HEADER_OCTETS[addrFamily(source)]) return 'invalid'
  return describePacket(quoted, undefined, undefined, meta)
}

/** What conntrack says of a packet; before it was asked, and of what it does not know, "invalid". */
export function connectionState({ tracked }: PacketMeta): ConnectionState {
  return tracked?.state ?? 'invalid'
}
