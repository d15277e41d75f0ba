import { addressFromOctets, addressOctets } from '../../net/ip-address.ts'
import {
  ipv4Prefix,
  networkPrefix,
  type Prefix,
  prefixAddress,
  prefixLength,
} from '../../net/prefix.ts'
import type { PrefixTable } from './prefix-table.ts'

/** A prefix as the tables have it: words of its address, the most significant first. */
export interface PrefixWords {
  readonly words: Uint32Array
  readonly length: number
}

export function wordsOf(prefix: Prefix): PrefixWords {
  const octets = addressOctets(prefixAddress(prefix))
  const view = new DataView(octets.buffer, octets.byteOffset, octets.length)
  const words = Uint32Array.from({ length: octets.length / 4 }, (_, at) => view.getUint32(at * 4))
  return { words, length: prefixLength(prefix) }
}

/** The prefix of a row as text. */
export function prefixOfRow(table: PrefixTable, row: number): Prefix {
  return prefixOfWords(table.words, row * table.stride, table.stride, table.lengths[row]!)
}

/** The prefix of words `words[at]` on as text. */
export function prefixOfWords(
  words: Uint32Array,
  at: number,
  stride: 1 | 4,
  length: number,
): Prefix {
  if (stride === 1) return ipv4Prefix(words[at]!, length)
  const octets = new Uint8Array(16)
  const view = new DataView(octets.buffer)
  for (let word = 0; word < stride; word++) view.setUint32(word * 4, words[at + word]!)
  return networkPrefix(addressFromOctets(octets), length)
}
