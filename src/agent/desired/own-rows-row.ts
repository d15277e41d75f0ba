import { derived } from '../cluster/derived.ts'
import { ownRows } from '../datastore/own-rows.ts'
import type { OwnRows } from '../datastore/own-rows-reconciler.ts'
import { tunnelsAnything } from '../tunnel/tunnel-settings.ts'
import { usesVxlan } from '../tunnel/vxlan-settings.ts'
import { notReady } from './not-ready.ts'
import type { RowRule } from './row-rule.ts'

/** Undefined while the datastore must not be written, or cannot be. */
export function ownRowsOf(self: string): RowRule<OwnRows | undefined> {
  const rows = derived(
    ['IPPool', 'FelixConfiguration'],
    (view, facts: Omit<Parameters<typeof ownRows>[0], 'pools' | 'usesIpip' | 'usesVxlan'>) =>
      ownRows({
        ...facts,
        pools: view.list('IPPool'),
        usesIpip: tunnelsAnything(view, self),
        usesVxlan: usesVxlan(view, self),
      }),
  )
  return ({ view, local, own, confirmedBlocks }) => {
    if (own === undefined || notReady(view, self, local) !== undefined) return undefined
    const { formerPools, vxlanLink } = local
    const hasVxlanLink = vxlanLink !== undefined
    return rows(view, { own, confirmedBlocks, formerPools, hasVxlanLink })
  }
}
