import { type ByteWriter } from '../../lib/bytes.ts'
import { addressFromOctets, addressOctets } from '../../net/ip-address.ts'
import { networkPrefix, type Prefix, prefixAddress, prefixLength } from '../../net/prefix.ts'
import { type NlriList } from './nlri-list.ts'
import { type Nlri } from './path-attributes.ts'

/** Prefix `index` of a list as text. */
export function prefixAt(list: NlriList, index: number): Prefix {
  const words = list.family === 4 ? 1 : 4
  const octets = new Uint8Array(4 * words)
  for (let word = 0; word < words; word++) {
    const value = list.words[index * words + word]!
    octets[4 * word] = value >>> 24
    octets[4 * word + 1] = value >>> 16
    octets[4 * word + 2] = value >>> 8
    octets[4 * word + 3] = value
  }
  return networkPrefix(addressFromOctets(octets), list.lengths[index]!)
}

/** All of a list, for people. */
export function nlriOf(list: NlriList, withPathId: boolean): Nlri[] {
  return Array.from({ length: list.count }, (_, index) => {
    const prefix = prefixAt(list, index)
    return withPathId ? { prefix, pathId: list.pathIds[index]! } : { prefix }
  })
}

/** Writes one NLRI; the path identifier (0 if there is none) only if negotiated. */
export function writeNlri(writer: ByteWriter, nlri: Nlri, withPathId: boolean): void {
  if (withPathId) writer.u32(nlri.pathId ?? 0)
  const length = prefixLength(nlri.prefix)
  writer.u8(length)
  writer.bytes(addressOctets(prefixAddress(nlri.prefix)).subarray(0, (length + 7) >>> 3))
}
