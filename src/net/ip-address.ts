/**
 * IPv4 and IPv6 addresses. Outside hot paths an address is its canonical text (RFC 5952 for IPv6), so
 * that it compares with `===`, keys a map and survives JSON; inside, it is octets or a number.
 */

declare const brand: unique symbol

/** Canonical text of an address, made only by the functions of this file. */
export type IpAddress = string & { readonly [brand]: 'IpAddress' }

export type Family = 4 | 6

export const FAMILIES: readonly Family[] = [4, 6]

/** Bits of an address: 32 or 128. */
export function addressBits(family: Family): 32 | 128 {
  return family === 4 ? 32 : 128
}

/** Told by the separator alone; throws RangeError on text that has none. */
export function familyOf(address: IpAddress): Family {
  if (address.includes(':')) return 6
  if (address.includes('.')) return 4
  throw notAnAddress(address)
}

/** For text that is no address although its type says so: somebody made it without a parser. */
function notAnAddress(text: string, what = 'an IP address'): RangeError {
  return new RangeError(`Expected ${what}, found ${found(text)}`)
}

/** Throws RangeError on text that is no address; makes nothing of an IPv4 one. */
export function requireAddress(address: IpAddress): void {
  if (familyOf(address) === 4) ipv4ToNumber(address)
  else addressOctets(address)
}

/** A value as it stands in the message of an error, whatever its length. */
export function found(value: unknown): string {
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value)
  return text.length > 80 ? `${text.slice(0, 77)}...` : text
}

/** The address that `text` spells, or undefined. Strict: no leading zeros, no zone, no white space. */
export function parseIpAddress(text: string): IpAddress | undefined {
  const octets = text.includes(':') ? parseIpv6(text) : parseIpv4(text)
  return octets === undefined ? undefined : addressFromOctets(octets)
}

/** The address that `text` spells; throws RangeError where {@link parseIpAddress} gives undefined. */
export function ip(text: string): IpAddress {
  const address = parseIpAddress(text)
  if (address === undefined) throw notAnAddress(text)
  return address
}

/** The address of 4 or 16 octets in network order. */
export function addressFromOctets(octets: Uint8Array): IpAddress {
  if (octets.length === 4) {
    return `${octets[0]}.${octets[1]}.${octets[2]}.${octets[3]}` as IpAddress
  }
  if (octets.length === 16) return formatIpv6(octets) as IpAddress
  throw new RangeError(`Expected 4 or 16 octets of address, found ${octets.length}`)
}

/** The octets of an address in network order: 4 or 16. Throws RangeError on text that is none. */
export function addressOctets(address: IpAddress): Uint8Array {
  const octets = address.includes(':') ? parseIpv6(address) : parseIpv4(address)
  if (octets === undefined) throw notAnAddress(address)
  return octets
}

/** An IPv4 address from its 32-bit number, signed or not. Throws RangeError on any other. */
export function ipv4FromNumber(value: number): IpAddress {
  if ((value | 0) !== value && value >>> 0 !== value) {
    throw new RangeError(`Expected a number of 32 bits, found ${value}`)
  }
  return IPV4_TEXTS.of(value, 0) as IpAddress
}

/** `ipv4FromNumber` and, behind a slash, the length. */
export function ipv4PrefixText(value: number, length: number): string {
  return IPV4_PREFIX_TEXTS.of(value, length)
}

const PLACE_BITS = 14

/**
 * Texts made last, by number and length. Thousands of routes have the same few next hops, and all nodes
 * of a cluster the same prefixes: one text for all is less to make, to keep and to compare.
 */
class TextMemory {
  readonly #make: (value: number, length: number) => string
  readonly #values = new Int32Array(1 << PLACE_BITS)
  readonly #lengths = new Uint8Array(1 << PLACE_BITS)
  readonly #texts: (string | undefined)[] = []

  constructor(make: (value: number, length: number) => string) {
    this.#make = make
    this.#texts.length = 1 << PLACE_BITS
  }

  of(value: number, length: number): string {
    const bits = value | 0
    const place = Math.imul(bits ^ length, 0x9e3779b1) >>> (32 - PLACE_BITS)
    const known = this.#texts[place]
    if (this.#values[place] === bits && this.#lengths[place] === length && known !== undefined) {
      return known
    }
    const text = this.#make(value, length)
    this.#values[place] = bits
    this.#lengths[place] = length
    this.#texts[place] = text
    return text
  }
}

function ipv4Text(value: number): string {
  return `${value >>> 24}.${(value >>> 16) & 255}.${(value >>> 8) & 255}.${value & 255}`
}

const IPV4_TEXTS = new TextMemory(ipv4Text)
const IPV4_PREFIX_TEXTS = new TextMemory((value, length) => `${ipv4Text(value)}/${length}`)

const DOT = 0x2e
const ZERO = 0x30
const NINE = 0x39

/** The 32-bit number of an IPv4 address, or of what stands before `end`. Throws RangeError on any other text. */
export function ipv4ToNumber(address: IpAddress | string, end = address.length): number {
  let [value, octet, digits, dots] = [0, 0, 0, 0]
  for (let at = 0; at < end; at++) {
    const code = address.charCodeAt(at)
    if (code === DOT && digits > 0) {
      value = value * 256 + octet
      octet = 0
      digits = 0
      dots++
    } else {
      // A zero may only stand alone.
      if (code < ZERO || code > NINE || (octet === 0 && digits > 0)) break
      octet = octet * 10 + code - ZERO
      if (octet > 255) break
      digits++
    }
    if (at === end - 1 && dots === 3 && digits > 0) return value * 256 + octet
  }
  throw notAnAddress(address, 'an IPv4 address')
}

/**
 * The address `offset` above `address`; wraps at the end of the address space. Throws RangeError on an
 * offset that is no whole number.
 */
export function addressPlus(address: IpAddress, offset: number): IpAddress {
  if (!Number.isSafeInteger(offset)) {
    throw new RangeError(`Expected a whole number of addresses, found ${offset}`)
  }
  const octets = addressOctets(address)
  let carry = offset
  for (let at = octets.length - 1; at >= 0 && carry !== 0; at--) {
    const sum = octets[at]! + carry
    octets[at] = ((sum % 256) + 256) % 256
    carry = Math.floor(sum / 256)
  }
  return addressFromOctets(octets)
}

/** Numeric order; IPv4 before IPv6. */
export function compareAddresses(a: IpAddress, b: IpAddress): number {
  const left = addressOctets(a)
  const right = addressOctets(b)
  if (left.length !== right.length) return left.length - right.length
  for (let at = 0; at < left.length; at++) {
    if (left[at] !== right[at]) return left[at]! - right[at]!
  }
  return 0
}

/** Octet by octet without intermediate strings: route tables turn on it. */
function parseIpv4(text: string): Uint8Array | undefined {
  const octets = new Uint8Array(4)
  let at = 0
  let digits = 0
  let value = 0
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code === 0x2e) {
      if (digits === 0 || at === 3) return undefined
      octets[at++] = value
      digits = 0
      value = 0
      continue
    }
    const digit = code - 0x30
    // A zero may only stand alone.
    if (digit < 0 || digit > 9 || (digits > 0 && value === 0)) return undefined
    value = value * 10 + digit
    digits++
    if (value > 255) return undefined
  }
  if (digits === 0 || at !== 3) return undefined
  octets[3] = value
  return octets
}

function parseIpv6(text: string): Uint8Array | undefined {
  const halves = text.split('::')
  if (halves.length > 2) return undefined
  const head = parseGroups(halves[0]!, halves.length === 1)
  const tail = halves.length === 2 ? parseGroups(halves[1]!, true) : []
  if (head === undefined || tail === undefined) return undefined
  const missing = 8 - head.length - tail.length
  if (halves.length === 1 ? missing !== 0 : missing < 1) return undefined
  const groups = [...head, ...Array.from({ length: missing }, () => 0), ...tail]
  const octets = new Uint8Array(16)
  groups.forEach((group, at) => {
    octets[at * 2] = group >>> 8
    octets[at * 2 + 1] = group & 255
  })
  return octets
}

function parseGroups(text: string, mayEndInIpv4: boolean): number[] | undefined {
  if (text === '') return []
  const groups: number[] = []
  const parts = text.split(':')
  for (const [at, part] of parts.entries()) {
    if (mayEndInIpv4 && at === parts.length - 1 && part.includes('.')) {
      const octets = parseIpv4(part)
      if (octets === undefined) return undefined
      groups.push((octets[0]! << 8) | octets[1]!, (octets[2]! << 8) | octets[3]!)
    } else if (/^[0-9a-fA-F]{1,4}$/.test(part)) groups.push(Number.parseInt(part, 16))
    else return undefined
  }
  return groups
}

/** RFC 5952: lower case, the longest run of zero groups (two or more, the first of equals) as "::". */
function formatIpv6(octets: Uint8Array): string {
  const groups = Array.from({ length: 8 }, (_, at) => (octets[at * 2]! << 8) | octets[at * 2 + 1]!)
  let best = -1
  let bestLength = 1
  for (let at = 0; at < 8; at++) {
    let length = 0
    while (at + length < 8 && groups[at + length] === 0) length++
    if (length > bestLength) [best, bestLength] = [at, length]
    if (length > 0) at += length - 1
  }
  const text = (from: number, to: number): string =>
    groups
      .slice(from, to)
      .map((group) => group.toString(16))
      .join(':')
  if (groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff) {
    return `::ffff:${octets.subarray(12).join('.')}` // RFC 5952 section 5, IPv4-mapped
  }
  return best < 0 ? text(0, 8) : `${text(0, best)}::${text(best + bestLength, 8)}`
}
