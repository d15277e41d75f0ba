import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { checkFilterTable } from './check-filter-table.ts'
import { filterImage, usesOf } from './filter-image.ts'
import { lookupsOf, verdictChain } from './filter-keys.ts'
import { type FilterStep, planFilter, type TableImage } from './filter-plan.ts'
import type { FilterRule, FilterTable } from './packet-filter.ts'
import { randomTable } from './testing/random-filter.ts'

interface ModelRule {
  readonly text: string
  readonly names: readonly string[]
}

/** A kernel that holds rules to what is there, and says so where a step breaks that. */
class Model {
  readonly chains = new Map<string, ModelRule[]>()
  readonly lookups = new Map<string, Map<string, readonly string[]>>()
  readonly counters = new Set<string>()

  apply(table: FilterTable, steps: readonly FilterStep[]): void {
    const before = new Map([...this.chains].map(([name, rules]) => [name, [...rules]]))
    for (const step of steps) this.#apply(table, step, before)
  }

  #apply(table: FilterTable, step: FilterStep, before: ReadonlyMap<string, ModelRule[]>): void {
    const { name } = step
    const chain = table.chains.find((each) => each.name === name)
    switch (step.step) {
      case 'flushChain':
        this.chains.get(name)!.length = 0
        return
      case 'deleteChain':
        expect(this.#uses(`chain ${name}`)).toBe(0)
        expect(this.chains.get(name)).toEqual([])
        this.chains.delete(name)
        return
      case 'addChain':
        expect(this.chains.has(name)).toBe(false)
        this.chains.set(name, [])
        return
      case 'deleteRule': {
        const rules = this.chains.get(name)!
        rules.splice(rules.indexOf(before.get(name)![step.index]!), 1)
        return
      }
      case 'addRule': {
        const rules = this.chains.get(name)!
        const rule = modelRule(chain!.rules[step.index]!)
        for (const each of rule.names) expect(this.#has(each)).toBe(true)
        const next = step.before === undefined ? undefined : before.get(name)![step.before]!
        rules.splice(next === undefined ? rules.length : rules.indexOf(next), 0, rule)
        return
      }
      case 'flushLookup':
        this.lookups.get(name)!.clear()
        return
      case 'deleteLookup':
        expect(this.#uses(`lookup ${name}`)).toBe(0)
        this.lookups.delete(name)
        return
      case 'addLookup':
        expect(this.lookups.has(name)).toBe(false)
        this.lookups.set(name, new Map())
        return
      case 'deleteElements':
        for (const key of step.keys) expect(this.lookups.get(name)!.delete(key)).toBe(true)
        return
      case 'addElements':
        this.#addElements(table, name, step.keys)
        return
      case 'deleteCounter':
        expect(this.#uses(`counter ${name}`)).toBe(0)
        this.counters.delete(name)
        return
      case 'addCounter':
        this.counters.add(name)
        return
      case 'addTable':
      case 'deleteTable':
      case 'addFlowtable':
      case 'deleteFlowtable':
      case 'setPolicy':
    }
  }

  #addElements(table: FilterTable, name: string, keys: readonly string[]): void {
    const values = imageOf(table).lookups.get(name)!.elements
    for (const key of keys) {
      const [, to] = /^(?:jump|goto) (.*)$/.exec(values.get(key)!) ?? []
      const names = to === undefined ? [] : [`chain ${to}`]
      for (const each of names) expect(this.#has(each)).toBe(true)
      expect(this.lookups.get(name)!.has(key)).toBe(false)
      this.lookups.get(name)!.set(key, names)
    }
  }

  #has(name: string): boolean {
    const [kind, own] = name.split(' ') as [string, string]
    if (kind === 'chain') return this.chains.has(own)
    return kind === 'lookup' ? this.lookups.has(own) : this.counters.has(own)
  }

  #uses(name: string): number {
    const rules = [...this.chains.values()].flat().flatMap(({ names }) => names)
    const elements = [...this.lookups.values()].flatMap((each) => [...each.values()].flat())
    return [...rules, ...elements].filter((each) => each === name).length
  }

  texts(): unknown {
    return {
      chains: [...this.chains].map(([name, rules]) => [name, ...rules.map(({ text }) => text)]),
      lookups: [...this.lookups].map(([name, elements]) => [name, ...elements.keys()]),
      counters: [...this.counters],
    }
  }
}

function modelRule(rule: FilterRule): ModelRule {
  const to = verdictChain(rule.verdict)
  return {
    text: JSON.stringify(rule),
    names: [
      ...lookupsOf(rule).map(({ name }) => `lookup ${name}`),
      ...(to === undefined ? [] : [`chain ${to}`]),
      ...(rule.counter === undefined ? [] : [`counter ${rule.counter}`]),
    ],
  }
}

function imageOf(table: FilterTable): TableImage {
  return filterImage(table, {
    rule: (rule) => ({ text: JSON.stringify(rule), uses: usesOf(rule) }),
    chain: (chain) => (chain.hook === undefined ? '' : `${chain.hook} ${chain.priority}`),
    lookup: ({ key }) => key.join(' '),
    flowtable: ({ priority }) => String(priority),
  })
}

const sorted = (texts: unknown): unknown =>
  Object.entries(texts as Record<string, readonly unknown[]>).map(([name, rows]) => [
    name,
    rows
      .map((row) => (Array.isArray(row) && name === 'lookups' ? row.map(String).toSorted() : row))
      .map(String)
      .toSorted(),
  ])

describe('the steps from one table to another', () => {
  const tables = fc.tuple(randomTable({ stateful: true }), randomTable({ stateful: true }))

  it('hold references at every step, and end at the table that should be', () => {
    fc.assert(
      fc.property(tables, ([first, second]) => {
        for (const table of [first, second]) checkFilterTable(table)
        const model = new Model()
        const anew = new Model()
        model.apply(first, planFilter('test', undefined, imageOf(first)).steps)
        model.apply(second, planFilter('test', imageOf(first), imageOf(second)).steps)
        anew.apply(second, planFilter('test', undefined, imageOf(second)).steps)
        expect(sorted(model.texts())).toEqual(sorted(anew.texts()))
      }),
    )
  })

  it('are none where all is as it should be', () => {
    fc.assert(
      fc.property(randomTable({ stateful: true }), (table) => {
        const { steps, changes } = planFilter('test', imageOf(table), imageOf(table))
        expect([...steps, ...changes]).toEqual([])
      }),
    )
  })
})
