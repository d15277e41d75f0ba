import type { FilterChange } from '../../kernel/packet-filter.ts'

/** As many as a person reads in one line of a log. */
const MOST_NAMED = 8

/** "set nodes4 changed +1 -0, chain to-node added +3 -0". */
export function describeFilterChanges(changes: readonly FilterChange[]): string {
  const named = changes.slice(0, MOST_NAMED).map(describe)
  const more = changes.length - named.length
  return [...named, ...(more === 0 ? [] : [`${more} more`])].join(', ')
}

function describe({ object, name, change, added, removed }: FilterChange): string {
  const contents = added + removed === 0 ? '' : ` +${added} -${removed}`
  return `${object} ${name} ${change}${contents}`
}
