import { describe, expect, it } from 'vitest'
import type { Link } from '../../kernel/kernel.ts'
import type { Draft } from '../../model/resource.ts'
import { ip } from '../../net/ip-address.ts'
import { prefix } from '../../net/prefix.ts'
import { ClusterView } from '../cluster/cluster-view.ts'
import { uncheckedResource } from '../testing/unchecked-resource.ts'
import { desiredNode } from '../testing/desired-node.ts'
import { type DesiredNode, desiredRows } from './desired-node.ts'
import { type LocalFacts, NO_FACTS } from './local-facts.ts'

const ETH0: Link = {
  index: 2,
  name: 'eth0',
  kind: '',
  mtu: 1500,
  macAddress: undefined,
  up: true,
  carrier: true,
  masterIndex: undefined,
  peerIndex: undefined,
}
const OWN = ip('10.0.0.1')
const POOL = { cidr: '10.1.0.0/16', blockSize: 26 }

const FACTS: LocalFacts = {
  ...NO_FACTS,
  host: {
    links: [ETH0],
    addresses: [{ linkIndex: 2, address: OWN, prefixLength: 24, scope: 'global' }],
  },
  formerPools: [],
  poolsSeen: [],
  blocks: [{ cidr: prefix('10.1.0.0/26'), state: 'confirmed' }],
  strictLinks: [],
}

const node = (name: string, ipv4Address: string, spec: object = {}): Draft => ({
  kind: 'Node',
  metadata: { name },
  spec: { bgp: { ipv4Address }, ...spec },
})
const pool = (spec: object): Draft => ({
  kind: 'IPPool',
  metadata: { name: 'pool' },
  spec: { ...POOL, ...spec },
})

/** A cluster of two nodes, "one" and "two", with one pool. */
function cluster(poolSpec: object, ...more: readonly Draft[]) {
  const view = new ClusterView()
  const set = (...drafts: readonly Draft[]): void => {
    for (const draft of drafts) view.set(uncheckedResource(draft))
  }
  set(node('one', '10.0.0.1/24'), node('two', '10.0.1.2/24'), pool(poolSpec), ...more)
  const of = (facts: Partial<LocalFacts> = {}): DesiredNode =>
    desiredNode(view, 'one', { ...FACTS, ...facts })
  return { view, set, of }
}

const formerly = (ipipMode: 'Always' | 'Never', vxlanMode: 'Always' | 'Never') =>
  ({ formerPools: [[{ cidr: prefix('10.1.0.0/16'), ipipMode, vxlanMode }]] }) as const

describe('a node of a cluster with IPIP', () => {
  const { of } = cluster({ ipipMode: 'CrossSubnet' })

  it('has tunl0, pods that fit into it, and links that take its packets', () => {
    const { ipip, vxlan, sysctls, podLinks } = of({ ipipAddress: ip('10.1.0.1') })
    expect(ipip).toMatchObject({
      device: { mtu: 1480, address: '10.1.0.1' },
      isUsed: true,
      ownAddress: OWN,
      underlays: [2],
      nodes: [{ metadata: { name: 'one' } }, { metadata: { name: 'two' } }],
    })
    expect(vxlan).toEqual({ device: undefined, uplink: 2, ends: [] })
    const links = ['eth0', 'tunl0']
    expect(sysctls).toEqual({ forwardingLinks: links, looseLinks: links })
    expect(podLinks.settings).toMatchObject({ mtu: 1480, mtuMayGrow: true })
  })

  it('has routes into it once it is there', () => {
    expect(of().routes.surroundings).toMatchObject({
      nodeNetworks: ['10.0.0.0/24'],
      tunnelLinkIndex: undefined,
    })
    expect(of({ ipipLink: 7 }).routes).toMatchObject({
      blocks: ['10.1.0.0/26'],
      surroundings: { tunnelLinkIndex: 7, uplinkIndex: 2 },
      keepsLearned: false,
      keepsRemote: false,
    })
  })

  it('asks for the address of its end, and for the block that the cluster gave it', () => {
    const { view, of: wanted } = cluster({ ipipMode: 'Always' })
    const own = uncheckedResource(node('one', '10.0.0.1/24'))
    const podCIDRs = [prefix('10.1.0.0/26'), prefix('10.1.7.0/26')]
    view.set({ ...own, status: { podCIDRs } })
    const tunnels = [{ kind: 'ipip' }]
    expect(wanted().ownRows).toMatchObject({ claims: ['10.1.7.0/26'], tunnels })
  })

  it('announces its blocks whole, and alone the pods that are in none', () => {
    const pod = (address: string) => ({
      namespace: 'default',
      pod: address,
      hostInterfaceName: `cali${address}`,
      addresses: [ip(address)],
      networkNamespace: '/run/netns/pod',
      interfaceName: 'eth0',
    })
    const { bgp } = of({ pods: [pod('10.1.0.5'), pod('10.1.9.9')] })
    expect(bgp.announced).toEqual(['10.1.0.0/26', '10.1.9.9/32'])
    expect(bgp.config?.neighbors.map(({ address }) => address)).toEqual(['10.0.1.2'])
  })
})

describe('a node of a cluster with VXLAN', () => {
  it('follows where other nodes’ blocks are, and keeps routes to them until it knows', () => {
    const spec = { ipv4VXLANTunnelAddr: '10.1.2.1', vxlanTunnelMACAddr: '66:00:00:00:00:02' }
    const { of } = cluster({ vxlanMode: 'Always' }, node('two', '10.0.1.2/24', spec))
    expect([...of().remoteBlocks!]).toMatchObject([
      ['two', { address: '10.0.1.2', tunnelAddress: '10.1.2.1' }],
    ])
    expect(of().routes.keepsRemote).toBe(true)
    expect(of({ knowsBlocks: true }).routes.keepsRemote).toBe(false)
    expect(of().vxlan).toMatchObject({ device: { localAddress: OWN, mtu: 1450 }, uplink: 2 })
  })

  it('writes the address of its end only once it takes packets there', () => {
    const { of } = cluster({ vxlanMode: 'Always' })
    const kinds = (facts: Partial<LocalFacts>) => of(facts).ownRows?.tunnels.map(({ kind }) => kind)
    expect(kinds({})).toEqual([])
    expect(kinds({ vxlanLink: 9 })).toEqual(['vxlan'])
  })

  it('has its tunnel until the last node has heard that there is none any more', () => {
    const { of, set } = cluster({})
    expect(of().vxlan.device).toBeUndefined()
    expect(of(formerly('Never', 'Always')).vxlan.device).toBeDefined()
    set(node('two', '10.0.1.2/24', { ipv4VXLANTunnelAddr: '10.1.2.1' }))
    expect(of().vxlan.device).toBeDefined()
  })
})

describe('a node whose pools tunnel no longer', () => {
  it('gives the address of tunl0 back when others have heard of it', () => {
    const { set, of } = cluster({})
    set(
      node('one', '10.0.0.1/24', {
        bgp: { ipv4Address: '10.0.0.1/24', ipv4IPIPTunnelAddr: '10.1.0.1' },
      }),
    )
    expect(of(formerly('Always', 'Never')).ownRows).toMatchObject({
      tunnels: [],
      isWithoutIpip: false,
    })
    expect(of().ownRows).toMatchObject({ tunnels: [{ kind: 'ipip' }], isWithoutIpip: false })
    expect(of(formerly('Always', 'Never')).podLinks.settings.mtuMayGrow).toBe(false)
  })
})

it('writes nothing while the datastore is locked', () => {
  const { of } = cluster(
    { ipipMode: 'Always' },
    {
      kind: 'ClusterInformation',
      metadata: { name: 'default' },
      spec: { datastoreReady: false },
    },
  )
  expect(of().ownRows).toBeUndefined()
})

it('leaves the packet filter alone until it is known how strict the host is', () => {
  const { of } = cluster({ natOutgoing: true })
  expect(of({ strictLinks: undefined }).packetFilter).toBeUndefined()
  const { chains } = of({ strictLinks: ['eth0'] }).packetFilter!
  expect(chains.map(({ name }) => name)).toContain('from-nodes')
})

describe('a node that is worked out again', () => {
  const { view, set } = cluster({ ipipMode: 'Always', natOutgoing: true })
  const { inputs, rows } = desiredRows('one')
  const derive = (): DesiredNode => {
    const all = inputs(view, { ...FACTS })
    return Object.fromEntries(
      Object.entries(rows).map(([row, of]) => [row, of(all)]),
    ) as unknown as DesiredNode
  }
  /** Names of rows that are another object than before. */
  const changedBy = (...drafts: readonly Draft[]): string[] => {
    const before = derive()
    set(...drafts)
    const after = derive()
    return Object.keys(after).filter(
      (row) => before[row as keyof DesiredNode] !== after[row as keyof DesiredNode],
    )
  }

  it('is the same, object by object, where nothing has changed', () => {
    expect(changedBy()).toEqual([])
    expect(
      changedBy(node('two', '10.0.1.2/24'), pool({ ipipMode: 'Always', natOutgoing: true })),
    ).toEqual([])
  })

  it('is the same where another node writes of itself what concerns nobody', () => {
    const bgp = { ipv4Address: '10.0.1.2/24', ipv4IPIPTunnelAddr: '10.1.2.1' }
    expect(changedBy(node('two', '10.0.1.2/24', { bgp }))).toEqual([])
  })

  it('is another in the rows that a change concerns, and in their parts', () => {
    const sets = () => derive().packetFilter!.sets
    const before = sets()
    const changed = changedBy(node('three', '10.0.1.3/24'))
    expect(changed.toSorted()).toEqual(['bgp', 'ipip', 'packetFilter'])
    const same = sets().filter((one) => before.includes(one))
    expect(sets().length - same.length).toBe(1)
    expect(same.map(({ name }) => name)).not.toContain('nodes4')
  })
})
