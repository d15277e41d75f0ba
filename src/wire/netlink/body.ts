import type { ByteReader, ByteWriter } from '../../lib/bytes.ts'
import type { AttributeRows, NetlinkAttributeTable, AttributeValues } from './attributes.ts'
import type { Struct, StructValue } from './codec.ts'

/** A fixed header and the attributes behind it, as one flat value. */
export interface Body<Fixed, Attributes> {
  decode(from: ByteReader): Fixed & Attributes
  /** Header fields that are absent are zero. */
  encode(to: ByteWriter, value: Partial<Fixed> & Attributes): void
}

export function body<Fields, Table extends AttributeRows>(
  header: Struct<Fields>,
  table: NetlinkAttributeTable<Table>,
): Body<StructValue<Fields>, AttributeValues<Table>> {
  return {
    decode(from) {
      const value = {}
      header.decodeInto(from, value)
      table.decodeInto(from, value)
      return value as StructValue<Fields> & AttributeValues<Table>
    },
    encode(to, value) {
      header.encodePartial(to, value)
      table.encode(to, value)
    },
  }
}
