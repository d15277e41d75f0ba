import { describe, expect, it } from 'vitest'
import { newResource } from '../model/parse-resource.ts'
import { ip } from '../net/ip-address.ts'
import { prefix } from '../net/prefix.ts'
import { BgpPolicies, exportRules } from './bgp-policies.ts'
import { ClusterView } from './cluster-view.ts'

const blocks = [{ cidr: prefix('10.211.0.0/24'), state: 'confirmed' as const }]

function cluster(): ClusterView {
  const view = new ClusterView()
  view.set(
    newResource({
      kind: 'IPPool',
      metadata: { name: 'pods' },
      spec: { cidr: '10.211.0.0/16', blockSize: 24 },
    }),
  )
  view.set(
    newResource({
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
    const policies = new BgpPolicies().of(view, exportRules(view, 'server01', blocks))
    const { exportPolicy, importPolicy } = policies({ internal: true, peer: undefined })
    expect(importPolicy).toBeUndefined()
    expect(exportPolicy?.(route('10.211.0.0/24')).accept).toBe(true)
    expect(exportPolicy?.(route('10.211.0.6/32')).accept).toBe(false)
    expect(exportPolicy?.(route('10.211.9.6/32')).accept).toBe(true)
    expect(exportPolicy?.(route('192.0.2.0/24')).accept).toBe(false)
  })

  it('is filtered towards a peer that names filters, and only there', () => {
    const view = cluster()
    const policies = new BgpPolicies().of(view, exportRules(view, 'server01', blocks))
    const peer = newResource({
      kind: 'BGPPeer',
      metadata: { name: 'tor' },
      spec: { peerIP: '172.16.170.1', asNumber: 65001, filters: ['no-pods', 'missing'] },
    })
    const filtered = policies({ internal: false, peer }).exportPolicy
    expect(filtered?.(route('10.211.0.0/24')).accept).toBe(false)
  })

  it('stays the same function until something that it follows from changes', () => {
    const view = cluster()
    const policies = new BgpPolicies()
    const of = (own: typeof blocks) =>
      policies.of(view, exportRules(view, 'server01', own))({ internal: true, peer: undefined })
        .exportPolicy
    expect(of(blocks)).toBe(of(blocks))
    expect(of(blocks)).not.toBe(of([]))
  })
})
