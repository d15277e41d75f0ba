import { addressFromOctets, addressOctets } from '../net/ip-address.ts'
import { type Prefix, prefixAddress, prefixLength, prefixOf } from '../net/prefix.ts'

/**
 * The blocks of a pool, from one that depends on the node on and around: nodes begin at different
 * places, so that they seldom want the same block. Calico, too, begins where a hash of the host's name says.
 */
export function* blockRing(pool: Prefix, blockLength: number, node: string): Iterable<Prefix> {
  const bits = BigInt(blockLength - prefixLength(pool))
  const count = 1n << bits
  const start = BigInt(fnv1(node)) % count
  for (let step = 0n; step < count; step++) yield blockAt(pool, blockLength, (start + step) % count)
}

function blockAt(pool: Prefix, blockLength: number, index: bigint): Prefix {
  const octets = addressOctets(prefixAddress(pool))
  let sum = index << BigInt(octets.length * 8 - blockLength)
  for (let at = octets.length - 1; at >= 0 && sum > 0n; at--) {
    sum += BigInt(octets[at]!)
    octets[at] = Number(sum & 255n)
    sum >>= 8n
  }
  return prefixOf(addressFromOctets(octets), blockLength)
}

/** FNV-1, 32 bits: multiply, then exclusive-or. */
export function fnv1(text: string): number {
  let hash = 0x811c9dc5
  for (const octet of new TextEncoder().encode(text)) {
    hash = Math.imul(hash, 0x01000193) >>> 0
    hash = (hash ^ octet) >>> 0
  }
  return hash
}
