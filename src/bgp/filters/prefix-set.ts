import { addressBits, addressOctets } from '../../net/ip-address.ts'
import { type Prefix, prefixAddress, prefixFamily, prefixLength } from '../../net/prefix.ts'

/** A prefix as octets, for many comparisons. */
export interface PrefixOctets {
  readonly octets: Uint8Array
  readonly length: number
}

export function prefixOctets(prefix: Prefix): PrefixOctets {
  return { octets: addressOctets(prefixAddress(prefix)), length: prefixLength(prefix) }
}

/** BIRD's `net ~ prefix`: `inner` is `outer` or in it. */
export function isWithin(inner: PrefixOctets, outer: PrefixOctets): boolean {
  if (inner.octets.length !== outer.octets.length || inner.length < outer.length) return false
  const whole = outer.length >>> 3
  for (let at = 0; at < whole; at++) if (inner.octets[at] !== outer.octets[at]) return false
  const rest = outer.length & 7
  return rest === 0 || ((inner.octets[whole]! ^ outer.octets[whole]!) & (0xff00 >>> rest)) === 0
}

/** BIRD's `net = prefix`. */
export function isSame(a: PrefixOctets, b: PrefixOctets): boolean {
  return a.length === b.length && isWithin(a, b)
}

/** Whether the prefix is a single address: a /32 or /128. */
export function isSingle(prefix: Prefix): boolean {
  return prefixLength(prefix) === addressBits(prefixFamily(prefix))
}
