/**
 * The one reader and the one writer of octets in the program.
 *
 * One class each on purpose: every codec goes through the same call sites, so the engine keeps them
 * monomorphic. Network byte order unless the name says `le`; addresses and prefixes are numbers here.
 */

/** Thrown when fewer octets are left than asked for. The codec that fenced the region decides what it means. */
export class ShortInput extends Error {
  override readonly name = 'ShortInput'
  readonly wanted: number
  readonly left: number
  constructor(wanted: number, left: number) {
    super(`Expected ${wanted} more octets, found ${left}`)
    this.wanted = wanted
    this.left = left
  }
}

export class ByteReader {
  readonly octets: Uint8Array
  at: number
  readonly end: number

  /** Reads `octets` from `start` (inclusive) to `end` (exclusive); nothing is copied. */
  constructor(octets: Uint8Array, start = 0, end = octets.length) {
    this.octets = octets
    this.at = start
    this.end = end
  }

  get remaining(): number {
    return this.end - this.at
  }

  #take(count: number): number {
    const at = this.at
    if (at + count > this.end) throw new ShortInput(count, this.end - at)
    this.at = at + count
    return at
  }

  u8(): number {
    return this.octets[this.#take(1)]!
  }

  u16(): number {
    const at = this.#take(2)
    return (this.octets[at]! << 8) | this.octets[at + 1]!
  }

  u32(): number {
    const at = this.#take(4)
    const o = this.octets
    return ((o[at]! << 24) | (o[at + 1]! << 16) | (o[at + 2]! << 8) | o[at + 3]!) >>> 0
  }

  u64(): bigint {
    return (BigInt(this.u32()) << 32n) | BigInt(this.u32())
  }

  u16le(): number {
    const at = this.#take(2)
    return this.octets[at]! | (this.octets[at + 1]! << 8)
  }

  u32le(): number {
    const at = this.#take(4)
    const o = this.octets
    return (o[at]! | (o[at + 1]! << 8) | (o[at + 2]! << 16) | (o[at + 3]! << 24)) >>> 0
  }

  u64le(): bigint {
    const low = BigInt(this.u32le())
    return (BigInt(this.u32le()) << 32n) | low
  }

  /** A view on the next `count` octets; shares memory with the input. */
  bytes(count: number): Uint8Array {
    const at = this.#take(count)
    return this.octets.subarray(at, at + count)
  }

  /** A copy of the next `count` octets, for values that outlive the receive buffer. */
  copy(count: number): Uint8Array {
    const at = this.#take(count)
    return this.octets.slice(at, at + count)
  }

  skip(count: number): void {
    this.#take(count)
  }

  /** A reader of the next `count` octets that cannot read past them; this reader moves behind them. */
  fence(count: number): ByteReader {
    const at = this.#take(count)
    return new ByteReader(this.octets, at, at + count)
  }
}

export class ByteWriter {
  #octets: Uint8Array
  #at = 0

  constructor(capacity = 4096) {
    this.#octets = new Uint8Array(capacity)
  }

  /** Octets written so far. */
  get length(): number {
    return this.#at
  }

  #room(count: number): number {
    const at = this.#at
    const needed = at + count
    if (needed > this.#octets.length) {
      const grown = new Uint8Array(Math.max(needed, this.#octets.length * 2))
      grown.set(this.#octets)
      this.#octets = grown
    }
    this.#at = needed
    return at
  }

  u8(value: number): void {
    const at = this.#room(1)
    this.#octets[at] = value
  }

  u16(value: number): void {
    const at = this.#room(2)
    this.#octets[at] = value >>> 8
    this.#octets[at + 1] = value
  }

  u32(value: number): void {
    const at = this.#room(4)
    const o = this.#octets
    o[at] = value >>> 24
    o[at + 1] = value >>> 16
    o[at + 2] = value >>> 8
    o[at + 3] = value
  }

  u64(value: bigint): void {
    this.u32(Number((value >> 32n) & 0xffffffffn))
    this.u32(Number(value & 0xffffffffn))
  }

  u16le(value: number): void {
    const at = this.#room(2)
    this.#octets[at] = value
    this.#octets[at + 1] = value >>> 8
  }

  u32le(value: number): void {
    const at = this.#room(4)
    const o = this.#octets
    o[at] = value
    o[at + 1] = value >>> 8
    o[at + 2] = value >>> 16
    o[at + 3] = value >>> 24
  }

  u64le(value: bigint): void {
    this.u32le(Number(value & 0xffffffffn))
    this.u32le(Number((value >> 32n) & 0xffffffffn))
  }

  bytes(value: Uint8Array): void {
    const at = this.#room(value.length)
    this.#octets.set(value, at)
  }

  zeros(count: number): void {
    const at = this.#room(count)
    this.#octets.fill(0, at, at + count)
  }

  /** Overwrites a 16-bit field written earlier, for lengths that are known only afterwards. */
  patch16(at: number, value: number): void {
    this.#octets[at] = value >>> 8
    this.#octets[at + 1] = value
  }

  patch16le(at: number, value: number): void {
    this.#octets[at] = value
    this.#octets[at + 1] = value >>> 8
  }

  patch32le(at: number, value: number): void {
    const o = this.#octets
    o[at] = value
    o[at + 1] = value >>> 8
    o[at + 2] = value >>> 16
    o[at + 3] = value >>> 24
  }

  /** Writes an 8-bit length, then what `body` writes, and sets the length to its size. */
  counted8(body: () => void): void {
    const at = this.#room(1)
    body()
    this.#octets[at] = this.#at - at - 1
  }

  /** Writes a 16-bit length, then what `body` writes, and sets the length to its size. */
  counted16(body: () => void): void {
    const at = this.#room(2)
    body()
    this.patch16(at, this.#at - at - 2)
  }

  /** Forgets everything written; the memory is kept for reuse. */
  reset(): void {
    this.#at = 0
  }

  /** Cuts back to `length` octets. */
  truncate(length: number): void {
    if (length < this.#at) this.#at = length
  }

  /** A copy of what was written; the writer can go on or be reset. */
  take(): Uint8Array {
    return this.#octets.slice(0, this.#at)
  }

  /** A view on what was written, valid only until the next write or reset. */
  view(): Uint8Array {
    return this.#octets.subarray(0, this.#at)
  }
}

/** Lower-case hexadecimal without separators. */
export function hex(octets: Uint8Array): string {
  let text = ''
  for (const octet of octets) text += octet.toString(16).padStart(2, '0')
  return text
}

/** The reverse of {@link hex}; white space is ignored, so that tests can show the structure of a message. */
export function fromHex(text: string): Uint8Array {
  const digits = text.replaceAll(/\s+/g, '')
  if (digits.length % 2 !== 0 || /[^0-9a-fA-F]/.test(digits)) {
    throw new RangeError(`Expected an even number of hexadecimal digits, found "${text}"`)
  }
  const octets = new Uint8Array(digits.length / 2)
  for (let at = 0; at < octets.length; at++) {
    octets[at] = Number.parseInt(digits.slice(at * 2, at * 2 + 2), 16)
  }
  return octets
}
