import { type ByteReader, ByteWriter, ShortInput } from '../../lib/bytes.ts'
import { addressFromOctets, addressOctets, type IpAddress } from '../../net/ip-address.ts'

/**
 * How one value lies in a netlink message. Netlink speaks the byte order of the host, and every host
 * that Node runs on with system calls at hand is little-endian; what the kernel keeps in network order
 * has a codec that says so.
 *
 * `decode` is given a reader fenced to the value, so that it cannot read past it.
 */
export interface Codec<Value> {
  decode(from: ByteReader): Value
  encode(to: ByteWriter, value: Value): void
}

export const u8: Codec<number> = {
  decode: (from) => from.u8(),
  encode: (to, value) => to.u8(value),
}

export const u16: Codec<number> = {
  decode: (from) => from.u16le(),
  encode: (to, value) => to.u16le(value),
}

/** Network order. */
export const u16be: Codec<number> = {
  decode: (from) => from.u16(),
  encode: (to, value) => to.u16(value),
}

export const u32: Codec<number> = {
  decode: (from) => from.u32le(),
  encode: (to, value) => to.u32le(value),
}

/** Network order. */
export const u32be: Codec<number> = {
  decode: (from) => from.u32(),
  encode: (to, value) => to.u32(value),
}

/** Network order, signed. */
export const i32be: Codec<number> = {
  decode: (from) => from.u32() | 0,
  encode: (to, value) => to.u32(value >>> 0),
}

/** Network order. */
export const u64be: Codec<bigint> = {
  decode: (from) => from.u64(),
  encode: (to, value) => to.u64(value),
}

export const i32: Codec<number> = {
  decode: (from) => from.u32le() | 0,
  encode: (to, value) => to.u32le(value),
}

export const octets: Codec<Uint8Array> = {
  // A copy, which a Buffer's slice is not: what it lies in is overwritten by the next answer.
  decode: (from) => new Uint8Array(from.bytes(from.remaining)),
  encode: (to, value) => to.bytes(value),
}

const utf8 = new TextDecoder()
const toUtf8 = new TextEncoder()

/** A string that ends with a zero octet or with the attribute. */
export const cstring: Codec<string> = {
  decode(from) {
    const all = from.bytes(from.remaining)
    const zero = all.indexOf(0)
    return utf8.decode(zero < 0 ? all : all.subarray(0, zero))
  },
  encode(to, value) {
    // Nearly all are names of a few letters: asking the encoder takes longer than writing them.
    if (isAscii(value)) for (let at = 0; at < value.length; at++) to.u8(value.charCodeAt(at))
    else to.bytes(toUtf8.encode(value))
    to.u8(0)
  },
}

function isAscii(text: string): boolean {
  for (let at = 0; at < text.length; at++) if (text.charCodeAt(at) > 0x7f) return false
  return true
}

/** An address of 4 or 16 octets. */
export const ipAddress: Codec<IpAddress> = {
  decode(from) {
    if (from.remaining < 4) throw new ShortInput(4, from.remaining)
    return addressFromOctets(from.bytes(from.remaining < 16 ? 4 : 16))
  },
  encode: (to, value) => to.bytes(addressOctets(value)),
}

/** Octets without meaning: zero when written, skipped when read. Name such fields `_…`. */
export function padding(count: number): Codec<undefined> {
  return {
    decode(from) {
      from.skip(count)
      return undefined
    },
    encode: (to) => to.zeros(count),
  }
}

export type Struct<Fields> = Codec<StructValue<Fields>> & {
  /** As `encode`, absent fields are zero. */
  encodePartial(to: ByteWriter, value: Partial<StructValue<Fields>>): void
  /** Adds the fields to an object that is there. */
  decodeInto(from: ByteReader, value: Record<string, unknown>): void
}

export type StructValue<Fields> = {
  readonly [Name in keyof Fields as Name extends `_${string}` ? never : Name]: number
}

/** Numbers one after the other, as a C structure has them. */
export function struct<const Fields extends Record<string, Codec<number> | Codec<undefined>>>(
  fields: Fields,
): Struct<Fields> {
  const rows = Object.entries(fields) as [string, Codec<number>][]
  const encode = (to: ByteWriter, value: object): void => {
    for (const [name, codec] of rows) {
      codec.encode(to, (value as Record<string, number>)[name] ?? 0)
    }
  }
  const decodeInto = (from: ByteReader, value: Record<string, unknown>): void => {
    for (const [name, codec] of rows) {
      const field = codec.decode(from)
      if (field !== undefined) value[name] = field
    }
  }
  return {
    decode(from) {
      const value = {}
      decodeInto(from, value)
      return value as StructValue<Fields>
    },
    encode,
    encodePartial: encode,
    decodeInto,
  }
}

/** Octets that `write` writes. */
export function encoded(write: (to: ByteWriter) => void): Uint8Array {
  const to = new ByteWriter(512)
  write(to)
  return to.take()
}
