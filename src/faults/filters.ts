import { FILTER_PRIORITY, type FilterHook, type FilterMatch } from '../kernel/packet-filter.ts'
import type { FilterTable } from '../kernel/packet-filter.ts'

/** Of tables that faults make, apart from the agent's. */
const TABLE = 'fault'

/** A table with one rule, which drops what matches. */
export function dropping(
  hook: FilterHook,
  match: readonly FilterMatch[],
  options: {
    readonly name?: string
    readonly counter?: string
  } = {},
): FilterTable {
  const { name = TABLE, counter = 'dropped' } = options
  const rules = [{ match, verdict: 'drop', counter } as const]
  const chain = { name: hook, type: 'filter', hook, priority: FILTER_PRIORITY.filter } as const
  return { name, sets: [], chains: [{ ...chain, policy: 'accept' as const, rules }] }
}

/** A table that gives what leaves by a link the link's own address. */
export function masquerading(outputLink: string): FilterTable {
  const rules = [
    { match: [{ kind: 'outputLink', link: outputLink }], verdict: 'masquerade' } as const,
  ]
  const chain = { name: 'postrouting', type: 'nat', hook: 'postrouting' } as const
  const priority = FILTER_PRIORITY.sourceNat
  return {
    name: 'fault-nat',
    sets: [],
    chains: [{ ...chain, priority, policy: 'accept' as const, rules }],
  }
}
