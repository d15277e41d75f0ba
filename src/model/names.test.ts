import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { interfaceName } from './interface-name.ts'
import { findKind } from './kinds.ts'
import { parseWorkloadEndpointName, workloadEndpointName } from './workload-endpoint-name.ts'

describe('names', () => {
  it("give the host's end of a pod the name that Calico gives it", () => {
    expect(interfaceName('default', 'network-5z4qp')).toBe('cali50914021272')
    expect(interfaceName('default', 'network-6k87z')).toBe('calif17d1193010')
    expect(interfaceName('default', 'network-mngxw')).toBe('calid406b8b6c93')
  })

  it('of endpoints double the dashes of each part', () => {
    expect(workloadEndpointName('node-1', 'k8s', 'frontend-5gs43', 'eth0')).toBe(
      'node--1-k8s-frontend--5gs43-eth0',
    )
  })

  it('of endpoints are parsed to what they were made of', () => {
    const segment = fc.stringMatching(/^[a-z0-9]([-a-z0-9.]{0,10}[a-z0-9])?$/)
    fc.assert(
      fc.property(segment, segment, segment, segment, (node, orchestrator, workload, endpoint) => {
        const name = workloadEndpointName(node, orchestrator, workload, endpoint)
        expect(parseWorkloadEndpointName(name)).toEqual({ node, orchestrator, workload, endpoint })
      }),
    )
  })

  it.each(['', 'a-b-c', 'a-b-c-d-e', 'a--b-c-d', '-a-b-c-d', 'a-b-c-d-'])(
    'of endpoints are not "%s"',
    (name) => {
      expect(parseWorkloadEndpointName(name)).toBeUndefined()
    },
  )

  it('of endpoints refuse a part that ends in a dash', () => {
    expect(() => workloadEndpointName('node-', 'k8s', 'pod', 'eth0')).toThrow(/node that/)
  })

  it('of kinds are found by plural, alias and in any case', () => {
    expect(['wep', 'WorkloadEndpoints', 'ippool', 'NO', 'pods'].map(findKind)).toEqual([
      'WorkloadEndpoint',
      'WorkloadEndpoint',
      'IPPool',
      'Node',
      undefined,
    ])
  })
})
