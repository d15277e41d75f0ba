import { describe, expect, it } from 'vitest'
import { describeProblem } from '../../model/cluster-problem.ts'
import type { Draft, Kind } from '../../model/resource.ts'
import { parseSelector } from '../../model/selector.ts'
import { prefix } from '../../net/prefix.ts'
import { nodeSpeakerConfig } from './bgp-configuration.ts'
import { ClusterView } from '../cluster/cluster-view.ts'
import { uncheckedResource } from '../testing/unchecked-resource.ts'

const environment = {
  meshRanges: () => [prefix('10.211.0.0/16')],
  selects: (selector: string, labels: Readonly<Record<string, string>>) =>
    parseSelector(selector).matches(labels),
  policies: () => ({ value: {}, problems: [] }),
}

function view(...drafts: Draft[]): ClusterView {
  const made = new ClusterView()
  for (const draft of drafts) made.set(uncheckedResource(draft))
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
  nodeSpeakerConfig(of, name, environment).value?.neighbors.map(({ address }) => address)

describe('BGP of a node', () => {
  it('is a full mesh with one AS by default', () => {
    const config = nodeSpeakerConfig(view(...seed), 'server02', environment).value
    expect(config).toMatchObject({
      localAs: 64512,
      routerId: '172.16.170.129',
      listen: [{ port: 179 }],
    })
    expect(config?.neighbors).toMatchObject([
      { address: '172.16.170.128', remoteAs: 64512, passive: false, description: 'server01' },
      { address: '172.16.170.130', remoteAs: 64512, passive: true, description: 'server03' },
    ])
    // Nodes of the mesh have nothing to say of other networks; a router of a BGPPeer has.
    for (const { importRanges } of config!.neighbors)
      expect(importRanges).toEqual(['10.211.0.0/16'])
  })

  it('has exactly one active end of each session, by comparing addresses as strings', () => {
    const both = view(node('a', '10.0.0.9/24'), node('b', '10.0.0.10/24'))
    const passive = (name: string) =>
      nodeSpeakerConfig(both, name, environment).value?.neighbors[0]?.passive
    expect([passive('a'), passive('b')]).toEqual([false, true])
  })

  it('waits for the node to have an address', () => {
    expect(
      nodeSpeakerConfig(view({ kind: 'Node', metadata: { name: 'x' } }), 'x', environment).value,
    ).toBeUndefined()
    expect(nodeSpeakerConfig(view(), 'x', environment).value).toBeUndefined()
  })

  it('has no mesh where it is switched off', () => {
    const off = draft('BGPConfiguration', 'default', {
      nodeToNodeMeshEnabled: false,
      asNumber: 65000,
    })
    const config = nodeSpeakerConfig(view(...seed, off), 'server01', environment).value
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
    const own = nodeSpeakerConfig(cluster, 'rr', environment).value
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
    expect(nodeSpeakerConfig(cluster, 'server09', environment).value?.neighbors[0]).toMatchObject({
      address: '172.16.170.1',
      port: 1179,
      remoteAs: 65001,
      localAddress: '172.16.170.9',
      allowOwnAs: 1,
      ttlSecurityHops: 1,
      nextHop: 'keep',
    })
    const [outside] = nodeSpeakerConfig(cluster, 'server09', environment).value!.neighbors
    expect(outside).not.toHaveProperty('importRanges')
    expect(neighborsOf(cluster, 'other')).toEqual(['172.16.170.9'])
  })

  it('listens where the configuration says', () => {
    const port = draft('BGPConfiguration', 'default', { listenPort: 1790, bindMode: 'NodeIP' })
    expect(nodeSpeakerConfig(view(...seed, port), 'server01', environment).value?.listen).toEqual([
      { address: '172.16.170.128', port: 1790 },
    ])
    const mine = draft('BGPConfiguration', 'node.server02', { listenPort: 2000 })
    expect(
      nodeSpeakerConfig(view(...seed, mine), 'server01', environment).value?.neighbors[0]?.port,
    ).toBe(2000)
  })
})

describe('what a speaker cannot have', () => {
  const problemsOf = (...drafts: Draft[]) =>
    nodeSpeakerConfig(view(...drafts), 'server01', environment)

  it.each([
    [{ peerIP: '192.0.2.1', asNumber: 0 }, 'spec.asNumber is 0: expected an AS number'],
    [{ peerIP: '192.0.2.1', asNumber: 23456 }, 'spec.asNumber is 23456: expected an AS number'],
    [{ peerIP: '192.0.2.1' }, 'spec.asNumber: expected an AS number'],
    [{ peerIP: 'tor', asNumber: 65001 }, 'spec.peerIP is tor: expected an address'],
    [
      { peerIP: '192.0.2.1', asNumber: 65001, localASNumber: 0 },
      'spec.localASNumber is 0: expected an AS number',
    ],
    [
      { peerIP: '192.0.2.1', asNumber: 65001, ttlSecurity: 256 },
      'ttlSecurityHops: expected a whole number from 1 to 255, found 256',
    ],
    [{ nodeSelector: 'all(', peerIP: '192.0.2.1', asNumber: 65001 }, 'Invalid selector'],
  ])('is left out alone and named: a BGPPeer %j', (spec, words) => {
    const { value, problems } = problemsOf(...seed, draft('BGPPeer', 'bad', spec))
    expect(value?.neighbors.map(({ address }) => address)).toEqual([
      '172.16.170.129',
      '172.16.170.130',
    ])
    expect(problems.map(describeProblem)).toEqual([expect.stringContaining(words)])
    expect(problems[0]).toMatchObject({
      resource: 'BGPPeer(bad)',
      effect: 'the peer is left out',
    })
  })

  it('is as good as absent for all agents alike: an AS number, a port, a cluster id', () => {
    const odd = node('server02', '172.16.170.129/24', {
      asNumber: 0,
      routeReflectorClusterID: 'one',
    })
    const common = draft('BGPConfiguration', 'default', { asNumber: 65000.5, listenPort: 70_000 })
    const { value, problems } = problemsOf(seed[0]!, odd, seed[2]!, common)
    expect(value).toMatchObject({ localAs: 64512, listen: [{ port: 179 }] })
    expect(value?.neighbors[0]).toMatchObject({ address: '172.16.170.129', remoteAs: 64512 })
    expect(problems.map(({ resource, field }) => `${resource} ${field}`)).toEqual([
      'BGPConfiguration(default) spec.asNumber',
      'BGPConfiguration(default) spec.listenPort',
      'Node(server02) spec.bgp.asNumber',
      'Node(server02) spec.bgp.routeReflectorClusterID',
    ])
  })

  it('is a prefix limit that is no number, which counts as absent', () => {
    const limited = (kind: 'BGPConfiguration' | 'BGPPeer', name: string, limit: string): Draft => ({
      kind,
      metadata: { name, annotations: { 'tortie/prefix-limit': limit } },
      spec: kind === 'BGPPeer' ? { peerIP: '192.0.2.1', asNumber: 65001 } : {},
    })
    const limits = (...more: Draft[]) => {
      const { value, problems } = problemsOf(...seed, ...more)
      const found = value?.neighbors.map(({ prefixLimit }) => prefixLimit?.maximum)
      return { limits: found, fields: problems.map(({ resource, field }) => [resource, field]) }
    }
    const peer = draft('BGPPeer', 'p', { peerIP: '192.0.2.1', asNumber: 65001 })
    const common = limited('BGPConfiguration', 'default', '5000')
    expect(limits(peer)).toEqual({ limits: [100_000, 100_000, 100_000], fields: [] })
    expect(limits(peer, common)).toEqual({ limits: [5000, 5000, 5000], fields: [] })
    const own = limited('BGPPeer', 'p', '7')
    expect(limits(own, common)).toEqual({ limits: [7, 5000, 5000], fields: [] })
    const field = 'metadata.annotations["tortie/prefix-limit"]'
    for (const wrong of ['0', 'many', '1e5', '100000001', '']) {
      expect(limits(limited('BGPPeer', 'p', wrong))).toEqual({
        limits: [100_000, 100_000, 100_000],
        fields: [['BGPPeer(p)', field]],
      })
    }
    const all = problemsOf(...seed, limited('BGPConfiguration', 'default', '-1')).problems
    expect(all).toMatchObject([{ resource: 'BGPConfiguration(default)', field }])
  })

  it('of two BGPPeers that say different things of one address is the younger', () => {
    const made = view(...seed)
    const peer = (name: string, asNumber: number) =>
      uncheckedResource(draft('BGPPeer', name, { peerIP: '192.0.2.1', asNumber }))
    made.set(peer('a', 65001), 9)
    made.set(peer('b', 65002), 8)
    const { value, problems } = nodeSpeakerConfig(made, 'server01', environment)
    expect(value?.neighbors[0]).toMatchObject({ address: '192.0.2.1', remoteAs: 65002 })
    expect(problems).toMatchObject([
      { resource: 'BGPPeer(a)', expected: expect.stringContaining('BGPPeer(b), which is older') },
    ])
  })

  it('is not the whole configuration of a node whose address is of the other family', () => {
    expect(problemsOf(node('server01', 'fd00::1/64')).value).toBeUndefined()
    const { value } = problemsOf(seed[0]!, node('server02', 'fd00::2/64'), seed[2]!)
    expect(value?.neighbors.map(({ address }) => address)).toEqual(['172.16.170.130'])
  })
})
