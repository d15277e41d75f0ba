import { describe, expect, it } from 'vitest'
import type { BGPFilterRule } from '../../model/bgp-filter.ts'
import { ip } from '../../net/ip-address.ts'
import { prefix } from '../../net/prefix.ts'
import type { RouteAttributes } from '../route-attributes.ts'
import { compileBgpFilter } from './bgp-filter.ts'
import type { FilterRoute } from './filter-route.ts'

const ATTRIBUTES: RouteAttributes = {
  origin: 'igp',
  asPath: [{ kind: 'sequence', asns: [65001, 65002] }],
  nextHop: ip('10.0.0.1'),
  communities: [(65000 * 65536 + 100) >>> 0],
  largeCommunities: [{ globalAdministrator: 65000, localData1: 1, localData2: 2 }],
}

const route = (text: string, rest: Partial<FilterRoute> = {}): FilterRoute => ({
  prefix: prefix(text),
  attributes: ATTRIBUTES,
  isFromBgp: true,
  peerType: 'eBGP',
  ...rest,
})

/** "accept", "reject", or "default" where no rule matches. */
function verdict(rules: readonly BGPFilterRule[], of: FilterRoute): string {
  const found = compileBgpFilter('f exportV4', rules)(of)
  if (found === undefined) return 'default'
  return found.accept ? 'accept' : 'reject'
}

const reject = (rule: Omit<BGPFilterRule, 'action'>): BGPFilterRule => ({
  ...rule,
  action: 'Reject',
})

describe('CIDR of a rule', () => {
  it.each([
    [
      'Equal',
      '10.1.0.0/16',
      undefined,
      ['10.1.0.0/16'],
      ['10.1.0.0/24', '10.0.0.0/8', '10.2.0.0/16'],
    ],
    ['NotEqual', '10.1.0.0/16', undefined, ['10.1.0.0/24', '0.0.0.0/0'], ['10.1.0.0/16']],
    [
      'In',
      '10.1.0.0/16',
      undefined,
      ['10.1.0.0/16', '10.1.255.255/32'],
      ['10.0.0.0/8', '10.2.0.0/24'],
    ],
    [
      'NotIn',
      '10.1.0.0/16',
      undefined,
      ['10.0.0.0/8', '10.2.0.0/24'],
      ['10.1.0.0/16', '10.1.9.0/24'],
    ],
    [
      'In',
      '10.1.0.0/16',
      { min: 24, max: 26 },
      ['10.1.9.0/24', '10.1.9.0/26'],
      ['10.1.0.0/16', '10.1.9.0/27', '10.2.0.0/24'],
    ],
    ['In', '10.1.0.0/16', { min: 8 }, ['10.1.0.0/16', '10.1.0.1/32'], ['10.0.0.0/8']],
    ['In', '10.1.0.0/16', { max: 24 }, ['10.1.0.0/16', '10.1.1.0/24'], ['10.1.1.0/25']],
    ['NotIn', '10.1.0.0/16', { min: 24, max: 24 }, ['10.1.0.0/16', '10.2.0.0/24'], ['10.1.7.0/24']],
    ['In', '0.0.0.0/0', undefined, ['0.0.0.0/0', '255.255.255.255/32'], []],
    ['In', '10.1.128.0/17', undefined, ['10.1.200.0/24'], ['10.1.127.0/24']],
    ['In', 'fd00:1::/33', undefined, ['fd00:1:7fff::/48'], ['fd00:1:8000::/48', 'fd00::/16']],
  ] as const)('%s %s %o', (matchOperator, cidr, prefixLength, matching, others) => {
    const rule = reject({
      cidr: prefix(cidr),
      matchOperator,
      ...(prefixLength && { prefixLength }),
    })
    for (const text of matching) expect(verdict([rule], route(text)), text).toBe('reject')
    for (const text of others) expect(verdict([rule], route(text)), text).toBe('default')
  })
})

describe('conditions of a rule', () => {
  const any = '10.0.0.0/24'
  it.each([
    ['no condition', {}, route(any), true],
    ['source, from a neighbor', { source: 'RemotePeers' }, route(any), true],
    ['source, own', { source: 'RemotePeers' }, route(any, { isFromBgp: false }), false],
    ['interface', { interface: 'ens33' }, route(any, { interface: 'ens33' }), true],
    ['interface glob', { interface: '*.calico' }, route(any, { interface: 'vxlan.calico' }), true],
    [
      'interface glob, dots are dots',
      { interface: '*.calico' },
      route(any, { interface: 'vxlanxcalico' }),
      false,
    ],
    [
      'interface glob, whole name',
      { interface: 'eth?' },
      route(any, { interface: 'eth10' }),
      false,
    ],
    ['interface of a route without one', { interface: '*' }, route(any), false],
    ['peer type', { peerType: 'eBGP' }, route(any), true],
    ['other peer type', { peerType: 'iBGP' }, route(any), false],
    ['community', { communities: { values: ['65000:100'] } }, route(any), true],
    ['other community', { communities: { values: ['65000:101'] } }, route(any), false],
    ['large community', { communities: { values: ['65000:1:2'] } }, route(any), true],
    ['other large community', { communities: { values: ['65000:1:3'] } }, route(any), false],
    ['path prefix', { asPathPrefix: [65001] }, route(any), true],
    ['whole path', { asPathPrefix: [65001, 65002] }, route(any), true],
    ['longer than the path', { asPathPrefix: [65001, 65002, 65003] }, route(any), false],
    ['not at the beginning', { asPathPrefix: [65002] }, route(any), false],
    ['priority of an ordinary route', { priority: 1024 }, route(any), true],
    [
      'priority in LOCAL_PREF',
      { priority: 512 },
      route(any, { attributes: { ...ATTRIBUTES, localPreference: 2147483647 - 512 } }),
      true,
    ],
    [
      'ordinary LOCAL_PREF',
      { priority: 1024 },
      route(any, { attributes: { ...ATTRIBUTES, localPreference: 100 } }),
      true,
    ],
    [
      'all of several',
      { peerType: 'eBGP', source: 'RemotePeers', asPathPrefix: [65001] },
      route(any),
      true,
    ],
    ['one of several not', { peerType: 'eBGP', asPathPrefix: [65009] }, route(any), false],
  ] as const)('%s', (_, rule, of, matches) => {
    expect(verdict([reject(rule as Omit<BGPFilterRule, 'action'>)], of)).toBe(
      matches ? 'reject' : 'default',
    )
  })

  it('a set in the path equals no number', () => {
    const asPath = [{ kind: 'set' as const, asns: [65001] }]
    const of = route('10.0.0.0/24', { attributes: { ...ATTRIBUTES, asPath } })
    expect(verdict([reject({ asPathPrefix: [65001] })], of)).toBe('default')
  })
})

describe('a list of rules', () => {
  it('is decided by the first that matches', () => {
    const rules: BGPFilterRule[] = [
      { action: 'Reject', cidr: prefix('10.9.0.0/16'), matchOperator: 'In' },
      { action: 'Accept', cidr: prefix('10.0.0.0/8'), matchOperator: 'In' },
      { action: 'Reject' },
    ]
    expect(verdict(rules, route('10.9.1.0/24'))).toBe('reject')
    expect(verdict(rules, route('10.8.1.0/24'))).toBe('accept')
    expect(verdict(rules, route('11.0.0.0/24'))).toBe('reject')
    expect(verdict([], route('11.0.0.0/24'))).toBe('default')
  })

  it('says which rule it was', () => {
    const filter = compileBgpFilter('BGPFilter drop exportV4', [
      { action: 'Reject', cidr: prefix('10.9.0.0/16'), matchOperator: 'In' },
      { action: 'Reject' },
    ])
    expect(filter(route('10.0.0.0/24'))).toEqual({
      accept: false,
      because: 'BGPFilter drop exportV4[1]',
    })
  })
})

describe('operations', () => {
  const outcome = (operations: BGPFilterRule['operations'], attributes = ATTRIBUTES) => {
    const filter = compileBgpFilter('f', [{ action: 'Accept', operations }])
    const found = filter(route('10.0.0.0/24', { attributes }))
    return found?.accept === true ? found.attributes : undefined
  }

  it('are applied in their order', () => {
    const found = outcome([
      { addCommunity: { value: '65000:7' } },
      { addCommunity: { value: '65000:1:9' } },
      { prependASPath: { prefix: [65010, 65011] } },
      { prependASPath: { prefix: [65012] } },
      { setPriority: { value: 512 } },
    ])
    expect(found).toEqual({
      ...ATTRIBUTES,
      communities: [...ATTRIBUTES.communities!, (65000 * 65536 + 7) >>> 0],
      largeCommunities: [
        { globalAdministrator: 65000, localData1: 1, localData2: 2 },
        { globalAdministrator: 65000, localData1: 1, localData2: 9 },
      ],
      asPath: [{ kind: 'sequence', asns: [65012, 65010, 65011, 65001, 65002] }],
      localPreference: 2147483647 - 512,
    })
  })

  it('add nothing twice and change no route in place', () => {
    const before = JSON.stringify(ATTRIBUTES)
    expect(outcome([{ addCommunity: { value: '65000:100' } }])).toEqual(ATTRIBUTES)
    expect(outcome([{ addCommunity: { value: '65000:1:2' } }])).toEqual(ATTRIBUTES)
    expect(JSON.stringify(ATTRIBUTES)).toBe(before)
  })

  it('prepend before a set and to an empty path', () => {
    const set = [{ kind: 'set' as const, asns: [1] }]
    const prepend = [{ prependASPath: { prefix: [9] } }]
    expect(outcome(prepend, { ...ATTRIBUTES, asPath: set })?.asPath).toEqual([
      { kind: 'sequence', asns: [9] },
      ...set,
    ])
    expect(outcome(prepend, { ...ATTRIBUTES, asPath: [] })?.asPath).toEqual([
      { kind: 'sequence', asns: [9] },
    ])
  })
})

describe('a rule that cannot be', () => {
  it.each([
    [
      { action: 'Reject', communities: { values: ['65000'] } },
      /f\[0\]\.communities\.values is "65000": expected a community/,
    ],
    [
      { action: 'Accept', operations: [{ addCommunity: { value: 'x' } }] },
      /f\[0\]\.operations\.addCommunity\.value/,
    ],
  ] as const)('%j says where and what was expected', (rule, message) => {
    expect(() => compileBgpFilter('f', [rule as unknown as BGPFilterRule])).toThrow(message)
  })
})
