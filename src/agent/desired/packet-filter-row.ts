import type { FilterTable } from '../../kernel/packet-filter.ts'
import { derived } from '../cluster/derived.ts'
import { withNodes } from '../cluster/settled-nodes.ts'
import { filterTable } from '../packet-filter/filter-table.ts'
import type { LocalFacts } from './local-facts.ts'
import { networkOf, type Pieces, type RowRule } from './row-rule.ts'

export function packetFilterOf(self: string): RowRule<FilterTable | undefined> {
  const table = derived(
    ['IPPool', 'FelixConfiguration'],
    (
      view,
      {
        nodes,
        ownAddress,
        formerPools,
        ...facts
      }: Pieces<'nodes' | 'ownAddress' | 'hasVxlan'> &
        Pick<LocalFacts, 'formerPools'> & { readonly strictLinks: readonly string[] },
    ) =>
      filterTable({
        ...facts,
        view: withNodes(view, nodes),
        node: self,
        ownNetwork: networkOf(ownAddress),
        formerPools: formerPools.flat().map(({ cidr }) => cidr),
      }),
  )
  return ({ view, nodes, ownAddress, hasVxlan, local: { formerPools, strictLinks } }) =>
    strictLinks && table(view, { nodes, ownAddress, hasVxlan, formerPools, strictLinks })
}
