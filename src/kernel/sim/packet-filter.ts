import { get16 } from '../../wire/packet/octets.ts'
import { prefixAddress, prefixLength } from '../../net/prefix.ts'
import { checkFilterTable, distinctPrefixes } from '../check-filter-table.ts'
import type {
  FilterChain,
  FilterChange,
  FilterCounter,
  FilterHook,
  FilterMatch,
  FilterRule,
  FilterSet,
  FilterSetMatch,
  FilterTable,
} from '../packet-filter.ts'
import { type Addr, addrFromText, maskAddr } from './addr.ts'
import type { Device } from './device.ts'
import type { FilteredPacket } from './filtered-packet.ts'
import type { Namespace } from './namespace.ts'
import { refusal } from './port-values.ts'
import { sourceIsElsewhere } from './source-is-elsewhere.ts'

/** All tables of a namespace's packet filter (nf_tables). */
export class PacketFilter {
  readonly #tables = new Map<string, LiveTable>()
  /** Chains of all tables, in the order that packets pass them. */
  #chains: ReadonlyMap<string, readonly LiveChain[]> = new Map()

  keep(table: FilterTable): FilterChange {
    checkFilterTable(table)
    const before = this.#tables.get(table.name)
    const change = before?.takeOver(table) ?? 'table'
    if (change === 'table') {
      this.#tables.set(table.name, new LiveTable(table, before?.counters))
      this.#arrange()
    }
    return change
  }

  delete(name: string): void {
    if (!this.#tables.delete(name)) {
      throw refusal('ENOENT', `Unable to delete table ${name} of the packet filter`)
    }
    this.#arrange()
  }

  counters(name: string): ReadonlyMap<string, FilterCounter> {
    const counters = this.#tables.get(name)?.counters ?? []
    return new Map([...counters].map(([counter, value]) => [counter, { ...value }]))
  }

  #arrange(): void {
    const chains = [...this.#tables.values()].flatMap((table) => table.chains)
    chains.sort((a, b) => a.chain.priority - b.chain.priority)
    const byHook = new Map<string, LiveChain[]>()
    for (const each of chains) {
      const place = `${each.chain.type} ${each.chain.hook}`
      byHook.set(place, [...(byHook.get(place) ?? []), each])
    }
    this.#chains = byHook
  }

  /** Whether any chain looks at packets there; who asks can spare itself the trouble of describing one. */
  sees(hook: FilterHook): boolean {
    return this.#chains.has(`filter ${hook}`)
  }

  /** Each chain has its say; one that drops is the last. */
  accepts(namespace: Namespace, hook: FilterHook, packet: FilteredPacket): boolean {
    const chains = this.#chains.get(`filter ${hook}`) ?? []
    return chains.every((chain) => chain.decide(namespace, packet) === 'accept')
  }

  /** The rule that gives a connection which begins with this packet another source, if one does. */
  masquerades(namespace: Namespace, packet: FilteredPacket): FilterRule | undefined {
    for (const chain of this.#chains.get('nat postrouting') ?? []) {
      const rule = chain.firstMatch(namespace, packet)
      if (rule?.verdict.startsWith('masquerade') === true) return rule
    }
    return undefined
  }

  get hasSourceNat(): boolean {
    return this.#chains.has('nat postrouting')
  }
}

type Counter = { -readonly [Name in keyof FilterCounter]: FilterCounter[Name] }

class LiveTable {
  readonly counters = new Map<string, Counter>()
  readonly chains: readonly LiveChain[]
  readonly #sets: ReadonlyMap<string, LiveSet>
  readonly #shape: string

  constructor(table: FilterTable, before: ReadonlyMap<string, Counter> = new Map()) {
    this.#shape = shapeOf(table)
    this.#sets = new Map(table.sets.map((set) => [set.name, new LiveSet(set)]))
    for (const { counter } of table.chains.flatMap(({ rules }) => rules)) {
      if (counter === undefined) continue
      this.counters.set(counter, before.get(counter) ?? { packets: 0, octets: 0 })
    }
    this.chains = table.chains.map((chain) => new LiveChain(chain, this.#sets, this.counters))
  }

  /** Changes members of sets if that is all that differs; undefined if more does. */
  takeOver(table: FilterTable): 'none' | 'sets' | undefined {
    if (shapeOf(table) !== this.#shape) return undefined
    const changed = table.sets.filter((set) => this.#sets.get(set.name)!.replace(set))
    return changed.length === 0 ? 'none' : 'sets'
  }
}

/** All of a table but the members of its sets. */
function shapeOf({ sets, chains }: FilterTable): string {
  return JSON.stringify([sets.map(({ name, family }) => [name, family]), chains])
}

class LiveSet {
  /** As the table had them, to see at one glance that nothing changed. */
  #given = ''
  #members = ''
  /** Masked addresses by prefix length. */
  #byLength = new Map<number, Set<Addr>>()
  readonly #isVersion4: boolean

  constructor(set: FilterSet) {
    this.#isVersion4 = set.family === 4
    this.replace(set)
  }

  /** True if the members were others. */
  replace({ prefixes }: FilterSet): boolean {
    const given = prefixes.join()
    if (given === this.#given) return false
    this.#given = given
    const distinct = distinctPrefixes(prefixes)
    const members = distinct.join()
    if (members === this.#members) return false
    this.#members = members
    this.#byLength = new Map()
    for (const prefix of distinct) {
      const length = prefixLength(prefix)
      const addrs = this.#byLength.get(length) ?? new Set()
      this.#byLength.set(length, addrs.add(addrFromText(prefixAddress(prefix))))
    }
    return true
  }

  /** Undefined for an address of the other family, about which the set says nothing. */
  has(addr: Addr): boolean | undefined {
    if ((typeof addr === 'number') !== this.#isVersion4) return undefined
    for (const [length, addrs] of this.#byLength) if (addrs.has(maskAddr(addr, length))) return true
    return false
  }
}

class LiveChain {
  readonly chain: FilterChain
  readonly #sets: ReadonlyMap<string, LiveSet>
  readonly #rules: readonly { readonly rule: FilterRule; readonly counter: Counter | undefined }[]

  constructor(
    chain: FilterChain,
    sets: ReadonlyMap<string, LiveSet>,
    counters: ReadonlyMap<string, Counter>,
  ) {
    this.chain = chain
    this.#sets = sets
    this.#rules = chain.rules.map((rule) => ({
      rule,
      counter: rule.counter === undefined ? undefined : counters.get(rule.counter),
    }))
  }

  decide(namespace: Namespace, packet: FilteredPacket): FilterRule['verdict'] {
    return this.firstMatch(namespace, packet)?.verdict ?? this.chain.policy
  }

  firstMatch(namespace: Namespace, packet: FilteredPacket): FilterRule | undefined {
    for (const { rule, counter } of this.#rules) {
      if (!this.#matches(namespace, rule.match, packet)) continue
      if (counter !== undefined) {
        counter.packets++
        counter.octets += packet.octets.length
      }
      return rule
    }
    return undefined
  }

  #matches(namespace: Namespace, match: FilterMatch, packet: FilteredPacket): boolean {
    return (
      matchesLink(match.inputLink, packet.input) &&
      (match.notInputLink === undefined || !matchesLink(match.notInputLink, packet.input)) &&
      matchesLink(match.outputLink, packet.output) &&
      (match.protocol === undefined || match.protocol === packet.protocol) &&
      this.#matchesSet(match.source, packet.source) &&
      this.#matchesSet(match.destination, packet.destination) &&
      (match.destinationPort === undefined || match.destinationPort === portOf(packet)) &&
      (match.sourceIsElsewhere === undefined ||
        (packet.input !== undefined && sourceIsElsewhere(namespace, packet, packet.input)))
    )
  }

  #matchesSet(match: FilterSetMatch | undefined, addr: Addr): boolean {
    if (match === undefined) return true
    const isMember = this.#sets.get(match.set)?.has(addr)
    return isMember !== undefined && isMember !== (match.not === true)
  }
}

function matchesLink(pattern: string | undefined, device: Device | undefined): boolean {
  if (pattern === undefined) return true
  if (device === undefined) return false
  return pattern.endsWith('*')
    ? device.name.startsWith(pattern.slice(0, -1))
    : pattern === device.name
}

function portOf({ octets, at }: FilteredPacket): number | undefined {
  return at === undefined || octets.length < at + 4 ? undefined : get16(octets, at + 2)
}
