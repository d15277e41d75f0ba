import { InvalidResource, type Problem } from '../model/problem.ts'
import type { IPPool } from '../model/resource.ts'
import { overlaps } from '../net/prefix.ts'

/** Throws InvalidResource if the new pool shares addresses with one that exists. */
export function checkAgainstOtherPools(pool: IPPool, others: readonly IPPool[]): void {
  const { cidr } = pool.spec
  const problems = others.flatMap((other): Problem[] => {
    const taken = other.spec.cidr
    if (!overlaps(cidr, taken) || other.metadata.name === pool.metadata.name) return []
    const reason = `IPPool(${pool.metadata.name}) CIDR overlaps with IPPool(${other.metadata.name}) CIDR ${taken}`
    return [{ field: 'spec.cidr', value: pool.spec.cidr, reason }]
  })
  if (problems.length > 0) throw new InvalidResource(problems)
}

/** Throws InvalidResource if a change touches what addresses given out depend on. */
export function checkPoolChange(before: IPPool, after: IPPool): void {
  const problems: Problem[] = []
  if (after.spec.cidr !== before.spec.cidr) {
    const reason = 'IPPool CIDR cannot be modified'
    problems.push({ field: 'spec.cidr', value: after.spec.cidr, reason })
  }
  if (after.spec.blockSize !== before.spec.blockSize) {
    const reason = 'IPPool BlockSize cannot be modified'
    problems.push({ field: 'spec.blockSize', value: after.spec.blockSize, reason })
  }
  if (problems.length > 0) throw new InvalidResource(problems)
}
