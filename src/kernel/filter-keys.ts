import { type Family, type IpAddress } from '../net/ip-address.ts'
import { covers, isHostPrefix, type Prefix, prefixAddress, sortedPrefixes } from '../net/prefix.ts'
import type {
  FilterFieldType,
  FilterKey,
  FilterLookup,
  FilterMap,
  FilterRule,
  FilterSet,
  FilterValue,
  MappedVerdict,
  PacketField,
  PortInterval,
} from './packet-filter.ts'

/** A set or a map. */
export type FilterLookupTable = FilterSet | FilterMap

/** Which types of keys a field of a packet can be looked up as. */
export const FIELD_TYPES: Readonly<Record<PacketField, readonly FilterFieldType[]>> = {
  source: ['ipv4', 'ipv6'],
  destination: ['ipv4', 'ipv6'],
  protocol: ['protocol'],
  sourcePort: ['port'],
  destinationPort: ['port'],
  inputLink: ['link'],
  outputLink: ['link'],
  mark: ['mark'],
}

const FAMILIES: Readonly<Partial<Record<FilterFieldType, Family>>> = { ipv4: 4, ipv6: 6 }

/** The family of packets that can be found by such a key; undefined for both. */
export function keyFamily(key: readonly FilterFieldType[]): Family | undefined {
  return key.map((type) => FAMILIES[type]).find((family) => family !== undefined)
}

/** Whether elements are intervals rather than exact values. */
export function isIntervalKey([type, ...more]: readonly FilterFieldType[]): boolean {
  return more.length === 0 && (type === 'ipv4' || type === 'ipv6' || type === 'port')
}

/** The first and the last port. */
export function portRange(value: FilterValue): PortInterval {
  if (typeof value === 'object' && 'first' in value) return value
  return { first: Number(value), last: Number(value) }
}

/** A key that is a prefix; checked when the table was. */
export function prefixOfKey(key: FilterKey): Prefix {
  if (typeof key !== 'string') throw new TypeError(`Expected a prefix, found ${keyText(key)}`)
  return key
}

/** The address of a value that is one: "10.0.0.1/32". */
export function valueAddress(value: FilterValue): IpAddress {
  return prefixAddress(prefixOfKey(value))
}

export function keyValues(key: FilterKey): readonly FilterValue[] {
  return Array.isArray(key) ? (key as readonly FilterValue[]) : [key as FilterValue]
}

function valueText(value: FilterValue): string {
  if (typeof value !== 'object') return String(value)
  if ('link' in value) return value.link
  return value.first === value.last ? String(value.first) : `${value.first}-${value.last}`
}

/** What an element is known by: "10.0.0.0/8", "80-90", "10.0.0.1/32 . 6 . 80". */
export function keyText(key: FilterKey): string {
  return typeof key === 'string' ? key : keyValues(key).map(valueText).join(' . ')
}

/** Verdicts as nft writes them. */
export function verdictText(verdict: MappedVerdict): string {
  if (typeof verdict === 'string') return verdict
  return 'jump' in verdict ? `jump ${verdict.jump}` : `goto ${verdict.goto}`
}

/** An element as it is written: its key, and what a map has for it. */
export interface FilterElement {
  readonly key: FilterKey
  readonly value: MappedVerdict | number | undefined
}

/** Of lists of a table that were looked at before, such as the addresses of all nodes in each node's own. */
const KNOWN_ELEMENTS = new WeakMap<
  object,
  { readonly key: string; readonly elements: ReadonlyMap<string, FilterElement> }
>()

/**
 * The elements of a set or map by what they are known by; intervals in others are left out of sets. The same
 * map for the same list, which is not changed once it has been handed in.
 */
export function elementsOf(table: FilterLookupTable): ReadonlyMap<string, FilterElement> {
  const list = 'entries' in table ? table.entries : table.elements
  const known = KNOWN_ELEMENTS.get(list)
  const key = table.key.join()
  if (known?.key === key) return known.elements
  const elements = readElements(table)
  KNOWN_ELEMENTS.set(list, { key, elements })
  return elements
}

function readElements(table: FilterLookupTable): ReadonlyMap<string, FilterElement> {
  const elements = new Map<string, FilterElement>()
  if ('entries' in table) {
    for (const [key, value] of table.entries) elements.set(keyText(key), { key, value })
  } else {
    for (const key of distinctKeys(table)) elements.set(keyText(key), { key, value: undefined })
  }
  return elements
}

export function elementText({ value }: FilterElement): string {
  if (value === undefined) return ''
  return typeof value === 'number' ? String(value) : verdictText(value)
}

function distinctKeys({ key, elements }: FilterSet): readonly FilterKey[] {
  if (!isIntervalKey(key)) return elements
  return key[0] === 'port'
    ? distinctPorts(elements.map((value) => portRange(value as FilterValue)))
    : distinctPrefixes(elements.map(prefixOfKey))
}

/** The prefixes without those that lie in others, in order of address: what a kernel keeps of a set. */
export function distinctPrefixes(prefixes: readonly Prefix[]): readonly Prefix[] {
  const kept: Prefix[] = []
  for (const prefix of sortedPrefixes(prefixes)) {
    const last = kept.at(-1)
    const isWithin =
      last !== undefined && (isHostPrefix(last) ? last === prefix : covers(last, prefix))
    if (!isWithin) kept.push(prefix)
  }
  return kept
}

/** The ranges without those that lie in others, in order. */
export function distinctPorts(ranges: readonly PortInterval[]): readonly PortInterval[] {
  const kept: PortInterval[] = []
  for (const range of ranges.toSorted((a, b) => a.first - b.first || b.last - a.last)) {
    if (!(range.last <= (kept.at(-1)?.last ?? -1))) kept.push(range)
  }
  return kept
}

/** Whether two intervals of a set or map have something in common but neither lies in the other; in maps, anything. */
export function overlapIn(table: FilterLookupTable): string | undefined {
  if (!isIntervalKey(table.key)) return undefined
  const isMap = 'entries' in table
  const keys = isMap ? table.entries.map(([key]) => key) : table.elements
  if (table.key[0] !== 'port') {
    return isMap && distinctPrefixes(keys.map(prefixOfKey)).length < keys.length
      ? 'two of its prefixes overlap'
      : undefined
  }
  const ranges = keys.map((key) => portRange(key as FilterValue))
  const kept = distinctPorts(ranges)
  const overlaps = kept.some(({ first }, index) => first <= (kept[index - 1]?.last ?? -1))
  return overlaps || (isMap && kept.length < ranges.length)
    ? 'two of its ranges of ports overlap'
    : undefined
}

/** Lookups of a rule: in the order in which they are made. */
export function lookupsOf(rule: FilterRule): readonly {
  readonly name: string
  readonly key: readonly PacketField[]
  readonly of: 'set' | 'mark' | 'verdict'
}[] {
  const found: { name: string; key: readonly PacketField[]; of: 'set' | 'mark' | 'verdict' }[] = []
  for (const match of rule.match) {
    if (match.kind === 'set') found.push({ name: match.set, key: match.key, of: 'set' })
  }
  const { mark, verdict } = rule
  if (isLookup(mark)) found.push({ name: mark.map, key: mark.key, of: 'mark' })
  if (isLookup(verdict)) found.push({ name: verdict.map, key: verdict.key, of: 'verdict' })
  return found
}

export function isLookup(value: unknown): value is FilterLookup {
  return typeof value === 'object' && value !== null && 'map' in value
}

/** The chain that a verdict leads to. */
export function verdictChain(verdict: FilterRule['verdict']): string | undefined {
  if (typeof verdict !== 'object') return undefined
  return 'jump' in verdict ? verdict.jump : 'goto' in verdict ? verdict.goto : undefined
}

export function countersOf(rules: Iterable<FilterRule>): ReadonlySet<string> {
  const names = new Set<string>()
  for (const { counter } of rules) if (counter !== undefined) names.add(counter)
  return names
}
