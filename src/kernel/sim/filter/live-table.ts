import { filterImage, type ImageTexts, usesOf } from '../../filter-image.ts'
import { elementsOf, type FilterLookupTable } from '../../filter-keys.ts'
import { type FilterStep, planFilter, type RuleImage, type TableImage } from '../../filter-plan.ts'
import type {
  FilterChain,
  FilterChange,
  FilterCounter,
  FilterRule,
  FilterTable,
  FilterVerdict,
} from '../../packet-filter.ts'
import type { Namespace } from '../namespace.ts'
import type { FilteredPacket } from './filtered-packet.ts'
import { LiveLookup } from './live-lookup.ts'
import { LiveRule } from './live-rule.ts'

type Counter = { -readonly [Name in keyof FilterCounter]: FilterCounter[Name] }

const TEXTS: ImageTexts<RuleImage> = {
  rule: (rule) => ({ text: JSON.stringify(rule), uses: usesOf(rule) }),
  chain: (chain) =>
    chain.hook === undefined ? '' : [chain.type, chain.hook, chain.priority].join(' '),
  lookup: (table) => [...table.key, 'value' in table ? table.value : ''].join(' '),
  flowtable: ({ priority, links }) => [priority, ...links.toSorted()].join(' '),
}

/** A verdict after which no rule of the hook's chain is asked any more. */
export type FinalVerdict = Exclude<
  FilterVerdict,
  'return' | { jump: string } | { goto: string } | { map: string }
>

export interface FinalRule {
  readonly verdict: FinalVerdict
  readonly rule: FilterRule
}

interface LiveChain {
  chain: FilterChain
  readonly rules: LiveRule[]
}

/** A table of nf_tables: what packets meet, changed step by step. */
export class LiveTable {
  readonly counters = new Map<string, Counter>()
  readonly #chains = new Map<string, LiveChain>()
  readonly #lookups = new Map<string, LiveLookup>()
  #image: TableImage | undefined
  #table: FilterTable | undefined

  /** What it was made of last; a table that was handed in is not changed afterwards. */
  get table(): FilterTable | undefined {
    return this.#table
  }

  /** Makes of it what it should be, and says what was changed. */
  keep(table: FilterTable): readonly FilterChange[] {
    const wanted = filterImage(table, TEXTS)
    const { steps, changes } = planFilter(table.name, this.#image, wanted)
    const made = new Made(table)
    // Steps name rules by their places before any step.
    const before = new Map([...this.#chains].map(([name, { rules }]) => [name, [...rules]]))
    for (const step of steps) this.#make(step, made, before)
    this.#image = wanted
    this.#table = table
    return changes
  }

  get baseChains(): readonly Extract<FilterChain, { hook: string }>[] {
    return [...this.#chains.values()].flatMap(({ chain }) =>
      chain.hook === undefined ? [] : [chain],
    )
  }

  /** Whether rules ask for connections. */
  get tracks(): boolean {
    return [...this.#chains.values()].some(({ rules }) => rules.some((rule) => rule.tracks))
  }

  /** The rule that decides about a packet which enters a base chain; undefined leaves it to the policy. */
  decide(namespace: Namespace, base: string, packet: FilteredPacket): FinalRule | undefined {
    const { rules } = this.#chains.get(base)!
    const context = { namespace, lookups: this.#lookups, counters: this.counters }
    for (const live of rules) {
      const verdict = live.ask(packet, context)
      if (verdict === undefined) continue
      if (verdict === 'return') return undefined
      if (typeof verdict !== 'object' || 'reject' in verdict) return { verdict, rule: live.rule }
      if ('goto' in verdict) return this.decide(namespace, verdict.goto, packet)
      const found = this.decide(namespace, verdict.jump, packet)
      if (found !== undefined) return found
    }
    return undefined
  }

  #make(step: FilterStep, made: Made, before: ReadonlyMap<string, readonly LiveRule[]>): void {
    const { name } = step
    switch (step.step) {
      case 'deleteTable':
      case 'addTable':
      case 'addFlowtable':
      case 'deleteFlowtable':
      case 'flushLookup':
        return
      case 'flushChain':
        this.#chains.get(name)!.rules.length = 0
        return
      case 'deleteRule':
        remove(this.#chains.get(name)!.rules, before.get(name)![step.index]!)
        return
      case 'deleteChain':
        this.#chains.delete(name)
        return
      case 'addChain':
        this.#chains.set(name, { chain: made.chain(name), rules: [] })
        return
      case 'setPolicy':
        this.#chains.get(name)!.chain = made.chain(name)
        return
      case 'addRule': {
        const { rules } = this.#chains.get(name)!
        const next = step.before === undefined ? undefined : before.get(name)![step.before]!
        const rule = new LiveRule(made.chain(name).rules[step.index]!)
        rules.splice(next === undefined ? rules.length : rules.indexOf(next), 0, rule)
        return
      }
      case 'deleteLookup':
        this.#lookups.delete(name)
        return
      case 'addLookup':
        this.#lookups.set(name, new LiveLookup(made.lookup(name).key))
        return
      case 'deleteElements':
        for (const key of step.keys) this.#lookups.get(name)!.remove(key)
        return
      case 'addElements': {
        const elements = elementsOf(made.lookup(name))
        for (const key of step.keys) this.#lookups.get(name)!.add(key, elements.get(key)!)
        return
      }
      case 'addCounter':
        this.counters.set(name, { packets: 0, octets: 0 })
        return
      case 'deleteCounter':
        this.counters.delete(name)
    }
  }
}

function remove(rules: LiveRule[], rule: LiveRule): void {
  rules.splice(rules.indexOf(rule), 1)
}

/** Objects of a table by name. */
class Made {
  readonly #chains: ReadonlyMap<string, FilterChain>
  readonly #lookups: ReadonlyMap<string, FilterLookupTable>

  constructor({ chains, sets, maps = [] }: FilterTable) {
    this.#chains = new Map(chains.map((chain) => [chain.name, chain]))
    this.#lookups = new Map([...sets, ...maps].map((each) => [each.name, each]))
  }

  chain(name: string): FilterChain {
    return this.#chains.get(name)!
  }

  lookup(name: string): FilterLookupTable {
    return this.#lookups.get(name)!
  }
}
