import {
  FILTER_PRIORITY,
  type FilterHook,
  type FilterMatch,
  type FilterSet,
  type FilterTable,
  type FilterVerdict,
  type NewSource,
} from '../packet-filter.ts'

/** A table "test" of one rule, which counts as "matched"; other tables are left to whoever has them. */
export function oneRuleTable(
  hook: FilterHook,
  match: readonly FilterMatch[],
  verdict: FilterVerdict,
  sets: readonly FilterSet[] = [],
  newSource?: NewSource,
): FilterTable {
  const isNat = verdict === 'masquerade' || verdict === 'masqueradeRandomly'
  return {
    name: 'test',
    sets,
    chains: [
      {
        name: hook,
        type: isNat ? 'nat' : 'filter',
        hook,
        priority: isNat ? FILTER_PRIORITY.sourceNat : FILTER_PRIORITY.filter,
        policy: 'accept',
        rules: [
          { match, verdict, counter: 'matched', ...(newSource === undefined ? {} : { newSource }) },
        ],
      },
    ],
  }
}
