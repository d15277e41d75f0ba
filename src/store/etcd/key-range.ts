import type { MemoryStore } from '../memory-store.ts'
import type { Row } from '../store.ts'
import { prefixEnd, sameOctets, toText } from './text.ts'

/** The keys that a key and a range end name, as etcd means them. */
export type KeyRange =
  | { readonly kind: 'key'; readonly key: string }
  | { readonly kind: 'prefix'; readonly prefix: string }
  | { readonly kind: 'between'; readonly from: string; readonly to: string | undefined }

/** Throws TypeError if a bound is not UTF-8 and not the end of a prefix. */
export function keyRange(key: Uint8Array, rangeEnd: Uint8Array): KeyRange {
  if (rangeEnd.length === 0) return { kind: 'key', key: toText(key) }
  const from = key.length === 1 && key[0] === 0 ? '' : toText(key)
  if (rangeEnd.length === 1 && rangeEnd[0] === 0) return { kind: 'between', from, to: undefined }
  if (sameOctets(rangeEnd, prefixEnd(key))) return { kind: 'prefix', prefix: from }
  return { kind: 'between', from, to: toText(rangeEnd) }
}

export function inRange(range: KeyRange, key: string): boolean {
  if (range.kind === 'key') return key === range.key
  if (range.kind === 'prefix') return key.startsWith(range.prefix)
  return key >= range.from && (range.to === undefined || key < range.to)
}

/** What all keys of a range begin with, for a watch that filters the rest itself. */
export function commonPrefix(range: KeyRange): string {
  if (range.kind === 'key') return range.key
  return range.kind === 'prefix' ? range.prefix : ''
}

export function rowsIn(store: MemoryStore, range: KeyRange): Row[] {
  if (range.kind === 'prefix') return [...store.rowsFrom(range.prefix)]
  if (range.kind === 'between') return [...store.rowsBetween(range.from, range.to)]
  const row = store.row(range.key)
  return row === undefined ? [] : [row]
}
