import { compareKeys } from './sorted-keys.ts'

/** Which keys are meant. */
export type KeyRange =
  | { readonly kind: 'key'; readonly key: string }
  | { readonly kind: 'prefix'; readonly prefix: string }
  /** `from` <= key < `to`; without `to`, all from there on. */
  | { readonly kind: 'between'; readonly from: string; readonly to: string | undefined }

export const ALL_KEYS: KeyRange = { kind: 'prefix', prefix: '' }

export function inRange(range: KeyRange, key: string): boolean {
  if (range.kind === 'key') return key === range.key
  if (range.kind === 'prefix') return key.startsWith(range.prefix)
  if (compareKeys(key, range.from) < 0) return false
  return range.to === undefined || compareKeys(key, range.to) < 0
}

/** What all keys of a range begin with, for a watch that filters the rest itself. */
export function commonPrefix(range: KeyRange): string {
  if (range.kind === 'key') return range.key
  return range.kind === 'prefix' ? range.prefix : ''
}

/** Where a range begins in the order of keys. */
export function firstKey(range: KeyRange): string {
  return range.kind === 'between' ? range.from : commonPrefix(range)
}
