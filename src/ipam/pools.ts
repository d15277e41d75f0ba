import type { IPPool } from '../model/resource.ts'
import { parseSelector } from '../model/selector.ts'
import type { Family } from '../net/ip-address.ts'
import { type Prefix, prefixFamily } from '../net/prefix.ts'
import { IpamError } from './ipam-error.ts'
import type { AutoAssignRequest, Use } from './requests.ts'

/** What of a pool matters for giving out addresses. */
export interface Pool {
  readonly name: string
  readonly cidr: Prefix
  /** Prefix length of its blocks. */
  readonly blockSize: number
}

/** Pools that can be used at all: of a family, enabled, in order of name. */
function enabledPools(pools: readonly IPPool[], family: Family): IPPool[] {
  return pools
    .filter(({ spec }) => {
      return spec.disabled !== true && prefixFamily(spec.cidr) === family
    })
    .toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))
}

function toPool({ metadata, spec }: IPPool): Pool {
  return { name: metadata.name, cidr: spec.cidr, blockSize: spec.blockSize }
}

type PoolRequest = Pick<
  AutoAssignRequest,
  'family' | 'node' | 'nodeLabels' | 'namespaceLabels' | 'pools' | 'use'
>

/**
 * The pools out of which a request may be served. Pools that it names are taken whatever their
 * selectors say; otherwise automatic ones that select node and namespace.
 *
 * Throws IpamError "no-pools" that tells which condition left none.
 */
export function qualifiedPools(pools: readonly IPPool[], request: PoolRequest): Pool[] {
  const enabled = enabledPools(pools, request.family)
  const chosen =
    request.pools === undefined ? automatic(enabled, request) : named(enabled, request.pools)
  if (chosen.length === 0) {
    throw new IpamError('no-pools', `no configured Calico pools for node ${request.node}`)
  }
  const usable = chosen.filter(({ spec }) => spec.allowedUses.includes(request.use))
  if (usable.length === 0) {
    throw new IpamError(
      'no-pools',
      `cannot find a qualified ippool, no pools match the required use (${request.use})`,
    )
  }
  return usable.map(toPool)
}

function named(enabled: readonly IPPool[], wanted: readonly Prefix[]): IPPool[] {
  return wanted.map((cidr) => {
    const pool = enabled.find(({ spec }) => spec.cidr === cidr)
    if (pool !== undefined) return pool
    throw new IpamError('no-pools', `the given pool (${cidr}) does not exist, or is not enabled`)
  })
}

function automatic(
  enabled: readonly IPPool[],
  { nodeLabels = {}, namespaceLabels = {} }: PoolRequest,
): IPPool[] {
  return enabled.filter(
    ({ spec }) =>
      spec.assignmentMode === 'Automatic' &&
      parseSelector(spec.nodeSelector).matches(nodeLabels) &&
      parseSelector(spec.namespaceSelector ?? '').matches(namespaceLabels),
  )
}

/** What packets between nodes may travel in. */
export type TunnelProtocol = 'ipip' | 'vxlan'

/** Pools whose packets between nodes may travel in it: those that a node needs a tunnel address for. */
export function tunnelPools(
  pools: readonly IPPool[],
  nodeLabels: Readonly<Record<string, string>>,
  kind: TunnelProtocol,
): Pool[] {
  const mode = `${kind}Mode` as const
  const use: Use = 'Tunnel'
  return enabledPools(pools, 4)
    .filter(
      ({ spec }) =>
        spec[mode] !== 'Never' &&
        spec.allowedUses.includes(use) &&
        parseSelector(spec.nodeSelector).matches(nodeLabels),
    )
    .map(toPool)
}
