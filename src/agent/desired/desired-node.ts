import type { FilterTable } from '../../kernel/packet-filter.ts'
import type { ClusterProblem } from '../../model/cluster-problem.ts'
import type { DesiredBgp } from '../bgp/speaker-reconciler.ts'
import type { ClusterView } from '../cluster/cluster-view.ts'
import type { DesiredPodLinks } from '../dataplane/pod-links-reconciler.ts'
import type { DesiredRoutes } from '../dataplane/routes-reconciler.ts'
import type { DesiredSysctls } from '../dataplane/sysctls-reconciler.ts'
import type { OwnRows } from '../datastore/own-rows-reconciler.ts'
import type { DesiredIpip } from '../tunnel/ipip-reconciler.ts'
import type { DesiredVxlan } from '../tunnel/vxlan-reconciler.ts'
import type { TunnelEnd } from '../tunnel/vxlan-settings.ts'
import { bgpOf, problemsOf, speakerOf } from './bgp-rows.ts'
import type { LocalFacts, LocalPod } from './local-facts.ts'
import { type NodeInputs, nodeInputs } from './node-inputs.ts'
import { ownRowsOf } from './own-rows-row.ts'
import { packetFilterOf } from './packet-filter-row.ts'
import { podLinksOf, routesOf } from './route-rows.ts'
import type { RowRule } from './row-rule.ts'
import { ipipOf, sysctlsOf, vxlanOf } from './tunnel-rows.ts'

/** All that a node should be: a row for each reconciler. */
export interface DesiredNode {
  readonly problems: readonly ClusterProblem[]
  readonly remoteBlocks: ReadonlyMap<string, TunnelEnd> | undefined
  readonly ownRows: OwnRows | undefined
  /** Undefined until what it follows from is known: a table that is there already stays. */
  readonly packetFilter: FilterTable | undefined
  readonly ipip: DesiredIpip
  readonly vxlan: DesiredVxlan
  readonly sysctls: DesiredSysctls
  readonly podLinks: DesiredPodLinks
  readonly hostEnds: readonly LocalPod[]
  readonly routes: DesiredRoutes
  readonly bgp: DesiredBgp
}

/** How each row follows from the view and the facts; one that throws harms no other. */
export interface DesiredRows {
  inputs(view: ClusterView, local: LocalFacts): NodeInputs
  readonly rows: { readonly [Name in keyof DesiredNode]: RowRule<DesiredNode[Name]> }
}

/**
 * All that a node should be, as pure functions of its cluster and of what it knows itself, each with a
 * memory: a row is computed again only when something that it follows from is another object, and is the same object as before where it comes out equal. So a change
 * of one node in a large cluster ends where nothing follows from it any more.
 *
 * @param self name of the Node resource
 */
export function desiredRows(self: string): DesiredRows {
  const speaker = speakerOf(self)
  const rows: DesiredRows['rows'] = {
    problems: problemsOf(speaker),
    remoteBlocks: ({ ends }) => ends,
    ownRows: ownRowsOf(self),
    packetFilter: packetFilterOf(self),
    ipip: ipipOf(self),
    vxlan: vxlanOf(self),
    sysctls: sysctlsOf(self),
    podLinks: podLinksOf(),
    hostEnds: ({ local }) => local.pods,
    routes: routesOf(self),
    bgp: bgpOf(speaker),
  }
  return { inputs: nodeInputs(self), rows }
}
