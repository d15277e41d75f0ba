import {
  addressBits,
  addressFromOctets,
  addressOctets,
  compareAddresses,
  familyOf,
  type Family,
  found,
  type IpAddress,
  ipv4PrefixText,
  ipv4ToNumber,
  parseIpAddress,
  requireAddress,
} from './ip-address.ts'

declare const brand: unique symbol

/** Canonical text of a prefix, host bits zero: "10.211.0.0/24", "fd00::/64". */
export type Prefix = string & { readonly [brand]: 'Prefix' }

/** An address with the length of its network: "172.16.170.128/24", as on an interface. */
export interface InterfaceAddress {
  readonly address: IpAddress
  readonly prefixLength: number
}

/** Canonical text of an {@link InterfaceAddress}: "172.16.170.128/24". */
export type InterfaceAddressText = string & { readonly [brand]: 'InterfaceAddressText' }

export function interfaceAddressText(parts: InterfaceAddress): InterfaceAddressText {
  const { address, prefixLength: length } = parts
  requireAddress(address)
  requireLength(length, addressBits(familyOf(address)))
  return `${address}/${length}` as InterfaceAddressText
}

/** The parts of the text; throws RangeError where {@link parseInterfaceAddress} gives undefined. */
export function interfaceAddress(text: InterfaceAddressText | string): InterfaceAddress {
  const parts = parseInterfaceAddress(text)
  if (parts !== undefined) return parts
  throw new RangeError(`Expected an address with its prefix length, found ${found(text)}`)
}

/** "address/length" in parts, host bits kept; undefined if it is not that. */
export function parseInterfaceAddress(text: string): InterfaceAddress | undefined {
  const slash = text.indexOf('/')
  if (slash < 0) return undefined
  const address = parseIpAddress(text.slice(0, slash))
  const digits = text.slice(slash + 1)
  if (address === undefined || !/^(0|[1-9]\d{0,2})$/.test(digits)) return undefined
  const prefixLength = Number(digits)
  return prefixLength > addressBits(familyOf(address)) ? undefined : { address, prefixLength }
}

/** The prefix that `text` spells, or undefined; bits beyond the length must be zero. */
export function parsePrefix(text: string): Prefix | undefined {
  const parts = parseInterfaceAddress(text)
  if (parts === undefined) return undefined
  const prefix = prefixOf(parts.address, parts.prefixLength)
  return prefixAddress(prefix) === parts.address ? prefix : undefined
}

/** The prefix that `text` spells; throws RangeError where {@link parsePrefix} gives undefined. */
export function prefix(text: string): Prefix {
  const parsed = parsePrefix(text)
  if (parsed === undefined) throw notAPrefix(text)
  return parsed
}

/** The network of `length` bits in which `address` is. Throws RangeError on any other length. */
export function prefixOf(address: IpAddress, length: number): Prefix {
  if (familyOf(address) === 4) {
    return ipv4Prefix(ipv4ToNumber(address) & ipv4Mask(length), length)
  }
  requireLength(length, 128)
  const octets = addressOctets(address)
  for (let at = 0; at < octets.length; at++) {
    const bits = Math.min(8, Math.max(0, length - at * 8))
    octets[at]! &= 0xff << (8 - bits)
  }
  return `${addressFromOctets(octets)}/${length}` as Prefix
}

/** The prefix of a network's first address, whose host bits are known to be zero. Throws RangeError on a length that there is not. */
export function networkPrefix(first: IpAddress, length: number): Prefix {
  requireLength(length, addressBits(familyOf(first)))
  return `${first}/${length}` as Prefix
}

function requireLength(length: number, most: number): void {
  if (length >>> 0 !== length || length > most) {
    throw new RangeError(`Expected a prefix length from 0 to ${most}, found ${length}`)
  }
}

/** The IPv4 prefix of a network's 32-bit number, host bits zero. Throws RangeError on a length beyond 32. */
export function ipv4Prefix(network: number, length: number): Prefix {
  requireLength(length, 32)
  return ipv4PrefixText(network, length) as Prefix
}

/** The 32-bit number of the first address of an IPv4 prefix. */
export function ipv4NetworkNumber(prefix: Prefix): number {
  return ipv4ToNumber(prefix, prefix.indexOf('/'))
}

/** The 32 bits of a network mask, as a signed number. */
function ipv4Mask(length: number): number {
  requireLength(length, 32)
  return length === 0 ? 0 : -1 << (32 - length) // a shift by 32 is a shift by 0
}

/** The prefix of one address: /32 or /128. Throws RangeError on text that is none. */
export function hostPrefix(address: IpAddress): Prefix {
  requireAddress(address)
  return `${address}/${addressBits(familyOf(address))}` as Prefix
}

/** The first address of a prefix. Throws RangeError on text that is none. */
export function prefixAddress(prefix: Prefix): IpAddress {
  prefixLength(prefix)
  const first = prefix.slice(0, prefix.indexOf('/')) as IpAddress
  requireAddress(first)
  return first
}

/** Bits of a prefix that are its network. Throws RangeError on text that has none. */
export function prefixLength(prefix: Prefix): number {
  let [length, unit] = [0, 1]
  for (let at = prefix.length - 1; at > 0 && unit <= 1000; at--, unit *= 10) {
    const code = prefix.charCodeAt(at)
    if (code === SLASH) {
      if (unit === 1 || length > 128 || (length > 32 && !prefix.includes(':'))) break
      return length
    }
    if (code < ZERO || code > NINE) break
    length += (code - ZERO) * unit
  }
  throw notAPrefix(prefix)
}

/** For text that is no prefix although its type says so: somebody made it without a parser. */
function notAPrefix(text: string): RangeError {
  return new RangeError(
    `Expected a prefix such as 10.0.0.0/8, host bits zero, found ${found(text)}`,
  )
}

const SLASH = 0x2f
const ZERO = 0x30
const NINE = 0x39

/** Told by the separator alone; throws RangeError on text that has none. */
export function prefixFamily(prefix: Prefix): Family {
  if (prefix.includes(':')) return 6
  if (prefix.includes('.')) return 4
  throw notAPrefix(prefix)
}

/** Whether the prefix is one address. */
export function isHostPrefix(prefix: Prefix): boolean {
  return prefixLength(prefix) === addressBits(prefixFamily(prefix))
}

export function contains(prefix: Prefix, address: IpAddress): boolean {
  const length = prefixLength(prefix)
  const family = familyOf(address)
  if (prefixFamily(prefix) !== family) return false
  if (family === 6) return prefixOf(address, length) === prefix
  const network = ipv4NetworkNumber(prefix)
  return ((ipv4ToNumber(address) ^ network) & ipv4Mask(length)) === 0
}

/** Whether all of `inner` is in `outer`; a prefix covers itself. */
export function covers(outer: Prefix, inner: Prefix): boolean {
  const length = prefixLength(outer)
  if (prefixLength(inner) < length) return false
  const family = prefixFamily(outer)
  if (prefixFamily(inner) !== family) return false
  if (family === 6) return contains(outer, prefixAddress(inner))
  return ((ipv4NetworkNumber(inner) ^ ipv4NetworkNumber(outer)) & ipv4Mask(length)) === 0
}

export function overlaps(a: Prefix, b: Prefix): boolean {
  return covers(a, b) || covers(b, a)
}

/** By address, then the shorter first. */
export function comparePrefixes(a: Prefix, b: Prefix): number {
  return compareAddresses(prefixAddress(a), prefixAddress(b)) || prefixLength(a) - prefixLength(b)
}

/**
 * The prefixes in the order of {@link comparePrefixes}, for long lists: each is made once into a text
 * that sorts as it does, and not parsed again at every comparison.
 */
export function sortedPrefixes(prefixes: readonly Prefix[]): Prefix[] {
  const placed = prefixes.map((prefix) => {
    const octets = addressOctets(prefixAddress(prefix))
    const place = String.fromCharCode(octets.length, ...octets, prefixLength(prefix))
    return { prefix, place }
  })
  placed.sort((a, b) => (a.place < b.place ? -1 : Number(a.place > b.place)))
  return placed.map(({ prefix }) => prefix)
}
