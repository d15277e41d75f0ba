import { type ClusterProblem, clusterProblem, type Derived } from '../model/cluster-problem.ts'
import { identifierOf, type IPPool } from '../model/resource.ts'
import { overlaps, parsePrefix, type Prefix } from '../net/prefix.ts'
import type { DatedResource } from './cluster-view.ts'

/**
 * Pools that do not overlap: one that has addresses of an older one does not count.
 *
 * @param rows the oldest first
 */
export function separatePools(
  rows: readonly DatedResource<'IPPool'>[],
): Derived<readonly IPPool[]> {
  const problems: ClusterProblem[] = []
  const counting: { readonly pool: IPPool; readonly cidr: Prefix }[] = []
  for (const { resource: pool } of rows) {
    const cidr = parsePrefix(pool.spec.cidr)
    const older = cidr && counting.find((other) => overlaps(other.cidr, cidr))?.pool
    if (cidr !== undefined && older === undefined) counting.push({ pool, cidr })
    else problems.push(contradiction(pool, older))
  }
  return { value: counting.map(({ pool }) => pool), problems }
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
