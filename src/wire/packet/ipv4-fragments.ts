import * as ipv4 from './ipv4.ts'
import { set16 } from './octets.ts'

/**
 * The fragments of a packet for links of `mtu` octets, in order (RFC 791 section 3.2); the packet
 * itself if it fits. A packet that is a fragment already is cut further. Options are copied to the
 * first fragment only, which is all that those without the copied flag ask for.
 */
export function fragmentIpv4(packet: Uint8Array, mtu: number): Uint8Array[] {
  const total = ipv4.totalLength(packet)
  if (total <= mtu) return [packet]
  const header = ipv4.headerOctets(packet)
  const most = (mtu - header) & ~7
  const baseOffset = ipv4.fragmentOffset(packet)
  const isLastOfAll = !ipv4.moreFragments(packet)
  const fragments: Uint8Array[] = []
  for (let done = 0; done < total - header;) {
    const length = Math.min(most, total - header - done)
    const fragment = new Uint8Array(header + length)
    fragment.set(packet.subarray(0, header))
    fragment.set(packet.subarray(header + done, header + done + length), header)
    if (done > 0) fragment.fill(1, ipv4.HEADER_OCTETS, header) // options become no-operations
    const isLast = isLastOfAll && done + length === total - header
    set16(fragment, 2, header + length)
    set16(fragment, 6, (isLast ? 0 : 0x2000) | ((baseOffset + done) >>> 3))
    ipv4.writeChecksum(fragment)
    fragments.push(fragment)
    done += length
  }
  return fragments
}

/** The packet that a set of fragments makes, or undefined while some are missing. */
export function reassembleIpv4(fragments: readonly Uint8Array[]): Uint8Array | undefined {
  const sorted = [...fragments].sort((a, b) => ipv4.fragmentOffset(a) - ipv4.fragmentOffset(b))
  const first = sorted[0]
  const last = sorted.at(-1)
  if (first === undefined || last === undefined) return undefined
  if (ipv4.fragmentOffset(first) !== 0 || ipv4.moreFragments(last)) return undefined
  const header = ipv4.headerOctets(first)
  const end = ipv4.fragmentOffset(last) + ipv4.totalLength(last) - ipv4.headerOctets(last)
  if (header + end > 0xffff) return undefined
  const packet = new Uint8Array(header + end)
  packet.set(first.subarray(0, header))
  let filled = 0
  for (const fragment of sorted) {
    const at = ipv4.fragmentOffset(fragment)
    if (at > filled) return undefined
    const payload = fragment.subarray(ipv4.headerOctets(fragment), ipv4.totalLength(fragment))
    packet.set(payload, header + at)
    filled = Math.max(filled, at + payload.length)
  }
  set16(packet, 2, packet.length)
  set16(packet, 6, 0)
  ipv4.writeChecksum(packet)
  return packet
}
