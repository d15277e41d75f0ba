import { type ClusterProblem, clusterProblem, type Derived } from '../../model/cluster-problem.ts'
import { identifierOf } from '../../model/resource.ts'
import { parseIpAddress } from '../../net/ip-address.ts'
import { hostPrefix, parsePrefix, type Prefix } from '../../net/prefix.ts'
import type { ViewOf } from '../cluster/derived.ts'

/** Where services have their addresses, whoever announces them: routes to them are the cluster's own affair. */
export function serviceRanges(view: ViewOf<'BGPConfiguration'>): readonly Prefix[] {
  const { clusterIps, externalIps, loadBalancerIps } = announcedRanges(view).value
  return [...clusterIps, ...externalIps, ...loadBalancerIps]
}

/** The same by field of BGPConfiguration "default", and which entries are none. */
export function announcedRanges(
  view: ViewOf<'BGPConfiguration'>,
): Derived<Record<'clusterIps' | 'externalIps' | 'loadBalancerIps', readonly Prefix[]>> {
  const bgp = view.get('BGPConfiguration', 'default')?.spec ?? {}
  const clusterIps = cidrsOf('spec.serviceClusterIPs', bgp.serviceClusterIPs)
  const externalIps = cidrsOf('spec.serviceExternalIPs', bgp.serviceExternalIPs)
  const loadBalancerIps = cidrsOf('spec.serviceLoadBalancerIPs', bgp.serviceLoadBalancerIPs)
  return {
    value: {
      clusterIps: clusterIps.value,
      externalIps: externalIps.value,
      loadBalancerIps: loadBalancerIps.value,
    },
    problems: [clusterIps, externalIps, loadBalancerIps].flatMap(({ problems }) => problems),
  }
}

/** A range without a length is a single address, as in Calico; an empty entry says nothing. */
function cidrsOf(
  field: string,
  list: readonly { readonly cidr?: string | undefined }[] | undefined,
): Derived<Prefix[]> {
  const problems: ClusterProblem[] = []
  const value = (list ?? []).flatMap(({ cidr }, at) => {
    if (cidr === undefined || cidr === '') return []
    const address = parseIpAddress(cidr)
    const prefix = address === undefined ? parsePrefix(cidr) : hostPrefix(address)
    if (prefix !== undefined) return [prefix]
    const resource = identifierOf('BGPConfiguration', 'default')
    const expected = 'expected a CIDR such as 10.96.0.0/12, host bits zero'
    const where = `${field}[${at}].cidr`
    const effect = 'the entry is left out'
    problems.push(clusterProblem(resource, { field: where, value: cidr, expected, effect }))
    return []
  })
  return { value, problems }
}
