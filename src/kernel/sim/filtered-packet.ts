import * as ipv4 from '../../wire/packet/ipv4.ts'
import * as ipv6 from '../../wire/packet/ipv6.ts'
import { type Addr, readAddr6 } from './addr.ts'
import type { Device } from './device.ts'
import type { Namespace } from './namespace.ts'
import type { FilterHook } from '../packet-filter.ts'

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
}

/** Whether the namespace's filter lets a packet pass a hook. */
export function passes(
  namespace: Namespace,
  hook: FilterHook,
  octets: Uint8Array,
  input: Device | undefined,
  output: Device | undefined,
): boolean {
  const { packetFilter } = namespace
  if (!packetFilter.sees(hook)) return true
  return packetFilter.accepts(namespace, hook, describePacket(octets, input, output))
}

export function describePacket(
  octets: Uint8Array,
  input: Device | undefined,
  output: Device | undefined,
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
  }
}
