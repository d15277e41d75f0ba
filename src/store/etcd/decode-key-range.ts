import type { KeyRange } from '../key-range.ts'
import { prefixEnd, sameOctets, toText } from './text.ts'

/**
 * The keys that a key and a range end name, as etcd means them.
 *
 * Throws TypeError if a bound is not UTF-8 and not the end of a prefix.
 */
export function decodeKeyRange(key: Uint8Array, rangeEnd: Uint8Array): KeyRange {
  if (rangeEnd.length === 0) return { kind: 'key', key: toText(key) }
  const from = key.length === 1 && key[0] === 0 ? '' : toText(key)
  if (rangeEnd.length === 1 && rangeEnd[0] === 0) return { kind: 'between', from, to: undefined }
  if (sameOctets(rangeEnd, prefixEnd(key))) return { kind: 'prefix', prefix: from }
  return { kind: 'between', from, to: toText(rangeEnd) }
}
