import { originatedBlocks, originatedPrefixes } from '../../bgp/filters/calico-export.ts'
import type { FilterTable } from '../../kernel/packet-filter.ts'
import type { ClusterProblem } from '../../model/cluster-problem.ts'
import { contains, hostPrefix, type Prefix, prefixOf } from '../../net/prefix.ts'
import { VXLAN_LINK } from '../../routes/ownership.ts'
import { nodeSpeakerConfig } from '../bgp/bgp-configuration.ts'
import { BgpPolicies } from '../bgp/bgp-policies.ts'
import { serviceRanges } from '../bgp/service-ranges.ts'
import type { DesiredBgp } from '../bgp/speaker-reconciler.ts'
import type { ClusterView } from '../cluster/cluster-view.ts'
import { derived } from '../cluster/derived.ts'
import { externalNodes } from '../cluster/external-nodes.ts'
import { nodePrefixes } from '../cluster/node-addresses.ts'
import { ParsedSelectors } from '../cluster/parsed-selectors.ts'
import { withNodes } from '../cluster/settled-nodes.ts'
import type { DesiredPodLinks } from '../dataplane/pod-links-reconciler.ts'
import type { DesiredRoutes } from '../dataplane/routes-reconciler.ts'
import type { DesiredSysctls } from '../dataplane/sysctls-reconciler.ts'
import { ownRows } from '../datastore/own-rows.ts'
import type { OwnRows } from '../datastore/own-rows-reconciler.ts'
import { filterTable } from '../packet-filter/filter-table.ts'
import type { DesiredIpip } from '../tunnel/ipip-reconciler.ts'
import { TUNNEL_LINK } from '../tunnel/tunnel-device.ts'
import {
  hasTunnel,
  tunnelDevice,
  tunnelProblems,
  tunnelsAnything,
} from '../tunnel/tunnel-settings.ts'
import type { DesiredVxlan } from '../tunnel/vxlan-reconciler.ts'
import {
  type TunnelEnd,
  usesVxlan,
  vxlanDevice,
  vxlanTunnelAddressOf,
} from '../tunnel/vxlan-settings.ts'
import type { LocalFacts, LocalPod } from './local-facts.ts'
import { type NodeInputs, nodeInputs } from './node-inputs.ts'
import { notReady } from './not-ready.ts'

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
  readonly rows: { readonly [Row in keyof DesiredNode]: (inputs: NodeInputs) => DesiredNode[Row] }
}

/** All that a node should be, as a pure function of its cluster and of what it knows itself. */
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

/**
 * {@link desiredNode}, row by row, with a memory: a row is computed again only when something that it
 * follows from is another object, and is the same object as before where it comes out equal. So a change
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

type Row<Value> = (inputs: NodeInputs) => Value
/** The facts of an input by its name, for functions that remember. */
type Pieces<Keys extends keyof NodeInputs> = Pick<NodeInputs, Keys>

interface SpeakerFacts extends Pieces<'nodes'> {
  readonly policy: BgpPolicies
  readonly meshRanges: readonly Prefix[]
}

function speakerOf(self: string): Row<ReturnType<typeof nodeSpeakerConfig>> {
  const selectors = new ParsedSelectors()
  const selects = selectors.selects.bind(selectors)
  const policies = derived([], (_, { rules }: { rules: NodeInputs['rules']['value'] }) => {
    return new BgpPolicies(rules)
  })
  // A pool that is deleted while pods have its addresses stays one.
  const ranges = derived(
    ['BGPConfiguration', 'IPPool'],
    (view, { poolsSeen }: Pick<LocalFacts, 'poolsSeen'>): readonly Prefix[] => [
      ...new Set([...poolsSeen, ...view.list('IPPool').map(({ spec }) => spec.cidr)]),
      ...serviceRanges(view),
    ],
  )
  const config = derived(
    ['BGPConfiguration', 'BGPPeer', 'BGPFilter'],
    (view, { nodes, policy, meshRanges }: SpeakerFacts) =>
      nodeSpeakerConfig(withNodes(view, nodes), self, {
        selects,
        meshRanges: () => meshRanges,
        policies: policy.of(view),
      }),
  )
  return ({ view, nodes, rules, local: { poolsSeen } }) => {
    const policy = policies(view, { rules: rules.value })
    return config(view, { nodes, policy, meshRanges: ranges(view, { poolsSeen }) })
  }
}

function problemsOf(speaker: ReturnType<typeof speakerOf>): Row<readonly ClusterProblem[]> {
  type Lists = Readonly<Record<'rows' | 'rules' | 'bgp', readonly ClusterProblem[]>>
  const all = derived(['FelixConfiguration'], (view, { rows, rules, bgp }: Lists) => [
    ...rows,
    ...rules,
    ...bgp,
    ...tunnelProblems(view),
  ])
  return (inputs) => {
    const { view, rules } = inputs
    return all(view, {
      rows: view.problems(),
      rules: rules.problems,
      bgp: speaker(inputs).problems,
    })
  }
}

function ownRowsOf(self: string): Row<OwnRows | undefined> {
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

function packetFilterOf(self: string): Row<FilterTable | undefined> {
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

function networkOf(own: NodeInputs['ownAddress']): Prefix | undefined {
  return own && prefixOf(own.address, own.prefixLength)
}

function ipipOf(self: string): Row<DesiredIpip> {
  const ipip = derived(
    ['IPPool', 'FelixConfiguration'],
    (
      view,
      {
        nodes,
        ownAddress,
        uplinks,
        mtus,
        ipipAddress,
        isUnfiltered,
      }: Pieces<'nodes' | 'ownAddress' | 'uplinks' | 'mtus'> &
        Pick<LocalFacts, 'ipipAddress' | 'isUnfiltered'>,
    ): DesiredIpip => ({
      device: tunnelDevice(view, self, ipipAddress, mtus),
      isUsed: tunnelsAnything(view, self),
      isUnfiltered,
      ownAddress: ownAddress?.address,
      underlays: uplinks,
      nodes: nodePrefixes(nodes, 4),
      externalNodes: externalNodes(view, self),
    }),
  )
  return ({ view, nodes, ownAddress, uplinks, mtus, local: { ipipAddress, isUnfiltered } }) =>
    ipip(view, { nodes, ownAddress, uplinks, mtus, ipipAddress, isUnfiltered })
}

function vxlanOf(self: string): Row<DesiredVxlan> {
  const vxlan = derived(
    ['FelixConfiguration'],
    (
      view,
      {
        ownRow,
        ownAddress,
        uplinks: [uplink],
        mtus,
        ends,
      }: Pieces<'ownRow' | 'ownAddress' | 'uplinks' | 'mtus' | 'ends'>,
    ): DesiredVxlan => ({
      device:
        ends &&
        vxlanDevice(withNodes(view, ownRow), {
          node: self,
          address: vxlanTunnelAddressOf(ownRow[0]),
          localAddress: ownAddress?.address,
          mtu: mtus.vxlan,
        }),
      uplink,
      ends: [...(ends?.values() ?? [])],
    }),
  )
  return ({ view, ownRow, ownAddress, uplinks, mtus, ends }) =>
    vxlan(view, { ownRow, ownAddress, uplinks, mtus, ends })
}

/** A node that takes no tunnelled packets takes none by another link than it answers by. */
function sysctlsOf(self: string): Row<DesiredSysctls> {
  const sysctls = derived(
    ['FelixConfiguration'],
    (
      view,
      {
        links,
        uplinks,
        hasVxlan,
      }: Pieces<'uplinks' | 'hasVxlan'> & Pick<LocalFacts['host'], 'links'>,
    ): DesiredSysctls => {
      const tunnels = [
        ...(hasTunnel(view, self) ? [TUNNEL_LINK] : []),
        ...(hasVxlan ? [VXLAN_LINK] : []),
      ]
      const isUplink = ({ index }: { index: number }): boolean => uplinks.includes(index)
      const ways = links.filter(isUplink).map(({ name }) => name)
      return { looseLinks: tunnels.length === 0 ? [] : [...ways, ...tunnels] }
    },
  )
  return ({ view, uplinks, hasVxlan, local: { host } }) =>
    sysctls(view, { links: host.links, uplinks, hasVxlan })
}

function podLinksOf(): Row<DesiredPodLinks> {
  const podLinks = derived(
    [],
    (
      _,
      { pods, mtus, formerPools }: Pieces<'mtus'> & Pick<LocalFacts, 'pods' | 'formerPools'>,
    ): DesiredPodLinks => ({
      pods,
      settings: {
        mtu: mtus.pod,
        mtuMayGrow: formerPools.length === 0,
        segmentOctets: mtus.segment,
      },
    }),
  )
  return ({ view, mtus, local: { pods, formerPools } }) =>
    podLinks(view, { pods, mtus, formerPools })
}

function routesOf(self: string): Row<DesiredRoutes> {
  const surroundings = derived(
    ['BGPConfiguration', 'FelixConfiguration'],
    (
      view,
      {
        pools,
        ownAddress,
        uplinks: [uplinkIndex],
        hasVxlan,
        ipipLink,
        vxlanLink,
        pathMtus,
      }: Pieces<'pools' | 'ownAddress' | 'uplinks' | 'hasVxlan'> &
        Pick<LocalFacts, 'ipipLink' | 'vxlanLink' | 'pathMtus'>,
    ): DesiredRoutes['surroundings'] => {
      const network = networkOf(ownAddress)
      return {
        pools,
        serviceRanges: serviceRanges(view),
        nodeNetworks: network === undefined ? [] : [network],
        tunnelLinkIndex: hasTunnel(view, self) ? ipipLink : undefined,
        pathMtus,
        vxlanLinkIndex: hasVxlan ? vxlanLink : undefined,
        uplinkIndex,
      }
    },
  )
  const routes = derived(
    [],
    (
      _,
      {
        rules,
        isRestarting,
        keepsRemote,
        ...rest
      }: Pieces<'rules'> &
        Pick<LocalFacts, 'pods' | 'isRestarting'> &
        Pick<DesiredRoutes, 'surroundings' | 'keepsRemote'>,
    ): DesiredRoutes => ({
      ...rest,
      blocks: originatedBlocks(rules.value),
      keepsLearned: isRestarting,
      keepsRemote,
    }),
  )
  return ({ view, pools, ownAddress, uplinks, hasVxlan, rules, local }) => {
    const { ipipLink, vxlanLink, pathMtus, pods, isRestarting, knowsBlocks } = local
    const links = { uplinks, hasVxlan, ipipLink, vxlanLink, pathMtus }
    return routes(view, {
      rules,
      pods,
      isRestarting,
      keepsRemote: hasVxlan && !knowsBlocks,
      surroundings: surroundings(view, { pools, ownAddress, ...links }),
    })
  }
}

/**
 * A node offers its own blocks whole, service prefixes, and single addresses of pods that are in no
 * confirmed block; the export policy decides what goes out.
 */
function bgpOf(speaker: ReturnType<typeof speakerOf>): Row<DesiredBgp> {
  const bgp = derived(
    [],
    (
      _,
      {
        config,
        rules,
        pods,
        confirmedBlocks,
      }: Pieces<'rules' | 'confirmedBlocks'> &
        Pick<DesiredBgp, 'config'> &
        Pick<LocalFacts, 'pods'>,
    ): DesiredBgp => {
      const single = pods
        .flatMap(({ addresses }) => addresses)
        .filter((address) => !confirmedBlocks.some((block) => contains(block, address)))
        .map((address) => hostPrefix(address))
      return { config, announced: [...new Set([...originatedPrefixes(rules.value), ...single])] }
    },
  )
  return (inputs) => {
    const { view, rules, confirmedBlocks, local } = inputs
    const { value: config } = speaker(inputs)
    return bgp(view, { config, rules, confirmedBlocks, pods: local.pods })
  }
}
