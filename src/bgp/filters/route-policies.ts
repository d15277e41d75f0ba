import type { Prefix } from '../../net/prefix.ts'
import { prefixFamily } from '../../net/prefix.ts'
import type { PolicyRoute, PolicyVerdict, RoutePolicy } from '../policy.ts'
import type { BGPFilterRule } from '../../model/bgp-filter.ts'
import { type BgpFilter, compileBgpFilter } from './bgp-filter.ts'
import { calicoExport, type CalicoExportRules } from './calico-export.ts'
import type { FilterRoute, RouteVerdict } from './filter-route.ts'

/** A BGPFilter resource, as far as policies need it. */
export interface NamedFilter {
  readonly name: string
  readonly exportV4?: readonly BGPFilterRule[] | undefined
  readonly importV4?: readonly BGPFilterRule[] | undefined
  readonly exportV6?: readonly BGPFilterRule[] | undefined
  readonly importV6?: readonly BGPFilterRule[] | undefined
}

/** Policies of a neighbor by the BGPFilters that its BGPPeer names; none for a neighbor of the mesh. */
export interface RoutePolicies {
  exportPolicy(filters: readonly NamedFilter[]): RoutePolicy
  importPolicy(filters: readonly NamedFilter[]): RoutePolicy | undefined
}

/**
 * Policies of one state of the cluster. Asked twice for the same filters the same function is given, so
 * that the speaker computes for like neighbors once.
 *
 * @param interfaceOf the interface that a route originated here points to
 */
export function routePolicies(
  rules: CalicoExportRules,
  interfaceOf: (prefix: Prefix) => string | undefined = () => undefined,
): RoutePolicies {
  const byDefault = calicoExport(rules)
  const exports = new Map<string, RoutePolicy>()
  const imports = new Map<string, RoutePolicy>()
  return {
    exportPolicy: (filters) =>
      remembered(exports, filters, () => {
        const first = firstMatch(filters, 'export')
        return (route) => {
          const filterRoute = asFilterRoute(route, interfaceOf)
          return asVerdict(first(filterRoute) ?? byDefault(filterRoute))
        }
      }),
    importPolicy: (filters) => {
      if (filters.every(({ importV4, importV6 }) => !importV4?.length && !importV6?.length)) {
        return undefined
      }
      return remembered(imports, filters, () => {
        const first = firstMatch(filters, 'import')
        return (route) => {
          const verdict = first(asFilterRoute(route, interfaceOf))
          return verdict === undefined ? { accept: true } : asVerdict(verdict)
        }
      })
    },
  }
}

function remembered(
  policies: Map<string, RoutePolicy>,
  filters: readonly NamedFilter[],
  make: () => RoutePolicy,
): RoutePolicy {
  const key = JSON.stringify(filters)
  const known = policies.get(key)
  if (known !== undefined) return known
  const policy = make()
  policies.set(key, policy)
  return policy
}

/** The verdict of the first filter, in order, that has one. */
function firstMatch(filters: readonly NamedFilter[], direction: 'export' | 'import'): BgpFilter {
  const compile = (family: 'V4' | 'V6'): BgpFilter[] => {
    const key = `${direction}${family}` as const
    return filters.map((filter) =>
      compileBgpFilter(`BGPFilter ${filter.name} ${key}`, filter[key] ?? []),
    )
  }
  const byFamily = { 4: compile('V4'), 6: compile('V6') }
  return (route) => {
    for (const filter of byFamily[prefixFamily(route.prefix)]) {
      const verdict = filter(route)
      if (verdict !== undefined) return verdict
    }
    return undefined
  }
}

function asFilterRoute(
  { prefix, attributes, from, neighbor }: PolicyRoute,
  interfaceOf: (prefix: Prefix) => string | undefined,
): FilterRoute {
  const name = from === undefined ? interfaceOf(prefix) : undefined
  return {
    prefix,
    attributes,
    isFromBgp: from !== undefined,
    peerType: neighbor.kind === 'external' ? 'eBGP' : 'iBGP',
    ...(name === undefined ? {} : { interface: name }),
  }
}

function asVerdict(verdict: RouteVerdict): PolicyVerdict {
  return verdict.accept
    ? { accept: true, attributes: verdict.attributes }
    : { accept: false, reason: verdict.because }
}
