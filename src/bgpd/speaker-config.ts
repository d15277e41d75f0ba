import type {
  DynamicNeighborConfig,
  NeighborConfig,
  NeighborOptions,
  SpeakerConfig,
} from '../bgp/config.ts'
import { type BgpFilter, compileBgpFilter } from '../bgp/filters/bgp-filter.ts'
import { parseCommunityValue } from '../bgp/filters/communities.ts'
import { acceptAll, type PolicyRoute, rejectAll, type RoutePolicy } from '../bgp/policy.ts'
import type { AnnouncedAttributes, LargeCommunity } from '../bgp/route-attributes.ts'
import type { Family } from '../net/ip-address.ts'
import { BGP_PORT } from '../wire/bgp/iana.ts'
import type {
  BgpdFile,
  FileAnnouncement,
  FileDynamicNeighbor,
  FileNeighbor,
  FilePolicy,
} from './config-schema.ts'

/** Changes kept of each route unless the file says otherwise. */
const HISTORY_PER_ROUTE = 8

/**
 * Policies by what they say. Kept over reloads: a policy that is the same is the same function, so that
 * the speaker does nothing about it.
 */
export type PolicyCache = Map<string, RoutePolicy>

/** What the speaker is told. `restarting` as in GracefulRestartConfig. */
export function daemonSpeakerConfig(
  file: BgpdFile,
  cache: PolicyCache,
  restarting: boolean,
): SpeakerConfig {
  const policies = (policy: FilePolicy | undefined): RoutePolicy | undefined =>
    policy === undefined ? undefined : routePolicy(file, policy, cache)
  const restart = file.gracefulRestart ?? {}
  return {
    localAs: file.localAs,
    routerId: file.routerId,
    listen: (file.listen ?? [{}]).map(({ address, port = BGP_PORT }) =>
      address === undefined ? { port } : { address, port },
    ),
    neighbors: (file.neighbors ?? []).map((neighbor) => neighborConfig(neighbor, policies)),
    dynamicNeighbors: (file.dynamicNeighbors ?? []).map((neighbor) =>
      dynamicConfig(neighbor, policies),
    ),
    requirePolicy: file.requirePolicy ?? true,
    historyPerRoute: file.historyPerRoute ?? HISTORY_PER_ROUTE,
    ...(restart === false ? {} : { gracefulRestart: { ...defined(restart), restarting } }),
    ...defined({
      clusterId: file.clusterId,
      multipathMaximum: file.multipathMaximum,
      multipathRelaxed: file.multipathRelaxed,
      alwaysCompareMed: file.alwaysCompareMed,
    }),
  }
}

type Policies = (policy: FilePolicy | undefined) => RoutePolicy | undefined

function neighborConfig(neighbor: FileNeighbor, policies: Policies): NeighborConfig {
  const { bfd: _, import: __, export: ___, families: ____, prefixLimit: _____, ...rest } = neighbor
  return { ...defined(rest), ...shared(neighbor, policies) }
}

function dynamicConfig(neighbor: FileDynamicNeighbor, policies: Policies): DynamicNeighborConfig {
  const { bfd: _, import: __, export: ___, families: ____, prefixLimit: _____, ...rest } = neighbor
  return { ...defined(rest), ...shared(neighbor, policies) }
}

function shared(
  neighbor: FileNeighbor | FileDynamicNeighbor,
  policies: Policies,
): Pick<NeighborOptions, 'families' | 'prefixLimit' | 'bfd' | 'importPolicy' | 'exportPolicy'> {
  const { prefixLimit: limit, bfd } = neighbor
  return defined({
    bfd: bfd === undefined || bfd === false ? undefined : bfd === true ? {} : defined(bfd),
    prefixLimit: limit === undefined ? undefined : defined(limit),
    families: neighbor.families?.map((family): Family => (family === 'ipv4' ? 4 : 6)),
    importPolicy: policies(neighbor.import),
    exportPolicy: policies(neighbor.export),
  })
}

/** The fields of an object that are there, so that an absent one stays absent. */
function defined<T extends object>(object: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  const entries = Object.entries(object).filter(([, value]) => value !== undefined)
  return Object.fromEntries(entries) as { [K in keyof T]: Exclude<T[K], undefined> }
}

function routePolicy(file: BgpdFile, policy: FilePolicy, cache: PolicyCache): RoutePolicy {
  if (policy === 'accept') return acceptAll
  if (policy === 'reject') return rejectAll
  const filters = Array.isArray(policy)
    ? policy.map((name) => ({ name, rules: file.filters?.[name] ?? [] }))
    : policy
  const key = JSON.stringify(filters)
  const known = cache.get(key)
  if (known !== undefined) return known
  const made = filterPolicy(filters)
  cache.set(key, made)
  return made
}

type Rules = NonNullable<BgpdFile['filters']>[string]

function filterPolicy(
  filters: readonly { readonly name: string; readonly rules: Rules }[],
): RoutePolicy {
  const compiled = filters.map(({ name, rules }): BgpFilter => compileBgpFilter(name, rules))
  return ({ prefix, attributes, from, neighbor }: PolicyRoute) => {
    const peerType = neighbor.kind === 'external' ? 'eBGP' : 'iBGP'
    const route = { prefix, attributes, isFromBgp: from !== undefined, peerType } as const
    for (const filter of compiled) {
      const verdict = filter(route)
      if (verdict?.accept === true) return { accept: true, attributes: verdict.attributes }
      if (verdict !== undefined) return { accept: false, reason: `rejected by ${verdict.because}` }
    }
    return { accept: false, reason: 'no rule of the filters matches' }
  }
}

/** The attributes of a static announcement. */
export function announcedAttributes(announcement: FileAnnouncement): AnnouncedAttributes {
  const { communities, largeCommunities, asPath } = announcement
  const { origin, nextHop, med, localPreference } = announcement
  return defined({
    origin,
    nextHop,
    med,
    localPreference,
    asPath: asPath?.length ? [{ kind: 'sequence' as const, asns: asPath }] : undefined,
    communities: communities?.map((text) => parseCommunityValue(text)!.value as number),
    largeCommunities: largeCommunities?.map(
      (text) => parseCommunityValue(text)!.value as LargeCommunity,
    ),
  })
}
