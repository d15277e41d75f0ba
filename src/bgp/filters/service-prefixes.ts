import { type IpAddress, parseIpAddress } from '../../net/ip-address.ts'
import { contains, hostPrefix, type Prefix } from '../../net/prefix.ts'
import { isSingle } from './prefix-set.ts'

/** Ranges of a BGPConfiguration from which services are announced. */
export interface ServiceRanges {
  readonly clusterIps: readonly Prefix[]
  readonly externalIps: readonly Prefix[]
  readonly loadBalancerIps: readonly Prefix[]
  /** serviceLoadBalancerAggregation: whole ranges (Enabled, the default) or single addresses. */
  readonly aggregatesLoadBalancers: boolean
}

/** A service as far as its announcement depends on it. */
export interface AnnouncedService {
  readonly type: 'ClusterIP' | 'NodePort' | 'LoadBalancer' | 'ExternalName'
  /** "None" for a headless one. */
  readonly clusterIps: readonly string[]
  readonly externalIps: readonly string[]
  readonly loadBalancerIps: readonly string[]
  readonly externalTrafficPolicy: 'Cluster' | 'Local'
  /** Nodes with a ready endpoint of the service. */
  readonly readyNodes: readonly string[]
}

/**
 * The service prefixes that a node announces: ranges whole, and single addresses of services with
 * externalTrafficPolicy Local where the node has a ready endpoint (or, where addresses are announced one
 * by one, of any service with a ready endpoint). None on nodes excluded from external load balancers.
 */
export function servicePrefixes(
  node: { readonly name: string; readonly isExcluded: boolean },
  ranges: ServiceRanges,
  services: readonly AnnouncedService[],
): readonly Prefix[] {
  if (node.isExcluded) return []
  const found = new Set<Prefix>(ranges.clusterIps)
  for (const range of ranges.externalIps) if (!isSingle(range)) found.add(range)
  if (ranges.aggregatesLoadBalancers) {
    for (const range of ranges.loadBalancerIps) if (!isSingle(range)) found.add(range)
  }
  for (const service of services) {
    for (const address of addressesOf(service, node.name, ranges)) found.add(hostPrefix(address))
  }
  return [...found]
}

function addressesOf(
  service: AnnouncedService,
  node: string,
  ranges: ServiceRanges,
): readonly IpAddress[] {
  if (service.type === 'ExternalName' || service.clusterIps[0] === 'None') return []
  const parse = (list: readonly string[]): IpAddress[] =>
    list.flatMap((text) => parseIpAddress(text) ?? [])
  const within = (addresses: IpAddress[], allowed: readonly Prefix[]): IpAddress[] =>
    addresses.filter((address) => allowed.some((range) => contains(range, address)))
  const external = within(parse(service.externalIps), ranges.externalIps)
  const balanced = within(parse(service.loadBalancerIps), ranges.loadBalancerIps)
  if (service.externalTrafficPolicy === 'Local') {
    if (!service.readyNodes.includes(node)) return []
    return [...within(parse(service.clusterIps), ranges.clusterIps), ...external, ...balanced]
  }
  if (service.readyNodes.length === 0) return []
  const named = (addresses: IpAddress[], configured: readonly Prefix[]): IpAddress[] =>
    addresses.filter((address) => configured.includes(hostPrefix(address)))
  return [
    ...named(external, ranges.externalIps),
    ...(ranges.aggregatesLoadBalancers ? named(balanced, ranges.loadBalancerIps) : balanced),
  ]
}
