import type { Prefix } from '../../net/prefix.ts'
import type { RouteAttributes } from '../route-attributes.ts'
import { type CommunityValue, withCommunity } from './communities.ts'
import type { FilterRoute, RouteVerdict } from './filter-route.ts'
import { isSame, isSingle, isWithin, type PrefixOctets, prefixOctets } from './prefix-set.ts'

/** What a node knows of its cluster when it decides what to announce; Calico's bird_aggr and bird_ipam. */
export interface CalicoExportRules {
  /** IP pools; those with `disableBgpExport` are announced to nobody. */
  readonly pools: readonly { readonly cidr: Prefix; readonly disableBgpExport: boolean }[]
  /** Blocks with an affinity to this node. Only confirmed ones stand for the addresses inside. */
  readonly blocks: readonly OwnBlock[]
  /** Service addresses and ranges that this node announces. */
  readonly servicePrefixes: readonly Prefix[]
  /** serviceLoadBalancerIPs and serviceExternalIPs, which a route reflector passes on whoever announced them. */
  readonly serviceRanges: readonly Prefix[]
  readonly isRouteReflector: boolean
  /** The agent, not BGP, writes routes over tunl0: such routes are not for neighbors of the same AS. */
  readonly agentProgramsTunnels: boolean
  readonly advertisements: readonly PrefixAdvertisement[]
}

export interface OwnBlock {
  readonly cidr: Prefix
  readonly state: 'confirmed' | 'pending' | 'pendingDeletion'
}

/** Communities that go with every route in a CIDR (BGPConfiguration.prefixAdvertisements). */
export interface PrefixAdvertisement {
  readonly cidr: Prefix
  readonly communities: readonly CommunityValue[]
}

/** Interfaces of VXLAN and WireGuard, whose routes each node writes for itself. */
const TUNNEL_INTERFACE = /\.(cali|calico)$/
/** Interfaces of the eBPF dataplane. */
const BPF_INTERFACE = /^bpf.*\.cali$/s

/**
 * Calico's default for announcements, `calico_export_to_bgp_peers` of its BIRD templates, step by step:
 * the first that speaks decides, and what nobody speaks for stays here.
 */
export function calicoExport(rules: CalicoExportRules): (route: FilterRoute) => RouteVerdict {
  const compile = (cidrs: readonly Prefix[]): PrefixOctets[] => cidrs.map(prefixOctets)
  const closedPools = compile(cidrsOf(rules.pools.filter((pool) => pool.disableBgpExport)))
  const openPools = compile(cidrsOf(rules.pools.filter((pool) => !pool.disableBgpExport)))
  const blocks = compile(cidrsOf(rules.blocks.filter(({ state }) => state === 'confirmed')))
  const services = compile(rules.servicePrefixes)
  const ranges = rules.isRouteReflector ? compile(rules.serviceRanges) : []
  const advertisements = rules.advertisements.map(({ cidr, communities }) => ({
    cidr: prefixOctets(cidr),
    communities,
  }))
  return (route) => {
    const prefix = prefixOctets(route.prefix)
    const inside = (outer: PrefixOctets): boolean => isWithin(prefix, outer)
    if (closedPools.some(inside)) return reject('its IP pool disables BGP export')
    const interfaceReason = interfaceRejects(route, rules.agentProgramsTunnels)
    if (interfaceReason !== undefined) return reject(interfaceReason)
    const attributes = withCommunities(route.attributes, prefix, advertisements)
    const accept = (because: string): RouteVerdict => ({ accept: true, attributes, because })
    for (const block of blocks) {
      if (isSame(prefix, block)) return accept('a block of this node')
      if (inside(block)) return reject('the block that it is in is announced whole')
    }
    if (services.some(inside)) return accept('a service prefix')
    if (ranges.some(inside)) return accept('a service prefix that this node reflects')
    if (openPools.some(inside)) return accept('in an IP pool')
    return reject('neither in an IP pool nor a service prefix')
  }
}

function reject(because: string): RouteVerdict {
  return { accept: false, because }
}

function cidrsOf(list: readonly { readonly cidr: Prefix }[]): Prefix[] {
  return list.map(({ cidr }) => cidr)
}

function interfaceRejects(route: FilterRoute, agentProgramsTunnels: boolean): string | undefined {
  const name = route.interface
  if (name === undefined) return undefined
  if (BPF_INTERFACE.test(name)) return `it points to ${name}`
  if (route.peerType === 'eBGP') return undefined
  const isTunnel = TUNNEL_INTERFACE.test(name) || (agentProgramsTunnels && name === 'tunl0')
  return isTunnel ? `every node writes its own routes to ${name}` : undefined
}

function withCommunities(
  attributes: RouteAttributes,
  prefix: PrefixOctets,
  advertisements: readonly { cidr: PrefixOctets; communities: readonly CommunityValue[] }[],
): RouteAttributes {
  return advertisements
    .filter(({ cidr }) => isWithin(prefix, cidr))
    .flatMap(({ communities }) => communities)
    .reduce(withCommunity, attributes)
}

/**
 * The blocks that a node originates and has a blackhole for: those that it has an affinity to, except
 * those of a single address. A pending affinity may yet be another node's, and is as good as none
 * (confd, "Ignore pending block affinities").
 */
export function originatedBlocks({ blocks }: Pick<CalicoExportRules, 'blocks'>): readonly Prefix[] {
  const held = cidrsOf(blocks.filter(({ state }) => state !== 'pending'))
  return [...new Set(held.filter((cidr) => !isSingle(cidr)))]
}

/** What a node originates: its blocks and its service prefixes. What goes out is {@link calicoExport}'s. */
export function originatedPrefixes(rules: CalicoExportRules): readonly Prefix[] {
  return [...new Set([...originatedBlocks(rules), ...rules.servicePrefixes])]
}
