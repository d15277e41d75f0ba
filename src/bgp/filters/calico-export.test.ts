import { describe, expect, it } from 'vitest'
import { ip } from '../../net/ip-address.ts'
import { prefix } from '../../net/prefix.ts'
import type { RouteAttributes } from '../route-attributes.ts'
import { calicoExport, type CalicoExportRules, originatedPrefixes } from './calico-export.ts'
import type { FilterRoute } from './filter-route.ts'
import { prefixAdvertisements } from './prefix-advertisements.ts'
import { routePolicies } from './route-policies.ts'
import { type AnnouncedService, servicePrefixes } from './service-prefixes.ts'

const ATTRIBUTES: RouteAttributes = { origin: 'igp', asPath: [], nextHop: ip('172.16.170.128') }

/** server01 of the seed: pool 10.211.0.0/16, its own block 10.211.0.0/24, a closed pool beside. */
const RULES: CalicoExportRules = {
  pools: [
    { cidr: prefix('10.211.0.0/16'), disableBgpExport: false },
    { cidr: prefix('10.99.0.0/16'), disableBgpExport: true },
    { cidr: prefix('fd00:211::/48'), disableBgpExport: false },
  ],
  blocks: [
    { cidr: prefix('10.211.0.0/24'), state: 'confirmed' },
    { cidr: prefix('10.211.7.0/24'), state: 'pending' },
    { cidr: prefix('10.211.8.0/24'), state: 'pendingDeletion' },
    { cidr: prefix('10.99.0.0/26'), state: 'confirmed' },
    { cidr: prefix('10.211.9.9/32'), state: 'confirmed' },
    { cidr: prefix('fd00:211::/122'), state: 'confirmed' },
  ],
  servicePrefixes: [prefix('10.96.0.0/12'), prefix('203.0.113.7/32')],
  serviceRanges: [prefix('198.51.100.0/24')],
  isRouteReflector: false,
  agentProgramsTunnels: false,
  advertisements: prefixAdvertisements({
    communities: [{ name: 'internal', value: '65000:1' }],
    prefixAdvertisements: [
      { cidr: prefix('10.211.0.0/16'), communities: ['internal', '65000:1:2'] },
      { cidr: prefix('10.211.0.0/24'), communities: ['65000:9'] },
    ],
  }).value,
}

const route = (text: string, rest: Partial<FilterRoute> = {}): FilterRoute => ({
  prefix: prefix(text),
  attributes: ATTRIBUTES,
  isFromBgp: false,
  peerType: 'iBGP',
  ...rest,
})

const decide = (of: FilterRoute, rules: Partial<CalicoExportRules> = {}): string => {
  const found = calicoExport({ ...RULES, ...rules })(of)
  return `${found.accept ? 'accept' : 'reject'}: ${found.because}`
}

describe('what Calico announces', () => {
  it.each([
    ['the own block', '10.211.0.0/24', 'accept: a block of this node'],
    [
      'an address in the own block',
      '10.211.0.6/32',
      'reject: the block that it is in is announced whole',
    ],
    [
      'a part of the own block',
      '10.211.0.64/26',
      'reject: the block that it is in is announced whole',
    ],
    ['an address in a pending block', '10.211.7.1/32', 'accept: in an IP pool'],
    ['a pending block itself', '10.211.7.0/24', 'accept: in an IP pool'],
    ['an address in a block on its way out', '10.211.8.1/32', 'accept: in an IP pool'],
    ['a borrowed address', '10.211.1.4/32', 'accept: in an IP pool'],
    ['a block of one address', '10.211.9.9/32', 'accept: a block of this node'],
    ['a block of a closed pool', '10.99.0.0/26', 'reject: its IP pool disables BGP export'],
    ['an address of a closed pool', '10.99.0.1/32', 'reject: its IP pool disables BGP export'],
    ['the pool itself', '10.211.0.0/16', 'accept: in an IP pool'],
    ['more than the pool', '10.0.0.0/8', 'reject: neither in an IP pool nor a service prefix'],
    ['the default route', '0.0.0.0/0', 'reject: neither in an IP pool nor a service prefix'],
    [
      'the network of the nodes',
      '172.16.170.0/24',
      'reject: neither in an IP pool nor a service prefix',
    ],
    ['a service range', '10.96.0.0/12', 'accept: a service prefix'],
    ['an address in a service range', '10.96.0.1/32', 'accept: a service prefix'],
    ['a service address', '203.0.113.7/32', 'accept: a service prefix'],
    [
      'a reflected range, by no reflector',
      '198.51.100.1/32',
      'reject: neither in an IP pool nor a service prefix',
    ],
    ['an IPv6 block', 'fd00:211::/122', 'accept: a block of this node'],
    [
      'an IPv6 address in it',
      'fd00:211::1/128',
      'reject: the block that it is in is announced whole',
    ],
    ['a borrowed IPv6 address', 'fd00:211:0:1::1/128', 'accept: in an IP pool'],
  ])('%s: %s', (_, text, expected) => {
    expect(decide(route(text))).toBe(expected)
  })

  it('passes on service prefixes of others as a route reflector only', () => {
    const rules = { isRouteReflector: true }
    expect(decide(route('198.51.100.1/32', { isFromBgp: true }), rules)).toBe(
      'accept: a service prefix that this node reflects',
    )
  })

  it.each([
    ['vxlan.calico', 'iBGP', false, 'reject: every node writes its own routes to vxlan.calico'],
    ['wireguard.cali', 'iBGP', false, 'reject: every node writes its own routes to wireguard.cali'],
    ['vxlan.calico', 'eBGP', false, 'accept: in an IP pool'],
    ['tunl0', 'iBGP', false, 'accept: in an IP pool'],
    ['tunl0', 'iBGP', true, 'reject: every node writes its own routes to tunl0'],
    ['tunl0', 'eBGP', true, 'accept: in an IP pool'],
    ['bpfout.cali', 'eBGP', false, 'reject: it points to bpfout.cali'],
    ['cali50914021272', 'iBGP', true, 'accept: in an IP pool'],
  ] as const)(
    'routes to %s, towards %s (agent programs tunnels: %s)',
    (name, peerType, agentProgramsTunnels, expected) => {
      const of = route('10.211.5.0/24', { interface: name, peerType })
      expect(decide(of, { agentProgramsTunnels })).toBe(expected)
    },
  )

  it('adds the communities of every advertisement that a prefix is in', () => {
    const found = calicoExport(RULES)(route('10.211.0.0/24'))
    expect(found.accept && found.attributes).toEqual({
      ...ATTRIBUTES,
      communities: [(65000 * 65536 + 1) >>> 0, (65000 * 65536 + 9) >>> 0],
      largeCommunities: [{ globalAdministrator: 65000, localData1: 1, localData2: 2 }],
    })
    const other = calicoExport(RULES)(route('10.96.0.0/12'))
    expect(other.accept && other.attributes).toEqual(ATTRIBUTES)
  })

  it('originates every block but single addresses and pending ones, and the services', () => {
    expect(originatedPrefixes(RULES)).toEqual([
      '10.211.0.0/24',
      '10.211.8.0/24',
      '10.99.0.0/26',
      'fd00:211::/122',
      '10.96.0.0/12',
      '203.0.113.7/32',
    ])
  })
})

describe('prefix advertisements', () => {
  it('name the community that is none', () => {
    const settings = { prefixAdvertisements: [{ cidr: '10.0.0.0/8', communities: ['nowhere'] }] }
    expect(prefixAdvertisements(settings)).toEqual({
      value: [],
      problems: [
        {
          field: 'spec.prefixAdvertisements[0].communities[0]',
          value: 'nowhere',
          reason: expect.stringContaining('expected a community aa:nn') as string,
        },
      ],
    })
  })
})

describe('policies', () => {
  const neighbor = { address: ip('10.0.0.2'), as: 65000, kind: 'external' } as const
  const policyRoute = (text: string) => ({
    prefix: prefix(text),
    attributes: ATTRIBUTES,
    from: undefined,
    neighbor,
  })
  const filter = {
    name: 'f',
    exportV4: [
      { action: 'Accept' as const, cidr: prefix('192.0.2.0/24'), matchOperator: 'In' as const },
      { action: 'Reject' as const, cidr: prefix('10.211.0.0/24'), matchOperator: 'Equal' as const },
      { action: 'Accept' as const, cidr: prefix('10.99.0.0/16'), matchOperator: 'In' as const },
    ],
    importV4: [
      { action: 'Reject' as const, cidr: prefix('0.0.0.0/0'), matchOperator: 'Equal' as const },
    ],
  }

  it('ask the filters first; what they accept needs no further leave', () => {
    const policy = routePolicies(RULES).exportPolicy([filter])
    const accepts = (text: string): boolean => policy(policyRoute(text)).accept
    expect(accepts('192.0.2.0/25')).toBe(true)
    expect(accepts('10.99.0.1/32')).toBe(true)
    expect(accepts('10.211.0.0/24')).toBe(false)
    expect(accepts('10.211.4.0/24')).toBe(true)
    expect(accepts('198.51.100.0/24')).toBe(false)
  })

  it('have the rules of the family of the route', () => {
    const policy = routePolicies(RULES).exportPolicy([
      { name: 'f', exportV6: [{ action: 'Reject' }] },
    ])
    expect(policy(policyRoute('10.211.0.0/24')).accept).toBe(true)
    expect(policy(policyRoute('fd00:211::/122'))).toEqual({
      accept: false,
      reason: 'BGPFilter f exportV6[0]',
    })
  })

  it('are one function for like neighbors', () => {
    const policies = routePolicies(RULES)
    expect(policies.exportPolicy([{ ...filter }])).toBe(policies.exportPolicy([filter]))
    expect(policies.exportPolicy([])).not.toBe(policies.exportPolicy([filter]))
  })

  it('let everything in unless a filter says otherwise', () => {
    const policies = routePolicies(RULES)
    expect(policies.importPolicy([])).toBeUndefined()
    const policy = policies.importPolicy([filter])!
    expect(policy(policyRoute('0.0.0.0/0')).accept).toBe(false)
    expect(policy(policyRoute('10.0.0.0/8'))).toEqual({ accept: true })
  })

  it('know the interface of routes of their own', () => {
    const policies = routePolicies(RULES, () => 'vxlan.calico')
    const internal = { ...neighbor, kind: 'internal' } as const
    const of = { ...policyRoute('10.211.5.0/24'), neighbor: internal }
    expect(policies.exportPolicy([])(of).accept).toBe(false)
    expect(policies.exportPolicy([])({ ...of, from: internal }).accept).toBe(true)
  })
})

describe('service prefixes', () => {
  const ranges = {
    clusterIps: [prefix('10.96.0.0/12')],
    externalIps: [prefix('198.51.100.0/24'), prefix('203.0.113.9/32')],
    loadBalancerIps: [prefix('192.0.2.0/24')],
    aggregatesLoadBalancers: true,
  }
  const service: AnnouncedService = {
    type: 'LoadBalancer',
    clusterIps: ['10.96.1.1'],
    externalIps: ['198.51.100.5', '8.8.8.8'],
    loadBalancerIps: ['192.0.2.5'],
    externalTrafficPolicy: 'Local',
    readyNodes: ['server01'],
  }
  const node = { name: 'server01', isExcluded: false }
  const whole = ['10.96.0.0/12', '198.51.100.0/24', '192.0.2.0/24']

  it('are the ranges whole, and addresses only where there is an endpoint', () => {
    expect(servicePrefixes(node, ranges, [])).toEqual(whole)
    expect(servicePrefixes(node, ranges, [service])).toEqual([
      ...whole,
      '10.96.1.1/32',
      '198.51.100.5/32',
      '192.0.2.5/32',
    ])
    expect(servicePrefixes({ ...node, name: 'server02' }, ranges, [service])).toEqual(whole)
  })

  it('of cluster policy are single addresses only where they are configured so', () => {
    const cluster = {
      ...service,
      externalTrafficPolicy: 'Cluster' as const,
      externalIps: ['198.51.100.5', '203.0.113.9'],
    }
    expect(servicePrefixes(node, ranges, [cluster])).toEqual([...whole, '203.0.113.9/32'])
    const single = { ...ranges, aggregatesLoadBalancers: false }
    expect(servicePrefixes(node, single, [cluster])).toEqual([
      '10.96.0.0/12',
      '198.51.100.0/24',
      '203.0.113.9/32',
      '192.0.2.5/32',
    ])
    expect(servicePrefixes(node, single, [{ ...cluster, readyNodes: [] }])).toHaveLength(2)
  })

  it('are none of a headless service, and none on an excluded node', () => {
    const headless = { ...service, clusterIps: ['None'] }
    expect(servicePrefixes(node, ranges, [headless])).toEqual(whole)
    expect(servicePrefixes({ ...node, isExcluded: true }, ranges, [service])).toEqual([])
  })
})
