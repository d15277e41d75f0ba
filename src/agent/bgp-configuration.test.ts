import { describe, expect, it } from 'vitest'
import { newResource } from '../model/parse-resource.ts'
import type { Draft, Kind } from '../model/resource.ts'
import { parseSelector } from '../model/selector.ts'
import { speakerConfig } from './bgp-configuration.ts'
import { ClusterView } from './cluster-view.ts'

const environment = {
  selects: (selector: string, labels: Readonly<Record<string, string>>) =>
    parseSelector(selector).matches(labels),
  policies: () => ({}),
}

function view(...drafts: Draft[]): ClusterView {
  const made = new ClusterView()
  for (const draft of drafts) made.set(newResource(draft))
  return made
}

function node(
  name: string,
  ipv4Address: string,
  more: {
    routeReflectorClusterID?: string
    labels?: Record<string, string>
    asNumber?: number
  } = {},
): Draft {
  const { labels = {}, ...bgp } = more
  return { kind: 'Node', metadata: { name, labels }, spec: { bgp: { ipv4Address, ...bgp } } }
}

const draft = <K extends Kind>(kind: K, name: string, spec: Draft<K>['spec']): Draft =>
  ({ kind, metadata: { name }, spec }) as Draft

const seed = [
  node('server01', '172.16.170.128/24'),
  node('server02', '172.16.170.129/24'),
  node('server03', '172.16.170.130/24'),
]

const neighborsOf = (of: ClusterView, name: string) =>
  speakerConfig(of, name, environment)?.neighbors.map(({ address }) => address)

describe('BGP of a node', () => {
  it('is a full mesh with one AS by default', () => {
    const config = speakerConfig(view(...seed), 'server02', environment)
    expect(config).toMatchObject({
      localAs: 64512,
      routerId: '172.16.170.129',
      listen: [{ port: 179 }],
    })
    expect(config?.neighbors).toMatchObject([
      { address: '172.16.170.128', remoteAs: 64512, passive: false, description: 'server01' },
      { address: '172.16.170.130', remoteAs: 64512, passive: true, description: 'server03' },
    ])
  })

  it('has exactly one active end of each session, by comparing addresses as strings', () => {
    const both = view(node('a', '10.0.0.9/24'), node('b', '10.0.0.10/24'))
    const passive = (name: string) => speakerConfig(both, name, environment)?.neighbors[0]?.passive
    expect([passive('a'), passive('b')]).toEqual([false, true])
  })

  it('waits for the node to have an address', () => {
    expect(
      speakerConfig(view({ kind: 'Node', metadata: { name: 'x' } }), 'x', environment),
    ).toBeUndefined()
    expect(speakerConfig(view(), 'x', environment)).toBeUndefined()
  })

  it('has no mesh where it is switched off', () => {
    const off = draft('BGPConfiguration', 'default', {
      nodeToNodeMeshEnabled: false,
      asNumber: 65000,
    })
    const config = speakerConfig(view(...seed, off), 'server01', environment)
    expect(config).toMatchObject({ localAs: 65000, neighbors: [] })
  })

  it('takes route reflectors out of the mesh and makes their peers clients', () => {
    const reflector = node('rr', '172.16.170.200/24', {
      routeReflectorClusterID: '224.0.0.1',
      labels: { 'route-reflector': '' },
    })
    const peering = draft('BGPPeer', 'to-reflectors', {
      nodeSelector: '!has(route-reflector)',
      peerSelector: 'has(route-reflector)',
    })
    const cluster = view(...seed, reflector, peering)
    expect(neighborsOf(cluster, 'server01')).toEqual([
      '172.16.170.200',
      '172.16.170.129',
      '172.16.170.130',
    ])
    const own = speakerConfig(cluster, 'rr', environment)
    expect(own?.clusterId).toBe('224.0.0.1')
    expect(own?.neighbors.map((row) => [row.address, row.routeReflectorClient])).toEqual([
      ['172.16.170.128', true],
      ['172.16.170.129', true],
      ['172.16.170.130', true],
    ])
  })

  it('makes the reverse half of a peering only where it is wanted', () => {
    const peering = (reversePeering: 'Auto' | 'Manual') =>
      draft('BGPPeer', 'p', { node: 'server01', peerSelector: 'has(rack)', reversePeering })
    const off = draft('BGPConfiguration', 'default', { nodeToNodeMeshEnabled: false })
    const racked = node('server04', '172.16.171.4/24', { labels: { rack: '1' } })
    expect(neighborsOf(view(...seed, racked, off, peering('Auto')), 'server04')).toEqual([
      '172.16.170.128',
    ])
    expect(neighborsOf(view(...seed, racked, off, peering('Manual')), 'server04')).toEqual([])
    expect(neighborsOf(view(...seed, racked, off, peering('Manual')), 'server01')).toEqual([
      '172.16.171.4',
    ])
  })

  it('peers with a router outside as its BGPPeer says', () => {
    const router = draft('BGPPeer', 'tor', {
      peerIP: '172.16.170.1:1179',
      asNumber: 65001,
      nodeSelector: "rack == 'a'",
      numAllowedLocalASNumbers: 1,
      ttlSecurity: 1,
      nextHopMode: 'Keep',
    })
    const racked = node('server09', '172.16.170.9/24', { labels: { rack: 'a' } })
    const cluster = view(racked, node('other', '172.16.170.10/24'), router)
    expect(speakerConfig(cluster, 'server09', environment)?.neighbors[0]).toMatchObject({
      address: '172.16.170.1',
      port: 1179,
      remoteAs: 65001,
      localAddress: '172.16.170.9',
      allowOwnAs: 1,
      ttlSecurityHops: 1,
      nextHop: 'keep',
    })
    expect(neighborsOf(cluster, 'other')).toEqual(['172.16.170.9'])
  })

  it('listens where the configuration says', () => {
    const port = draft('BGPConfiguration', 'default', { listenPort: 1790, bindMode: 'NodeIP' })
    expect(speakerConfig(view(...seed, port), 'server01', environment)?.listen).toEqual([
      { address: '172.16.170.128', port: 1790 },
    ])
    const mine = draft('BGPConfiguration', 'node.server02', { listenPort: 2000 })
    expect(speakerConfig(view(...seed, mine), 'server01', environment)?.neighbors[0]?.port).toBe(
      2000,
    )
  })
})
