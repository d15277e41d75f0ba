import { describe, expect, it } from 'vitest'
import {
  checkResource,
  decodeResource,
  encodeResource,
  newResource,
  parseResource,
} from './parse-resource.ts'

const endpoint = {
  kind: 'WorkloadEndpoint',
  metadata: { namespace: 'default', labels: { app: 'network' } },
  spec: {
    orchestrator: 'k8s',
    node: 'server01',
    pod: 'network-5z4qp',
    endpoint: 'eth0',
    ipNetworks: ['10.211.0.6/32'],
    profiles: ['kns.default'],
    interfaceName: 'cali50914021272',
  },
} as const

const checked = (input: unknown): void => {
  checkResource(parseResource(input))
}

describe('a resource', () => {
  it('of a workload gets its name and labels from its identifiers', () => {
    const { metadata } = newResource(endpoint)
    expect(metadata.name).toBe('server01-k8s-network--5z4qp-eth0')
    expect(metadata.labels).toEqual({
      app: 'network',
      'projectcalico.org/namespace': 'default',
      'projectcalico.org/orchestrator': 'k8s',
    })
  })

  it('passes its own rules', () => {
    expect(() => checked(endpoint)).not.toThrow()
  })

  it('whose name does not match its identifiers is refused', () => {
    const input = { ...endpoint, metadata: { name: 'other', namespace: 'default' } }
    expect(() => checked(input)).toThrow(/expected name server01-k8s-network--5z4qp-eth0/)
  })

  it('tells every problem at once, with field, value and expectation', () => {
    const spec = { cidr: '10.0.0.1/16', ipipMode: 'Always', vxlanMode: 'Always', blockSize: 33 }
    expect(() => checked({ kind: 'IPPool', metadata: { name: 'A' }, spec })).toThrow(
      /the following fields:\n- {2}metadata.name = 'A'.*\n- {2}spec.cidr = '10.0.0.1\/16' \(expected a CIDR without bits/,
    )
  })

  it('with a field of a wrong type names the field and what was expected', () => {
    const spec = { cidr: '10.0.0.0/16', ipipMode: 'Sometimes' }
    expect(() => parseResource({ kind: 'IPPool', metadata: { name: 'a' }, spec })).toThrow(
      "error with field spec.ipipMode = 'Sometimes' (expected one of Never, Always, CrossSubnet)",
    )
  })

  it('of an unknown kind is refused with the kinds that there are', () => {
    expect(() => parseResource({ kind: 'Pod' })).toThrow(/resource type 'Pod' is not supported/)
  })

  it('of a pool gets the defaults of Calico', () => {
    const pool = newResource({
      kind: 'IPPool',
      metadata: { name: 'p' },
      spec: { cidr: 'fd00::/64' },
    })
    expect(pool.spec).toEqual({
      cidr: 'fd00::/64',
      blockSize: 122,
      ipipMode: 'Never',
      vxlanMode: 'Never',
      nodeSelector: 'all()',
      allowedUses: ['Workload', 'Tunnel'],
      assignmentMode: 'Automatic',
    })
  })

  it('keeps fields that it does not know and 64-bit numbers through a read and a write', () => {
    const text =
      '{"kind":"Node","apiVersion":"projectcalico.org/v3","metadata":{"name":"n","finalizers":["x"]},"spec":{"bgp":{"ipv4Address":"10.0.0.1/24","later":{"a":[1784000000123456789]}}},"more":1}'
    expect(encodeResource(decodeResource('Node', text, 7))).toBe(text)
  })

  it('is stored without its version and read with it', () => {
    const resource = decodeResource('Node', encodeResource(parseResource({ kind: 'Node' })), 42)
    expect(resource.metadata.resourceVersion).toBe('42')
    expect(encodeResource(resource)).not.toContain('resourceVersion')
  })

  it('writes maps in order of their keys', () => {
    const metadata = { name: 'n', labels: { b: '1', a: '2' } }
    expect(encodeResource(parseResource({ kind: 'Node', metadata }))).toContain('{"a":"2","b":"1"}')
  })
})
