import * as ipv4 from '../../../wire/packet/ipv4.ts'
import * as ipv6 from '../../../wire/packet/ipv6.ts'
import { get16 } from '../../../wire/packet/octets.ts'
import { type Addr, readAddr6 } from '../routing/addr.ts'
import type { Device } from '../links/device.ts'
import type { Tracked } from './connections.ts'

/** What stays with a packet on its way through a namespace (struct sk_buff). */
export interface PacketMeta {
  /** 32 bits. */
  mark: number
  /** What conntrack says of it, once it was asked. */
  tracked: Tracked | undefined
}

export function newPacketMeta(): PacketMeta {
  return { mark: 0, tracked: undefined }
}

/** A packet as rules see it. */
export interface FilteredPacket {
  readonly octets: Uint8Array
  readonly source: Addr
  readonly destination: Addr
  readonly protocol: number
  /** Where the transport header begins; undefined in a fragment that has none. */
  readonly at: number | undefined
  readonly input: Device | undefined
  readonly output: Device | undefined
  readonly meta: PacketMeta
}

export function describePacket(
  octets: Uint8Array,
  input: Device | undefined,
  output: Device | undefined,
  meta: PacketMeta,
): FilteredPacket {
  if (octets[0]! >>> 4 === 4) {
    return {
      octets,
      source: ipv4.source(octets),
      destination: ipv4.destination(octets),
      protocol: ipv4.protocol(octets),
      at: ipv4.fragmentOffset(octets) > 0 ? undefined : ipv4.headerOctets(octets),
      input,
      output,
      meta,
    }
  }
  const payload = ipv6.payload(octets)
  return {
    octets,
    source: readAddr6(octets, 8),
    destination: readAddr6(octets, 24),
    protocol: payload?.protocol ?? ipv6.nextHeader(octets),
    at: payload?.at,
    input,
    output,
    meta,
  }
}

/** The sixteen bits at an offset of the transport header, if the packet has them. */
export function portAt({ octets, at }: FilteredPacket, offset: number): number | undefined {
  return at === undefined || octets.length < at + offset + 2
    ? undefined
    : get16(octets, at + offset)
}
