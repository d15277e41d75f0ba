import { expect, it } from 'vitest'
import { describeProblem } from '../model/cluster-problem.ts'
import { newResource } from '../model/parse-resource.ts'
import { podCidrs } from './pod-cidrs.ts'

it('tells of a podCIDR with host bits, and keeps the others', () => {
  const node = newResource({
    kind: 'Node',
    metadata: { name: 'x' },
    status: { podCIDRs: ['10.211.0.9/24', '10.211.1.0/24', 'garbage'] },
  })
  const { value, problems } = podCidrs(node)
  expect(value).toEqual(['10.211.1.0/24'])
  expect(problems.map(describeProblem)).toEqual([
    'Node(x): status.podCIDRs[0] is 10.211.0.9/24: expected a CIDR, and this has host bits set; no block is claimed for it',
    'Node(x): status.podCIDRs[2] is garbage: expected a CIDR such as 10.211.0.0/24; no block is claimed for it',
  ])
})
