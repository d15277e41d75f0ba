import {
  countersOf,
  elementsOf,
  elementText,
  type FilterElement,
  type FilterLookupTable,
  lookupsOf,
} from './filter-keys.ts'
import type { LookupImage, RuleImage, TableImage } from './filter-plan.ts'
import type { FilterChain, FilterRule, FilterTable } from './packet-filter.ts'

/** How a kernel writes rules and shapes, by which those that are compare with those that should be. */
export interface ImageTexts<Rule extends RuleImage> {
  rule(rule: FilterRule): Rule
  chain(chain: FilterChain): string
  lookup(table: FilterLookupTable): string
  flowtable(table: NonNullable<FilterTable['flowtables']>[number]): string
}

/** A table as it should be, for {@link planFilter}. */
export function filterImage<Rule extends RuleImage>(
  table: FilterTable,
  texts: ImageTexts<Rule>,
): TableImage {
  const { sets, maps = [], flowtables = [], chains } = table
  return {
    chains: new Map(
      chains.map((chain) => [
        chain.name,
        {
          shape: texts.chain(chain),
          policy: chain.hook === undefined ? 'accept' : chain.policy,
          rules: chain.rules.map((rule) => texts.rule(rule)),
        },
      ]),
    ),
    lookups: new Map([...sets, ...maps].map((each) => [each.name, lookupImage(each, texts)])),
    counters: countersOf(chains.flatMap(({ rules }) => rules)),
    flowtables: new Map(flowtables.map((each) => [each.name, texts.flowtable(each)])),
  }
}

function lookupImage<Rule extends RuleImage>(
  table: FilterLookupTable,
  texts: ImageTexts<Rule>,
): LookupImage {
  return {
    object: 'entries' in table ? 'map' : 'set',
    shape: texts.lookup(table),
    elements: textsOf(elementsOf(table)),
  }
}

const KNOWN_TEXTS = new WeakMap<ReadonlyMap<string, FilterElement>, LookupImage['elements']>()

function textsOf(elements: ReadonlyMap<string, FilterElement>): LookupImage['elements'] {
  let known = KNOWN_TEXTS.get(elements)
  if (known === undefined) {
    known = new Map([...elements].map(([key, element]) => [key, elementText(element)]))
    KNOWN_TEXTS.set(elements, known)
  }
  return known
}

/** Names of what a rule cannot be without. */
export function usesOf(rule: FilterRule): readonly string[] {
  const names = lookupsOf(rule).map(({ name }) => name)
  return rule.offload === undefined ? names : [...names, rule.offload]
}
