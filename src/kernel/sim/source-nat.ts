import { adjustChecksum, transportChecksumOffset } from '../../wire/packet/checksum.ts'
import * as icmp from '../../wire/packet/icmp.ts'
import * as ipv4 from '../../wire/packet/ipv4.ts'
import { get16, get32, set16, set32 } from '../../wire/packet/octets.ts'
import { IP_PROTOCOL } from '../../wire/packet/protocols.ts'
import type { Device } from './device.ts'
import { SCOPE } from './fib.ts'
import type { Namespace } from './namespace.ts'
import { selectAddress4 } from './routing.ts'

/** Connections whose source was rewritten, by what their replies look like. Most translations kept. */
const MOST_TRANSLATIONS = 65_536

/** What a reply must be changed back to. */
interface Translation {
  readonly source: number
  readonly port: number
}

/** The source NAT of one namespace: IPv4 only, TCP, UDP and ICMP echo (a small conntrack). */
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

/** Rewrites the source of a packet that leaves by `device` if a rule of the namespace says so. */
export function translateSource(
  namespace: Namespace,
  octets: Uint8Array,
  device: Device,
  input: Device | undefined,
): void {
  if (octets[0]! >>> 4 !== 4 || namespace.firewall?.sourceNat.length === 0) return
  const ports = portsOf(octets)
  if (ports === undefined) return
  const source = ipv4.source(octets)
  const destination = ipv4.destination(octets)
  const protocol = ipv4.protocol(octets)
  const key = `${protocol} ${source} ${ports.source} ${destination} ${ports.destination}`
  let to = namespace.translations.original(key)
  if (to === undefined) {
    if (namespace.translations.reply(key) !== undefined) return // a reply of a translated connection
    const rule = namespace.firewall?.natFor({
      source,
      destination,
      protocol,
      inputLink: input?.name,
      outputLink: device.name,
    })
    if (rule === undefined) return
    rule.packets++
    const address =
      typeof rule.to === 'number' ? rule.to : selectAddress4(device, destination, SCOPE.global)
    if (address === undefined || address === source) return
    to = { source: address, port: freePort(namespace, protocol, address, ports, destination) }
    const isEcho = protocol === IP_PROTOCOL.icmp
    const replyKey = isEcho
      ? `${protocol} ${destination} ${to.port} ${address} ${to.port}`
      : `${protocol} ${destination} ${ports.destination} ${address} ${to.port}`
    namespace.translations.add(key, to, replyKey, { source, port: ports.source })
  }
  rewriteAddress(octets, 12, to.source)
  rewritePort(octets, ports.sourceAt, to.port)
}

function freePort(
  namespace: Namespace,
  protocol: number,
  address: number,
  ports: Ports,
  destination: number,
): number {
  const isEcho = protocol === IP_PROTOCOL.icmp
  for (let tries = 0, port = ports.source; tries < 65_536; tries++) {
    const key = isEcho
      ? `${protocol} ${destination} ${port} ${address} ${port}`
      : `${protocol} ${destination} ${ports.destination} ${address} ${port}`
    if (namespace.translations.reply(key) === undefined) return port
    port = port >= 65_535 ? 1024 : port + 1
  }
  return ports.source
}

/** Changes the destination of a reply back to who asked; true if the packet was changed. */
export function translateBack(namespace: Namespace, octets: Uint8Array): boolean {
  const ports = portsOf(octets)
  if (ports === undefined) return false
  const key = `${ipv4.protocol(octets)} ${ipv4.source(octets)} ${ports.source} ${ipv4.destination(octets)} ${ports.destination}`
  const back = namespace.translations.reply(key)
  if (back === undefined) return false
  rewriteAddress(octets, 16, back.source)
  rewritePort(octets, ports.destinationAt, back.port)
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
  const checksum = get16(octets, checksumAt)
  if (checksum === 0 && ipv4.protocol(octets) === IP_PROTOCOL.udp) return
  set16(octets, checksumAt, adjustChecksum(checksum, before, port))
}
