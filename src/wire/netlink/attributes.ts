import type { ByteReader, ByteWriter } from '../../lib/bytes.ts'
import type { Codec } from './codec.ts'

/** struct nlattr: the two high bits of the type are flags (linux/netlink.h). */
const NLA_TYPE_MASK = 0x3fff
const NLA_F_NESTED = 0x8000
const NLA_HDRLEN = 4

/** One attribute: the kernel's name of it, its number, how its value lies. */
export type NetlinkAttributeRow<Value = unknown> = readonly [
  kernelName: string,
  type: number,
  codec: Codec<Value>,
]

export type AttributeRows = Readonly<Record<string, NetlinkAttributeRow>>

/** Values by row name. Undefined is absent when writing; when reading, absent is absent. */
export type AttributeValues<Table extends AttributeRows> = {
  readonly [Name in keyof Table]?:
    | (Table[Name] extends NetlinkAttributeRow<infer Value> ? Value : never)
    | undefined
}

export interface NetlinkAttributeTable<Table extends AttributeRows> extends Codec<
  AttributeValues<Table>
> {
  /** Adds the values to an object that is there. */
  decodeInto(from: ByteReader, values: Record<string, unknown>): void
}

/**
 * A codec of attributes from a table of them. What the table does not name is skipped when reading;
 * of an attribute that occurs twice the last counts, as in the kernel's nla_parse.
 */
export function attributes<const Table extends AttributeRows>(
  table: Table,
): NetlinkAttributeTable<Table> {
  const rows = Object.entries(table)
  const byType = new Map(
    rows.map(([name, [, type, codec]]) => [type & NLA_TYPE_MASK, { name, codec }]),
  )
  const decodeInto = (from: ByteReader, values: Record<string, unknown>): void => {
    // Written out rather than by eachAttribute: dumps have hundreds of thousands of attributes.
    while (from.remaining >= NLA_HDRLEN) {
      const length = from.u16le()
      const row = byType.get(from.u16le() & NLA_TYPE_MASK)
      const octets = Math.max(length - NLA_HDRLEN, 0)
      if (row === undefined) from.skip(octets)
      else values[row.name] = row.codec.decode(from.fence(octets))
      from.skip(Math.min(-length & 3, from.remaining))
    }
  }
  return {
    decode(from) {
      const values = {}
      decodeInto(from, values)
      return values
    },
    decodeInto,
    encode(to, values) {
      for (const [name, [, type, codec]] of rows) {
        const value = (values as Record<string, unknown>)[name]
        if (value !== undefined) putAttribute(to, type, () => codec.encode(to, value))
      }
    },
  }
}

/** Marks the type of an attribute whose value is attributes: strict kernels ask for the flag. */
export function nested(type: number): number {
  return type | NLA_F_NESTED
}

/** Attributes of one type, one after the other; others between them are skipped. */
export function list<Value>(type: number, codec: Codec<Value>): Codec<readonly Value[]> {
  return {
    decode(from) {
      const values: Value[] = []
      for (const each of eachAttribute(from)) {
        if (each.type === (type & NLA_TYPE_MASK)) values.push(codec.decode(each.value))
      }
      return values
    },
    encode(to, values) {
      for (const value of values) putAttribute(to, type, () => codec.encode(to, value))
    },
  }
}

/** The attributes of a region, flags taken off the type. Throws ShortInput where one is cut. */
export function* eachAttribute(
  from: ByteReader,
): Generator<{ type: number; value: ByteReader; at: number }> {
  while (from.remaining >= NLA_HDRLEN) {
    const at = from.at
    const length = from.u16le()
    const type = from.u16le() & NLA_TYPE_MASK
    const value = from.fence(Math.max(length - NLA_HDRLEN, 0))
    yield { type, value, at }
    from.skip(Math.min(-length & 3, from.remaining))
  }
}

/** Writes one attribute with what `body` writes as its value. */
export function putAttribute(to: ByteWriter, type: number, body: () => void): void {
  const start = to.length
  to.u16le(0)
  to.u16le(type)
  body()
  to.patch16le(start, to.length - start)
  to.zeros(-(to.length - start) & 3)
}
