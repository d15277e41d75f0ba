import { describe, expect, it } from 'vitest'
import { type Decoded, decodeResource, storedProblemText } from './decode-resource.ts'
import { writtenForm } from './changed-document.ts'
import { encodeResource, newResource, parseResource, validResource } from './parse-resource.ts'
import type { Kind } from './resource.ts'

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
  validResource(input)
}

const KEY = '/calico/resources/v3/projectcalico.org/x/a'

const decode = <K extends Kind>(kind: K, value: string, modRevision = 7): Decoded<K> =>
  decodeResource(kind, { key: KEY, value, modRevision })

function read<K extends Kind>(kind: K, value: string, modRevision = 7) {
  const decoded = decode(kind, value, modRevision)
  if ('problem' in decoded) throw new Error(storedProblemText(decoded.problem))
  return decoded
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
      /the following fields:\n- {2}spec.blockSize = '33'.*\n- {2}metadata.name = 'A'.*\n- {2}spec.ipipMode.*\n- {2}spec.cidr = '10.0.0.1\/16' \(expected a CIDR without bits/,
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
    const { resource, document } = read('Node', text)
    expect(encodeResource(resource)).toBe(text)
    expect(encodeResource(writtenForm(document, resource))).toBe(text)
  })

  it('is stored without its version and read with it', () => {
    const { resource } = read('Node', encodeResource(parseResource({ kind: 'Node' })), 42)
    expect(resource.metadata.resourceVersion).toBe('42')
    expect(encodeResource(resource)).not.toContain('resourceVersion')
  })

  it('writes maps in order of their keys', () => {
    const metadata = { name: 'n', labels: { b: '1', a: '2' } }
    expect(encodeResource(parseResource({ kind: 'Node', metadata }))).toContain('{"a":"2","b":"1"}')
  })
})

describe('a stored row', () => {
  const bgp = (spec: object): string =>
    JSON.stringify({
      kind: 'BGPConfiguration',
      apiVersion: 'projectcalico.org/v3',
      metadata: { name: 'default' },
      spec,
    })

  it.each([
    ['', '', 'expected JSON'],
    ['{', '', 'expected JSON'],
    ['[]', '', 'expected a map'],
    ['null', '', 'expected a map'],
    ['7', '', 'expected a map'],
    ['{"kind":"Node"}', 'kind', 'expected BGPConfiguration'],
    ['{"kind":5}', 'kind', 'expected BGPConfiguration'],
    ['{"kind":"BGPConfiguration","apiVersion":"projectcalico.org/v4"}', 'apiVersion', 'v3'],
    ['{"kind":"BGPConfiguration","metadata":[]}', 'metadata', 'expected object'],
    ['{"kind":"BGPConfiguration","spec":5}', 'spec', 'expected object'],
    ['{"kind":"BGPConfiguration","spec":{"x":"\ufffd"}}', '', 'expected UTF-8'],
    ['['.repeat(100_000), '', 'nested'],
    [`{"kind":"BGPConfiguration","x":${'['.repeat(101)}${']'.repeat(101)}}`, '', 'nested'],
    [`"${' '.repeat(5_000_000)}"`, '', 'characters at most'],
    [bgp({ asNumber: 'many' }), 'spec.asNumber', 'expected an AS number'],
    [bgp({ bindMode: 'All' }), 'spec.bindMode', 'expected one of None, NodeIP'],
  ])('is one problem: case %$', (value, field, expected) => {
    const decoded = decode('BGPConfiguration', value)
    if (!('problem' in decoded)) throw new Error('it was read')
    expect(decoded.problem).toMatchObject({ kind: 'BGPConfiguration', key: KEY, field })
    expect(decoded.problem.expected).toContain(expected)
    expect(decoded.problem.value.length).toBeLessThanOrEqual(120)
  })

  it('in brackets inside text is not deep', () => {
    const { resource } = read('BGPConfiguration', bgp({ logSeverityScreen: '[{"\\['.repeat(200) }))
    expect(resource.spec.logSeverityScreen).toContain('[[')
  })

  it('with a bad entry counts without it', () => {
    const spec = {
      asNumber: 64567,
      serviceLoadBalancerIPs: [{}, { cidr: '' }, { cidr: 5 }, { cidr: '192.0.2.0/24' }, null],
      serviceClusterIPs: 'all',
    }
    const { resource, problems } = read('BGPConfiguration', bgp(spec))
    expect(resource.spec.asNumber).toBe(64567)
    expect(resource.spec.serviceClusterIPs).toBeUndefined()
    expect(problems.map(({ field, value }) => [field, value])).toEqual([
      ['spec.serviceLoadBalancerIPs[2].cidr', '5'],
      ['spec.serviceClusterIPs', 'all'],
    ])
  })

  it('keeps its bad entries when it is written again', () => {
    const spec = {
      asNumber: 64567,
      serviceLoadBalancerIPs: [{}, { cidr: 5 }],
      serviceClusterIPs: 'x',
    }
    const { resource, document } = read('BGPConfiguration', bgp(spec))
    expect(JSON.parse(encodeResource(writtenForm(document, resource)))).toMatchObject({ spec })
  })

  it('is told of without control characters', () => {
    const value = String.raw`{"kind":"Node","metadata":{"name":"\u001b[31mRED\u0007\u202e"},"spec":{"bgp":"\u001b]0;x"}}`
    const decoded = decodeResource('Node', { key: 'a\u001bb', value, modRevision: 1 })
    expect(decoded).toMatchObject({ problem: { key: 'a\\u001bb', value: '\\u001b]0;x' } })
  })
})
