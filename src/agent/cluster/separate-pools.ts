import { type ClusterProblem, clusterProblem, type Derived } from '../../model/cluster-problem.ts'
import { identifierOf, type IPPool } from '../../model/resource.ts'
import { addressOctets } from '../../net/ip-address.ts'
import { overlaps, parsePrefix, type Prefix, prefixAddress } from '../../net/prefix.ts'
import type { DatedResource } from './kind-rows.ts'

interface Counting {
  readonly pool: IPPool
  readonly cidr: Prefix
  /** A text that sorts as its first address does. */
  readonly place: string
}

/**
 * Pools that do not overlap: one that has addresses of an older one does not count.
 *
 * @param rows the oldest first
 */
export function separatePools(
  rows: readonly DatedResource<'IPPool'>[],
): Derived<readonly IPPool[]> {
  const problems: ClusterProblem[] = []
  /** In order of place, so that a pool need be compared with its neighbors alone. */
  const counting: Counting[] = []
  for (const { resource: pool } of rows) {
    const cidr = parsePrefix(pool.spec.cidr)
    if (cidr === undefined) {
      problems.push(contradiction(pool, undefined))
      continue
    }
    const place = String.fromCharCode(...addressOctets(prefixAddress(cidr)))
    const at = indexOfPlace(counting, place, cidr)
    const neighbors = [counting[at - 1], counting[at]]
    const older = neighbors.find((other) => other !== undefined && overlaps(other.cidr, cidr))
    if (older !== undefined) problems.push(contradiction(pool, older.pool))
    else counting.splice(at, 0, { pool, cidr, place })
  }
  return { value: counting.map(({ pool }) => pool), problems }
}

/** Where a pool would stand: behind all that begin before it, or where it begins. IPv4 before IPv6. */
function indexOfPlace(counting: readonly Counting[], place: string, cidr: Prefix): number {
  const isIpv6 = cidr.includes(':')
  let [least, most] = [0, counting.length]
  while (least < most) {
    const middle = (least + most) >>> 1
    const other = counting[middle]!
    const otherIsIpv6 = other.cidr.includes(':')
    const isBehind = otherIsIpv6 === isIpv6 ? other.place > place : otherIsIpv6
    if (isBehind) most = middle
    else least = middle + 1
  }
  return least
}

function contradiction({ metadata, spec }: IPPool, older: IPPool | undefined): ClusterProblem {
  return clusterProblem(identifierOf('IPPool', metadata.name), {
    field: 'spec.cidr',
    value: spec.cidr,
    expected:
      older === undefined
        ? 'expected a CIDR such as 10.211.0.0/16, host bits zero'
        : `expected no address of ${identifierOf('IPPool', older.metadata.name)} (${older.spec.cidr}), which is older`,
    effect: 'the pool is left out',
  })
}
