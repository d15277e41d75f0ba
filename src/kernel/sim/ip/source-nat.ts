import {
  adjustChecksum,
  transportChecksumOffset,
  writeTransportChecksum,
} from '../../../wire/packet/checksum.ts'
import * as icmp from '../../../wire/packet/icmp.ts'
import * as ipv4 from '../../../wire/packet/ipv4.ts'
import { get16, get32, set16, set32 } from '../../../wire/packet/octets.ts'
import { IP_PROTOCOL } from '../../../wire/packet/protocols.ts'
import type { FilterRule } from '../../packet-filter.ts'
import { type Addr, addrFromText } from '../routing/addr.ts'
import type { Device } from '../links/device.ts'
import { SCOPE } from '../routing/fib.ts'
import { describePacket, type PacketMeta } from '../filter/filtered-packet.ts'
import type { Namespace } from '../namespace.ts'
import { selectAddress4 } from '../routing/routing.ts'

/** Connections whose source was rewritten, by what their replies look like. Most translations kept. */
const MOST_TRANSLATIONS = 65_536

/** Ports below are given to nobody who did not ask for them. */
const LEAST_PORT = 1024
const MOST_PORT = 65_535

/** What a reply must be changed back to. */
interface Translation {
  readonly source: number
  readonly port: number
}

/** The source NAT of one namespace (masquerade): IPv4 only, TCP, UDP and ICMP echo (a small conntrack). */
export class Translations {
  readonly #byReply = new Map<string, Translation>()
  readonly #byOriginal = new Map<string, { readonly source: number; readonly port: number }>()

  original(key: string): { readonly source: number; readonly port: number } | undefined {
    return this.#byOriginal.get(key)
  }

  reply(key: string): Translation | undefined {
    return this.#byReply.get(key)
  }

  add(
    originalKey: string,
    translated: { source: number; port: number },
    replyKey: string,
    back: Translation,
  ): void {
    if (this.#byOriginal.size >= MOST_TRANSLATIONS) {
      this.#byOriginal.clear()
      this.#byReply.clear()
    }
    this.#byOriginal.set(originalKey, translated)
    this.#byReply.set(replyKey, back)
  }
}

interface Ports {
  /** Offset of the port (or echo identifier) that belongs to the packet's source. */
  readonly sourceAt: number
  readonly destinationAt: number
  readonly source: number
  readonly destination: number
}

function portsOf(octets: Uint8Array): Ports | undefined {
  const at = ipv4.headerOctets(octets)
  if (ipv4.isFragment(octets) || octets.length < at + 8) return undefined
  switch (ipv4.protocol(octets)) {
    case IP_PROTOCOL.tcp:
    case IP_PROTOCOL.udp:
      return {
        sourceAt: at,
        destinationAt: at + 2,
        source: get16(octets, at),
        destination: get16(octets, at + 2),
      }
    case IP_PROTOCOL.icmp: {
      const type = icmp.type(octets, at)
      if (type !== icmp.TYPE.echoRequest && type !== icmp.TYPE.echoReply) return undefined
      const identifier = icmp.identifier(octets, at)
      return {
        sourceAt: at + 4,
        destinationAt: at + 4,
        source: identifier,
        destination: identifier,
      }
    }
    default:
      return undefined
  }
}

/**
 * Rewrites the source of a packet that leaves by `device` if a rule of the namespace says so: to the
 * address that is nearest to the next hop (nf_nat_masquerade_ipv4). The first packet of a connection
 * decides for all.
 */
export function translateSource(
  namespace: Namespace,
  octets: Uint8Array,
  device: Device,
  nextHop: Addr,
  input: Device | undefined,
  meta: PacketMeta,
): void {
  const { packetFilter, translations } = namespace
  if (!packetFilter.hasSourceNat || typeof nextHop !== 'number') return
  const ports = portsOf(octets)
  if (ports === undefined) return
  const source = ipv4.source(octets)
  const destination = ipv4.destination(octets)
  const protocol = ipv4.protocol(octets)
  const key = `${protocol} ${source} ${ports.source} ${destination} ${ports.destination}`
  let to = translations.original(key)
  if (to === undefined) {
    if (translations.reply(key) !== undefined) return // a reply of a translated connection
    const rule = packetFilter.masquerades(namespace, describePacket(octets, input, device, meta))
    if (rule === undefined) return
    const address = newAddress(rule) ?? selectAddress4(device, nextHop, SCOPE.global)
    if (address === undefined || address === source) return
    to = { source: address, port: freePort(namespace, protocol, address, ports, destination, rule) }
    const isEcho = protocol === IP_PROTOCOL.icmp
    const replyKey = isEcho
      ? `${protocol} ${destination} ${to.port} ${address} ${to.port}`
      : `${protocol} ${destination} ${ports.destination} ${address} ${to.port}`
    translations.add(key, to, replyKey, { source, port: ports.source })
  }
  rewriteAddress(octets, 12, to.source)
  rewritePort(octets, ports.sourceAt, to.port)
}

function newAddress({ newSource }: FilterRule): number | undefined {
  const addr = newSource?.address === undefined ? undefined : addrFromText(newSource.address)
  return typeof addr === 'number' ? addr : undefined
}

function freePort(
  namespace: Namespace,
  protocol: number,
  address: number,
  ports: Ports,
  destination: number,
  { verdict, newSource }: FilterRule,
): number {
  const isEcho = protocol === IP_PROTOCOL.icmp
  const [least, most] = newSource?.ports ?? [isEcho ? 0 : LEAST_PORT, MOST_PORT]
  const isWithin = newSource?.ports === undefined || (ports.source >= least && ports.source <= most)
  const keeps = verdict === 'masquerade' && isWithin
  let port = keeps ? ports.source : least + namespace.machine.random.below(most + 1 - least)
  for (let tries = 0; tries <= most; tries++) {
    const key = isEcho
      ? `${protocol} ${destination} ${port} ${address} ${port}`
      : `${protocol} ${destination} ${ports.destination} ${address} ${port}`
    if (namespace.translations.reply(key) === undefined) return port
    port = port >= most ? least : port + 1
  }
  return ports.source
}

/** Changes the destination of a reply back to who asked; true if the packet was changed. */
export function translateBack(namespace: Namespace, octets: Uint8Array): boolean {
  const ports = portsOf(octets)
  if (ports === undefined) return translateErrorBack(namespace, octets)
  const key = `${ipv4.protocol(octets)} ${ipv4.source(octets)} ${ports.source} ${ipv4.destination(octets)} ${ports.destination}`
  const back = namespace.translations.reply(key)
  if (back === undefined) return false
  rewriteAddress(octets, 16, back.source)
  rewritePort(octets, ports.destinationAt, back.port)
  return true
}

/** An ICMP error about a packet whose source was rewritten (nf_nat_icmp_reply_translation). */
function translateErrorBack(namespace: Namespace, octets: Uint8Array): boolean {
  const at = ipv4.headerOctets(octets)
  const quotedAt = at + icmp.HEADER_OCTETS
  const isError =
    ipv4.protocol(octets) === IP_PROTOCOL.icmp &&
    !ipv4.isFragment(octets) &&
    icmp.isError(icmp.type(octets, at)) &&
    octets.length >= quotedAt + ipv4.HEADER_OCTETS
  const quoted = octets.slice(quotedAt)
  const ports = isError ? portsOf(quoted) : undefined
  if (ports === undefined) return false
  const protocol = ipv4.protocol(quoted)
  const far = protocol === IP_PROTOCOL.icmp ? ports.source : ports.destination
  const ends = [ipv4.destination(quoted), far, ipv4.source(quoted), ports.source]
  const back = namespace.translations.reply([protocol, ...ends].join(' '))
  if (back === undefined) return false
  rewriteAddress(quoted, 12, back.source)
  rewritePort(quoted, ports.sourceAt, back.port)
  octets.set(quoted, quotedAt)
  writeTransportChecksum(octets, 0, IP_PROTOCOL.icmp, at, ipv4.totalLength(octets))
  rewriteAddress(octets, 16, back.source)
  return true
}

function rewriteAddress(octets: Uint8Array, at: number, address: number): void {
  const before = get32(octets, at)
  const protocol = ipv4.protocol(octets)
  set32(octets, at, address)
  ipv4.writeChecksum(octets)
  const offset = transportChecksumOffset(protocol)
  if (offset === undefined || protocol === IP_PROTOCOL.icmp) return
  const checksumAt = ipv4.headerOctets(octets) + offset
  if (checksumAt + 2 > octets.length) return // an error quotes only the beginning
  let checksum = get16(octets, checksumAt)
  if (checksum === 0 && protocol === IP_PROTOCOL.udp) return
  checksum = adjustChecksum(checksum, before >>> 16, address >>> 16)
  checksum = adjustChecksum(checksum, before & 0xffff, address & 0xffff)
  set16(octets, checksumAt, checksum)
}

function rewritePort(octets: Uint8Array, at: number, port: number): void {
  const before = get16(octets, at)
  if (before === port) return
  const checksumAt = ipv4.headerOctets(octets) + transportChecksumOffset(ipv4.protocol(octets))!
  set16(octets, at, port)
  if (checksumAt + 2 > octets.length) return
  const checksum = get16(octets, checksumAt)
  if (checksum === 0 && ipv4.protocol(octets) === IP_PROTOCOL.udp) return
  set16(octets, checksumAt, adjustChecksum(checksum, before, port))
}
