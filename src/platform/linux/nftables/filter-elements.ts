import { type FilterElement, isIntervalKey } from '../../../kernel/filter-keys.ts'
import type { FilterFieldType, MappedVerdict } from '../../../kernel/packet-filter.ts'
import { NFT_VERDICT } from '../../../wire/netlink/nftables-expressions.ts'
import { NFT_SET_ELEM_INTERVAL_END, type SetElement } from '../../../wire/netlink/nftables.ts'
import { verdictData } from './filter-expressions.ts'
import { type KeyOctets, keyOctets, keyTextOf, u32FromOctets, u32Octets } from './key-octets.ts'

/** An element that the kernel has: what it is known by, what a map has for it, how to name it to the kernel. */
export interface LiveElement {
  readonly text: string
  readonly value: string
  readonly key: KeyOctets
}

/** An element as the kernel takes it: of an interval two, its first value and the first behind it. */
export function setElementsOf(
  types: readonly FilterFieldType[],
  { key, value }: FilterElement,
): readonly SetElement[] {
  return keyElements(keyOctets(types, key), value === undefined ? {} : { data: valueData(value) })
}

function valueData(value: MappedVerdict | number): NonNullable<SetElement['data']> {
  return typeof value === 'number' ? { value: u32Octets(value) } : verdictData(value)
}

/** An element by its key, for deletion. */
export function keyElements(
  { first, behind }: KeyOctets,
  more: Pick<SetElement, 'data'> = {},
): readonly SetElement[] {
  const start = { key: { value: first }, ...more }
  return behind === undefined
    ? [start]
    : [start, { key: { value: behind }, flags: NFT_SET_ELEM_INTERVAL_END }]
}

/** What the elements of a set or map stand for; a range that is not closed goes to the last value. */
export function liveElements(
  types: readonly FilterFieldType[],
  elements: readonly SetElement[],
): readonly LiveElement[] {
  const rows = elements.flatMap(({ key, flags, data }) =>
    key?.value === undefined
      ? []
      : [{ key: key.value, isEnd: ((flags ?? 0) & NFT_SET_ELEM_INTERVAL_END) !== 0, data }],
  )
  if (!isIntervalKey(types)) return rows.map(({ key, data }) => live(types, { first: key }, data))
  rows.sort((a, b) => Buffer.compare(a.key, b.key) || Number(b.isEnd) - Number(a.isEnd))
  const found: LiveElement[] = []
  let start: (typeof rows)[number] | undefined
  for (const row of rows) {
    // What lies before the first range is marked too by some programs.
    if (start !== undefined) {
      found.push(live(types, { first: start.key, behind: row.key }, start.data))
    }
    start = row.isEnd ? undefined : row
  }
  if (start !== undefined) found.push(live(types, { first: start.key }, start.data))
  return found
}

function live(
  types: readonly FilterFieldType[],
  key: KeyOctets,
  data: SetElement['data'],
): LiveElement {
  return { text: keyTextOf(types, key), value: valueText(data), key }
}

/** As elementText has it of what should be. */
function valueText(data: SetElement['data']): string {
  if (data?.value !== undefined) return String(u32FromOctets(data.value))
  if (data?.verdict === undefined) return ''
  const { code = 0, chain = '' } = data.verdict
  const name = Object.entries(NFT_VERDICT).find(([, value]) => value === code)?.[0] ?? String(code)
  return chain === '' ? name : `${name} ${chain}`
}
