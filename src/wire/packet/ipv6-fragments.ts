import * as ipv6 from './ipv6.ts'
import { get16, set16, set32 } from './octets.ts'
import { IP_PROTOCOL } from './protocols.ts'

const FRAGMENT_HEADER_OCTETS = 8

/**
 * The fragments of a packet without extension headers for a path of `mtu` octets, in order (RFC 8200
 * section 4.5); the packet itself if it fits.
 */
export function fragmentIpv6(
  packet: Uint8Array,
  mtu: number,
  identification: number,
): Uint8Array[] {
  if (packet.length <= mtu) return [packet]
  const header = ipv6.HEADER_OCTETS
  const most = (mtu - header - FRAGMENT_HEADER_OCTETS) & ~7
  const total = packet.length - header
  const fragments: Uint8Array[] = []
  for (let done = 0; done < total;) {
    const length = Math.min(most, total - done)
    const fragment = new Uint8Array(header + FRAGMENT_HEADER_OCTETS + length)
    fragment.set(packet.subarray(0, header))
    set16(fragment, 4, FRAGMENT_HEADER_OCTETS + length)
    fragment[6] = IP_PROTOCOL.fragment
    fragment[header] = ipv6.nextHeader(packet)
    set16(fragment, header + 2, done | (done + length < total ? 1 : 0))
    set32(fragment, header + 4, identification)
    const from = header + done
    fragment.set(packet.subarray(from, from + length), header + FRAGMENT_HEADER_OCTETS)
    fragments.push(fragment)
    done += length
  }
  return fragments
}

/** The packet that a set of fragments makes, or undefined while some are missing. */
export function reassembleIpv6(fragments: readonly Uint8Array[]): Uint8Array | undefined {
  const sorted = fragments
    .map((octets) => ({ octets, payload: ipv6.payload(octets) }))
    .sort((a, b) => offsetOf(a.payload) - offsetOf(b.payload))
  const [first, last] = [sorted[0], sorted.at(-1)]
  if (first === undefined || last === undefined) return undefined
  if (offsetOf(first.payload) !== 0 || last.payload?.fragment?.more !== false) return undefined
  const headers = first.payload!.at - FRAGMENT_HEADER_OCTETS
  const parts: Uint8Array[] = []
  let filled = 0
  for (const { octets, payload } of sorted) {
    // Fragments that overlap are dropped, all of them (RFC 5722).
    if (offsetOf(payload) !== filled) return undefined
    const end = ipv6.HEADER_OCTETS + ipv6.payloadLength(octets)
    const part = octets.subarray(payload!.at, end)
    parts.push(part)
    filled += part.length
  }
  if (headers + filled > 0xffff) return undefined
  const packet = new Uint8Array(headers + filled)
  packet.set(first.octets.subarray(0, headers))
  parts.reduce((at, part) => {
    packet.set(part, at)
    return at + part.length
  }, headers)
  set16(packet, 4, packet.length - ipv6.HEADER_OCTETS)
  packet[nextHeaderAt(first.octets)] = first.octets[headers]!
  return packet
}

function offsetOf(payload: ipv6.Ipv6Payload | undefined): number {
  return payload?.fragment?.offset ?? -1
}

/** Where the number of the fragment header stands. */
function nextHeaderAt(octets: Uint8Array): number {
  let at = 6
  let next = ipv6.HEADER_OCTETS
  while (octets[at] !== IP_PROTOCOL.fragment && next + 1 < octets.length) {
    at = next
    next += (octets[next + 1]! + 1) * 8
  }
  return at
}

/** Whether two fragments are of one packet: source, destination and identification. */
export function fragmentKey(octets: Uint8Array, identification: number): string {
  let key = `6 ${identification}`
  for (let at = 8; at < 40; at += 2) key += ` ${get16(octets, at)}`
  return key
}
