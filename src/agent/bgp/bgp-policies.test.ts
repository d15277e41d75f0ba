import { describe, expect, it } from 'vitest'
import { rejectAll } from '../../bgp/policy.ts'
import type { Draft } from '../../model/resource.ts'
import { ip } from '../../net/ip-address.ts'
import { prefix } from '../../net/prefix.ts'
import { BgpPolicies, exportRules } from './bgp-policies.ts'
import { ClusterView } from '../cluster/cluster-view.ts'
import { uncheckedResource } from '../testing/unchecked-resource.ts'

const blocks = [{ cidr: prefix('10.211.0.0/24'), state: 'confirmed' as const }]

function cluster(): ClusterView {
  const view = new ClusterView()
  view.set(
    uncheckedResource({
      kind: 'IPPool',
      metadata: { name: 'pods' },
      spec: { cidr: '10.211.0.0/16', blockSize: 24 },
    }),
  )
  view.set(
    uncheckedResource({
      kind: 'BGPFilter',
      metadata: { name: 'no-pods' },
      spec: { exportV4: [{ action: 'Reject', matchOperator: 'In', cidr: '10.211.0.0/16' }] },
    }),
  )
  return view
}

const neighbor = { address: ip('172.16.170.129'), as: 64512, kind: 'internal' as const }
const attributes = { origin: 'igp' as const, asPath: [], nextHop: ip('172.16.170.128') }
const route = (text: string) => ({ prefix: prefix(text), attributes, from: undefined, neighbor })

describe('what a node announces', () => {
  it('is its own blocks whole and nothing inside them, to the mesh', () => {
    const view = cluster()
    const policies = new BgpPolicies(exportRules(view, 'server01', blocks).value).of(view)
    const { exportPolicy, importPolicy } = policies({ internal: true, peer: undefined }).value
    expect(importPolicy).toBeUndefined()
    expect(exportPolicy?.(route('10.211.0.0/24')).accept).toBe(true)
    expect(exportPolicy?.(route('10.211.0.6/32')).accept).toBe(false)
    expect(exportPolicy?.(route('10.211.9.6/32')).accept).toBe(true)
    expect(exportPolicy?.(route('192.0.2.0/24')).accept).toBe(false)
  })

  it('is filtered towards a peer that names filters, and only there', () => {
    const view = cluster()
    const policies = new BgpPolicies(exportRules(view, 'server01', blocks).value).of(view)
    const peer = uncheckedResource({
      kind: 'BGPPeer',
      metadata: { name: 'tor' },
      spec: { peerIP: '172.16.170.1', asNumber: 65001, filters: ['no-pods'] },
    })
    const filtered = policies({ internal: false, peer }).value.exportPolicy
    expect(filtered?.(route('10.211.0.0/24')).accept).toBe(false)
  })

  it('stays the same function until something that it follows from changes', () => {
    const view = cluster()
    const policies = new BgpPolicies(exportRules(view, 'server01', blocks).value)
    const ask = () => policies.of(view)({ internal: true, peer: undefined }).value.exportPolicy
    expect(ask()).toBe(ask())
  })
})

describe('a filter that is absent or cannot be obeyed', () => {
  const peerWith = (filters: string[]) =>
    uncheckedResource({
      kind: 'BGPPeer',
      metadata: { name: 'tor' },
      spec: { peerIP: '172.16.170.1', asNumber: 65001, filters },
    })
  const odd = uncheckedResource({
    kind: 'BGPFilter',
    metadata: { name: 'odd' },
    spec: { importV4: [{ action: 'Accept', communities: { values: ['notacommunity'] } }] },
  })

  it.each([
    [['missing'], 'spec.filters[0]', 'BGPFilter that is there'],
    [['no-pods', 'missing'], 'spec.filters[1]', 'BGPFilter that is there'],
    [['odd'], 'spec.filters[0]', 'expected a community'],
  ])('closes the peer both ways, and no other: %j', (filters, field, words) => {
    const view = cluster()
    view.set(odd)
    const policies = new BgpPolicies(exportRules(view, 'server01', blocks).value).of(view)
    const { value, problems } = policies({ internal: false, peer: peerWith(filters) })
    expect(value.exportPolicy).toBe(rejectAll)
    expect(value.importPolicy).toBe(rejectAll)
    expect(problems).toMatchObject([{ resource: 'BGPPeer(tor)', field }])
    expect(problems[0]!.expected).toContain(words)
    const others = policies({ internal: true, peer: undefined })
    expect(others.problems).toEqual([])
    expect(others.value.exportPolicy?.(route('10.211.0.0/24')).accept).toBe(true)
  })

  it('opens the peer again when it is mended', () => {
    const view = cluster()
    const policies = new BgpPolicies(exportRules(view, 'server01', blocks).value)
    const ask = () => policies.of(view)({ internal: false, peer: peerWith(['odd']) }).value
    expect(ask().exportPolicy).toBe(rejectAll)
    view.set(uncheckedResource({ kind: 'BGPFilter', metadata: { name: 'odd' }, spec: {} }))
    expect(ask().exportPolicy?.(route('10.211.0.0/24')).accept).toBe(true)
  })
})

describe('one entry of a BGPConfiguration that is wrong', () => {
  const rulesOf = (spec: NonNullable<Draft<'BGPConfiguration'>['spec']>) => {
    const view = cluster()
    view.set(uncheckedResource({ kind: 'BGPConfiguration', metadata: { name: 'default' }, spec }))
    return exportRules(view, 'server01', blocks)
  }

  it('takes the communities of its own advertisement alone', () => {
    const { value, problems } = rulesOf({
      prefixAdvertisements: [
        { cidr: '10.211.0.0/16', communities: ['not-defined'] },
        { cidr: '10.211.0.0/24', communities: ['65000:1'] },
        { cidr: '10.211.0.0/24', communities: ['70000:1'] },
      ],
    })
    expect(value.advertisements).toEqual([
      { cidr: '10.211.0.0/24', communities: [{ kind: 'standard', value: 65000 * 65536 + 1 }] },
    ])
    expect(problems.map(({ field, value }) => [field, value])).toEqual([
      ['spec.prefixAdvertisements[0].communities[0]', 'not-defined'],
      ['spec.prefixAdvertisements[2].communities[0]', '70000:1'],
    ])
  })

  it('takes its own service range alone, and an address without a length is one', () => {
    const { value, problems } = rulesOf({
      serviceClusterIPs: [{ cidr: 'garbage' }, { cidr: '10.96.0.0/12' }, { cidr: '192.0.2.1' }],
    })
    expect(value.servicePrefixes).toEqual(['10.96.0.0/12', '192.0.2.1/32'])
    expect(problems).toMatchObject([
      { resource: 'BGPConfiguration(default)', field: 'spec.serviceClusterIPs[0].cidr' },
    ])
  })
})
