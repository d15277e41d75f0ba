import type { ClusterView } from '../cluster/cluster-view.ts'
import { type DesiredNode, desiredRows } from '../desired/desired-node.ts'
import type { LocalFacts } from '../desired/local-facts.ts'

/** All rows at once, without a memory. */
export function desiredNode(view: ClusterView, self: string, local: LocalFacts): DesiredNode {
  const { inputs, rows } = desiredRows(self)
  const all = inputs(view, local)
  return {
    problems: rows.problems(all),
    remoteBlocks: rows.remoteBlocks(all),
    ownRows: rows.ownRows(all),
    packetFilter: rows.packetFilter(all),
    ipip: rows.ipip(all),
    vxlan: rows.vxlan(all),
    sysctls: rows.sysctls(all),
    podLinks: rows.podLinks(all),
    hostEnds: rows.hostEnds(all),
    routes: rows.routes(all),
    bgp: rows.bgp(all),
  }
}
