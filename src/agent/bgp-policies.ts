import type { ExportRules, OwnBlock } from '../bgp/filters/calico-export.ts'
import { prefixAdvertisements } from '../bgp/filters/prefix-advertisements.ts'
import { type RoutePolicies, routePolicies } from '../bgp/filters/route-policies.ts'
import { servicePrefixes } from '../bgp/filters/service-prefixes.ts'
import type { BGPPeer } from '../model/resource.ts'
import type { Prefix } from '../net/prefix.ts'
import type { BgpEnvironment } from './bgp-configuration.ts'
import type { ClusterView } from './cluster-view.ts'

/** Kubernetes: a node with it takes no traffic of load balancers, so it announces none of their addresses. */
const EXCLUDE_LABEL = 'node.kubernetes.io/exclude-from-external-load-balancers'

/** What a node announces and to whom it says nothing, from the cluster's resources. */
export function exportRules(
  view: ClusterView,
  nodeName: string,
  blocks: readonly OwnBlock[],
): ExportRules {
  const node = view.get('Node', nodeName)
  const bgp = view.get('BGPConfiguration', 'default')?.spec ?? {}
  const own = view.get('BGPConfiguration', `node.${nodeName}`)?.spec
  const ranges = {
    clusterIps: cidrsOf(bgp.serviceClusterIPs),
    externalIps: cidrsOf(bgp.serviceExternalIPs),
    loadBalancerIps: cidrsOf(bgp.serviceLoadBalancerIPs),
    aggregatesLoadBalancers: bgp.serviceLoadBalancerAggregation !== 'Disabled',
  }
  const isExcluded = node?.metadata.labels?.[EXCLUDE_LABEL] === 'true'
  return {
    pools: view.list('IPPool').map(({ spec }) => ({
      cidr: spec.cidr as Prefix,
      disableBgpExport: spec.disableBGPExport === true,
    })),
    blocks,
    servicePrefixes: servicePrefixes({ name: nodeName, isExcluded }, ranges, []),
    serviceRanges: [...ranges.loadBalancerIps, ...ranges.externalIps],
    isRouteReflector: (node?.spec.bgp?.routeReflectorClusterID ?? '') !== '',
    agentProgramsTunnels: false,
    // A node's own settings replace the cluster's, as a whole.
    advertisements: prefixAdvertisements(own?.prefixAdvertisements === undefined ? bgp : own),
  }
}

function cidrsOf(list: readonly { readonly cidr: string }[] | undefined): Prefix[] {
  return (list ?? []).map(({ cidr }) => cidr as Prefix)
}

/** Policies for neighbors; the same functions as long as nothing that they follow from changes. */
export class BgpPolicies {
  #key = ''
  #policies: RoutePolicies | undefined

  /** @returns what {@link speakerConfig} asks for */
  of(view: ClusterView, rules: ExportRules): BgpEnvironment['policies'] {
    const key = JSON.stringify(rules)
    if (this.#policies === undefined || key !== this.#key) {
      this.#policies = routePolicies(rules)
      this.#key = key
    }
    const policies = this.#policies
    return ({ peer }) => {
      const filters = peer === undefined ? [] : filtersOf(view, peer)
      const importPolicy = policies.importPolicy(filters)
      return {
        exportPolicy: policies.exportPolicy(filters),
        ...(importPolicy === undefined ? {} : { importPolicy }),
      }
    }
  }
}

/** The filters that a peer names, in its order; one that does not exist filters nothing. */
function filtersOf(view: ClusterView, peer: BGPPeer) {
  return (peer.spec.filters ?? []).flatMap((name) => {
    const filter = view.get('BGPFilter', name)
    return filter === undefined ? [] : [{ name, ...filter.spec }]
  })
}
