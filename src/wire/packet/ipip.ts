import { outerEcn } from './ecn.ts'
import * as ipv4 from './ipv4.ts'
import { IP_PROTOCOL } from './protocols.ts'

/** IP within IP (RFC 2003): `import * as ipip`. */

export interface OuterHeader {
  readonly source: number
  readonly destination: number
  readonly timeToLive: number
  readonly identification: number
  readonly dontFragment: boolean
}

/** Where the inner packet begins if the packet at `at` is IPIP and whole enough; else undefined. */
export function innerOffset(octets: Uint8Array, at = 0): number | undefined {
  if (ipv4.protocol(octets, at) !== IP_PROTOCOL.ipip || ipv4.isFragment(octets, at))
    return undefined
  const inner = at + ipv4.headerOctets(octets, at)
  return ipv4.check(octets, inner) ? inner : undefined
}

/** The packet with an outer header before it. Of the inner type of service only ECN counts; see {@link outerEcn}. */
export function encapsulate(inner: Uint8Array, outer: OuterHeader): Uint8Array {
  const octets = new Uint8Array(ipv4.HEADER_OCTETS + inner.length)
  octets.set(inner, ipv4.HEADER_OCTETS)
  const header = {
    source: outer.source,
    destination: outer.destination,
    timeToLive: outer.timeToLive,
    identification: outer.identification,
    dontFragment: outer.dontFragment,
    typeOfService: outerEcn(ipv4.typeOfService(inner)),
    protocol: IP_PROTOCOL.ipip,
  }
  ipv4.write(octets, 0, header, octets.length)
  return octets
}
