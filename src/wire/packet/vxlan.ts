import * as ethernet from './ethernet.ts'
import * as ipv4 from './ipv4.ts'
import { get32, set32 } from './octets.ts'
import { ETHER_TYPE, IP_PROTOCOL } from './protocols.ts'
import * as udp from './udp.ts'

/** Ethernet in UDP (RFC 7348): `import * as vxlan`. */

/** https://www.iana.org/assignments/service-names-port-numbers */
export const PORT = 4789
/** UDP ports that are taken for VXLAN's where nobody says otherwise. */
export const PORTS: readonly number[] = [PORT]
/** Of the VXLAN header alone: flags, network identifier, reserved octets. */
export const HEADER_OCTETS = 8
/** What a packet grows by: outer IPv4, UDP, VXLAN and inner Ethernet headers. */
export const OVERHEAD_OCTETS =
  ipv4.HEADER_OCTETS + udp.HEADER_OCTETS + HEADER_OCTETS + ethernet.HEADER_OCTETS

/** The I flag: the network identifier counts. */
const FLAG_VNI = 0x0800_0000

/** The network identifier in the header at `at`; undefined if it is not whole or the I flag is off. */
export function networkIdentifier(octets: Uint8Array, at: number, end: number): number | undefined {
  if (end - at < HEADER_OCTETS || (get32(octets, at) & FLAG_VNI) === 0) return undefined
  return get32(octets, at + 4) >>> 8
}

/** A VXLAN header and an Ethernet frame, as the data of a UDP datagram. */
export function encode(
  vni: number,
  frame: { destination: number; source: number; etherType: number },
  packet: Uint8Array,
): Uint8Array {
  const octets = new Uint8Array(HEADER_OCTETS + ethernet.HEADER_OCTETS + packet.length)
  set32(octets, 0, FLAG_VNI)
  set32(octets, 4, vni * 0x100)
  ethernet.write(octets, HEADER_OCTETS, frame)
  octets.set(packet, HEADER_OCTETS + ethernet.HEADER_OCTETS)
  return octets
}

/**
 * The frame in the UDP datagram at [at, end): its network identifier, and where the packet in it begins;
 * undefined if the datagram is not to one of VXLAN's ports or holds no frame with IPv4 or IPv6.
 */
export function innerFrame(
  octets: Uint8Array,
  at: number,
  end: number,
  ports = PORTS,
): { readonly vni: number; readonly packetAt: number } | undefined {
  const headerAt = at + udp.HEADER_OCTETS
  const frameAt = headerAt + HEADER_OCTETS
  const packetAt = frameAt + ethernet.HEADER_OCTETS
  if (end < packetAt || !ports.includes(udp.destinationPort(octets, at))) return undefined
  const vni = networkIdentifier(octets, headerAt, frameAt)
  const etherType = ethernet.etherType(octets, frameAt)
  const isIp = etherType === ETHER_TYPE.ipv4 || etherType === ETHER_TYPE.ipv6
  return vni === undefined || !isIp ? undefined : { vni, packetAt }
}

/** Where the inner IPv4 packet begins if the packet at `at` is VXLAN and whole enough; else undefined. */
export function innerOffset(octets: Uint8Array, at = 0, ports = PORTS): number | undefined {
  if (ipv4.protocol(octets, at) !== IP_PROTOCOL.udp || ipv4.isFragment(octets, at)) return undefined
  const frame = innerFrame(octets, at + ipv4.headerOctets(octets, at), octets.length, ports)
  return frame !== undefined && ipv4.check(octets, frame.packetAt) ? frame.packetAt : undefined
}
