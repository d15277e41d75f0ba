import type { CalicoExportRules, OwnBlock } from '../../bgp/filters/calico-export.ts'
import { compileBgpFilter } from '../../bgp/filters/bgp-filter.ts'
import { prefixAdvertisements } from '../../bgp/filters/prefix-advertisements.ts'
import {
  type NamedFilter,
  type RoutePolicies,
  routePolicies,
} from '../../bgp/filters/route-policies.ts'
import { servicePrefixes } from '../../bgp/filters/service-prefixes.ts'
import { rejectAll } from '../../bgp/policy.ts'
import { messageOf } from '../../lib/errors.ts'
import { type ClusterProblem, clusterProblem, type Derived } from '../../model/cluster-problem.ts'
import { type BGPFilter, type BGPPeer, identifierOf } from '../../model/resource.ts'
import type { BgpEnvironment } from './bgp-configuration.ts'
import type { ViewOf } from '../cluster/derived.ts'
import { announcedRanges } from './service-ranges.ts'

/** Kubernetes: a node with it takes no traffic of load balancers, so it announces none of their addresses. */
const EXCLUDE_LABEL = 'node.kubernetes.io/exclude-from-external-load-balancers'

/** What a node announces and to whom it says nothing, from the cluster's resources. */
export function exportRules(
  view: ViewOf<'Node' | 'IPPool' | 'BGPConfiguration'>,
  nodeName: string,
  blocks: readonly OwnBlock[],
): Derived<CalicoExportRules> {
  const node = view.get('Node', nodeName)
  const bgp = view.get('BGPConfiguration', 'default')?.spec ?? {}
  const own = view.get('BGPConfiguration', `node.${nodeName}`)
  const ofNode = own?.spec.prefixAdvertisements !== undefined
  const ranges = announcedRanges(view)
  const services = {
    ...ranges.value,
    aggregatesLoadBalancers: bgp.serviceLoadBalancerAggregation !== 'Disabled',
  }
  // A node's own settings replace the cluster's, as a whole.
  const advertisements = prefixAdvertisements(ofNode ? own.spec : bgp)
  const settings = identifierOf('BGPConfiguration', ofNode ? own.metadata.name : 'default')
  const isExcluded = node?.metadata.labels?.[EXCLUDE_LABEL] === 'true'
  const value = {
    pools: view.list('IPPool').map(({ spec }) => ({
      cidr: spec.cidr,
      disableBgpExport: spec.disableBGPExport === true,
    })),
    blocks,
    servicePrefixes: servicePrefixes({ name: nodeName, isExcluded }, services, []),
    serviceRanges: [...services.loadBalancerIps, ...services.externalIps],
    isRouteReflector: (node?.spec.bgp?.routeReflectorClusterID ?? '') !== '',
    agentProgramsTunnels: false,
    advertisements: advertisements.value,
  }
  const problems = [
    ...ranges.problems,
    ...advertisements.problems.map(({ field, value, reason }) =>
      clusterProblem(settings, {
        field,
        value,
        expected: reason,
        effect: 'prefixes of this advertisement are announced without communities',
      }),
    ),
  ]
  return { value, problems }
}

/**
 * Policies for neighbors of a node that announces by one state of rules. The same functions as long as
 * it lives, so that the speaker applies nothing again that has not changed.
 */
export class BgpPolicies {
  readonly #policies: RoutePolicies
  /** Why a filter is none, by the resource; undefined of one that can be obeyed. */
  readonly #faults = new WeakMap<BGPFilter, { readonly fault: string | undefined }>()

  constructor(rules: CalicoExportRules) {
    this.#policies = routePolicies(rules)
  }

  /** @returns what {@link nodeSpeakerConfig} asks for */
  of(view: ViewOf<'BGPFilter'>): BgpEnvironment['policies'] {
    return ({ peer }) => {
      const { value: filters, problems } = this.#filtersOf(view, peer)
      // What was to be filtered must not pass because nobody knows how.
      if (problems.length > 0) return { value: CLOSED, problems }
      const importPolicy = this.#policies.importPolicy(filters)
      const exportPolicy = this.#policies.exportPolicy(filters)
      const value = { exportPolicy, ...(importPolicy === undefined ? {} : { importPolicy }) }
      return { value, problems }
    }
  }

  /** The filters that a peer names, in its order. */
  #filtersOf(
    view: ViewOf<'BGPFilter'>,
    peer: BGPPeer | undefined,
  ): Derived<readonly NamedFilter[]> {
    const names = peer?.spec.filters ?? []
    const problems: ClusterProblem[] = []
    const value = names.flatMap((name, at) => {
      const filter = view.get('BGPFilter', name)
      const fault = filter === undefined ? ABSENT : this.#faultOf(filter)
      if (fault === undefined) return [{ name, ...filter!.spec }]
      problems.push(
        clusterProblem(identifierOf('BGPPeer', peer!.metadata.name), {
          field: `spec.filters[${at}]`,
          value: name,
          expected: fault,
          effect: 'the peer neither gets nor gives routes',
        }),
      )
      return []
    })
    return { value, problems }
  }

  #faultOf(filter: BGPFilter): string | undefined {
    let known = this.#faults.get(filter)
    if (known === undefined) this.#faults.set(filter, (known = { fault: faultOf(filter) }))
    return known.fault
  }
}

const ABSENT = 'expected the name of a BGPFilter that is there and can be read'
const CLOSED = { importPolicy: rejectAll, exportPolicy: rejectAll } as const

/** What in a filter cannot be obeyed. */
function faultOf({ metadata, spec }: BGPFilter): string | undefined {
  try {
    for (const list of ['exportV4', 'importV4', 'exportV6', 'importV6'] as const) {
      compileBgpFilter(`BGPFilter ${metadata.name} ${list}`, spec[list] ?? [])
    }
    return undefined
  } catch (thrown) {
    return messageOf(thrown)
  }
}
