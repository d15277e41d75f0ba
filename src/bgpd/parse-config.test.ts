import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { bgpdJsonSchema } from './bgpd-json-schema.ts'
import { parseBgpdConfig } from './parse-config.ts'

const BASE = 'localAs: 65000\nrouterId: 10.0.0.1\n'

function mistakes(rest: string, base = BASE): string[] {
  try {
    parseBgpdConfig(base + rest, 'bgpd.yaml', 'nothing was started')
  } catch (error) {
    return (error as Error).message.split('\n').slice(1)
  }
  return []
}

const neighbor = (fields: string): string =>
  `neighbors:\n  - { address: 10.0.0.2, remoteAs: 65001, ${fields} }\n`

describe('a bgpd configuration', () => {
  it('needs no more than an AS number and a router id', () => {
    expect(mistakes('')).toEqual([])
  })

  it('takes every field that there is', () => {
    expect(
      mistakes(`
listen: [{ address: 10.0.0.1, port: 1790 }, {}]
control: /run/bgpd.sock
clusterId: 10.0.0.1
gracefulRestart: { restartTimeSeconds: 60, selectionDeferralSeconds: 30, notification: true, longLivedStaleSeconds: 3600, helperOnly: false }
requirePolicy: false
multipathMaximum: 8
multipathRelaxed: true
alwaysCompareMed: true
historyPerRoute: 4
filters:
  customers:
    - action: Accept
      cidr: 10.0.0.0/8
      matchOperator: In
      prefixLength: { min: 8, max: 24 }
      source: RemotePeers
      peerType: eBGP
      communities: { values: ["65000:1"] }
      asPathPrefix: [65001]
      priority: 512
      operations: [{ addCommunity: { value: "65000:1:2" } }, { prependASPath: { prefix: [65000] } }, { setPriority: { value: 1 } }]
neighbors:
  - address: 10.0.0.2
    remoteAs: 65001
    port: 1790
    localAddress: 10.0.0.1
    passive: true
    shutdown: patch night
    connectDelaySeconds: 1
    connectRetrySeconds: 5
    errorWaitSeconds: { first: 1, most: 30 }
    description: upstream
    localAs: 65010
    families: [ipv4, ipv6]
    holdTimeSeconds: 30
    keepaliveSeconds: 10
    md5Key: secret
    multihopTtl: 3
    addPaths: both
    addPathsMaximum: 4
    extendedMessages: true
    extendedNextHop: true
    nextHop: self
    allowOwnAs: 1
    enforceFirstAs: false
    defaultLocalPreference: 200
    prefixLimit: { maximum: 1000, action: warn, restartSeconds: 60 }
    gracefulRestart: true
    bfd: { desiredMinTxMilliseconds: 100, requiredMinRxMilliseconds: 100, detectMultiplier: 3 }
    import: [customers]
    export: accept
  - { address: "fe80::2", interface: eth0, remoteAs: 65000, routeReflectorClient: true, clusterId: 10.0.0.1, ttlSecurityHops: 1 }
dynamicNeighbors:
  - { range: 10.9.0.0/16, remoteAs: 65009, maximum: 10, import: reject }
static:
  - { prefix: 192.0.2.0/24, origin: egp, nextHop: 10.0.0.9, med: 1, localPreference: 2, asPath: [1, 2], communities: [no-export], largeCommunities: ["1:2:3"] }
kernel: { metric: 30, learned: external }
`),
    ).toEqual([])
  })

  it.each([
    [
      'no AS number',
      'routerId: 10.0.0.1',
      'bgpd.yaml:1:1: localAs is missing: expected an AS number: a whole number from 1 to 4294967295',
    ],
    [
      'AS 0',
      'localAs: 0\nrouterId: 10.0.0.1',
      'bgpd.yaml:1:10: localAs is 0: expected an AS number: a whole number from 1 to 4294967295',
    ],
    [
      'a router id that is none',
      'localAs: 1\nrouterId: 0.0.0.0',
      'bgpd.yaml:2:11: routerId is "0.0.0.0": expected four octets written like an IPv4 address, not 0.0.0.0',
    ],
    [
      'an IPv6 router id',
      'localAs: 1\nrouterId: "::1"',
      'bgpd.yaml:2:11: routerId is "::1": expected four octets written like an IPv4 address, not 0.0.0.0',
    ],
  ])('tells of %s', (_, text, expected) => {
    expect(mistakes('', text)).toEqual([expected])
  })

  it.each([
    [
      'hold time 2',
      'holdTimeSeconds: 2',
      'holdTimeSeconds is 2: expected a hold time of 0 or at least 3 seconds (RFC 4271 section 4.2)',
    ],
    [
      'a keepalive beyond the hold time',
      'holdTimeSeconds: 9, keepaliveSeconds: 9',
      'keepaliveSeconds is 9: expected less than the hold time of 9 seconds',
    ],
    [
      'a filter that is not there',
      'import: [nope]',
      'import[0] is "nope": expected the name of a list in filters; there are none',
    ],
    [
      'a policy that is none',
      'export: maybe',
      'export is "maybe": expected accept, reject, or a list of names from filters',
    ],
    [
      'a client in another AS',
      'routeReflectorClient: true',
      'routeReflectorClient is true: expected a neighbor of our own AS 65000 as client',
    ],
    [
      'two kinds of TTL',
      'multihopTtl: 2, ttlSecurityHops: 2',
      'ttlSecurityHops is 2: expected this or multihopTtl, not both',
    ],
    [
      'a source of the other family',
      'localAddress: "::1"',
      'localAddress is "::1": expected an IPv4 address, as the neighbor\'s',
    ],
    [
      'waits the wrong way round',
      'errorWaitSeconds: { first: 9, most: 3 }',
      'errorWaitSeconds.most is 3: expected at least the first wait',
    ],
    ['a key that is too long', `md5Key: ${'k'.repeat(81)}`, 'expected 1 to 80 octets of key'],
    ['no family', 'families: []', 'families: expected one family at least'],
    ['an unknown family', 'families: [ipx]', 'families[0] is "ipx": expected one of ipv4, ipv6'],
  ])('tells of a neighbor with %s', (_, fields, expected) => {
    const found = mistakes(neighbor(fields))
    expect(found).toHaveLength(1)
    expect(found[0]).toContain(expected)
    expect(found[0]).toMatch(/^bgpd\.yaml:4:\d+: neighbors\[0\]/)
  })

  it.each([
    [
      'a neighbor twice',
      'neighbors: [{ address: 10.0.0.2, remoteAs: 1 }, { address: 10.0.0.2, remoteAs: 2 }]',
      'neighbors[1].address is "10.0.0.2": expected each neighbor once, neighbors[0] is it',
    ],
    [
      'a link-local neighbor without interface',
      'neighbors: [{ address: "fe80::1", remoteAs: 1 }]',
      'neighbors[0].interface is missing: expected the interface of a link-local neighbor',
    ],
    [
      'ourselves as neighbor',
      'neighbors: [{ address: 10.0.0.1, localAddress: 10.0.0.1, remoteAs: 1 }]',
      'neighbors[0].address is "10.0.0.1": expected another address than localAddress',
    ],
    [
      'a prefix twice',
      'static: [{ prefix: 10.0.0.0/8 }, { prefix: 10.0.0.0/8 }]',
      'static[1].prefix is "10.0.0.0/8": expected each prefix once, static[0] has it',
    ],
    [
      'host bits',
      'static: [{ prefix: 10.0.0.1/8 }]',
      'static[0].prefix is "10.0.0.1/8": expected a prefix with its host bits zero',
    ],
    [
      'an IPv4 next hop of IPv6',
      'static: [{ prefix: "::/0", nextHop: 10.0.0.1 }]',
      'static[0].nextHop is "10.0.0.1": expected an IPv6 address for an IPv6 prefix',
    ],
    [
      'a community that is large',
      'static: [{ prefix: 10.0.0.0/8, communities: ["1:2:3"] }]',
      'static[0].communities[0] is "1:2:3": expected a community such as 65000:100 or no-export',
    ],
    [
      'a rule without operator',
      'filters: { f: [{ action: Accept, cidr: 10.0.0.0/8 }] }',
      'filters.f[0].matchOperator is missing: expected one of Equal, NotEqual, In, NotIn beside cidr',
    ],
    [
      'a rule without CIDR',
      'filters: { f: [{ action: Accept, prefixLength: { min: 8 } }] }',
      'filters.f[0].prefixLength: expected a cidr beside it',
    ],
    [
      'operations on Reject',
      'filters: { f: [{ action: Reject, operations: [] }] }',
      'filters.f[0].operations: expected operations only with action Accept',
    ],
    [
      'lengths beyond the family',
      'filters: { f: [{ action: Accept, cidr: 10.0.0.0/8, matchOperator: In, prefixLength: { max: 33 } }] }',
      'filters.f[0].prefixLength.max is 33: expected 32 at most',
    ],
    [
      'lengths the wrong way round',
      'filters: { f: [{ action: Accept, cidr: 10.0.0.0/8, matchOperator: In, prefixLength: { min: 20, max: 10 } }] }',
      'filters.f[0].prefixLength.max is 10: expected at least min',
    ],
    [
      'a port of 0',
      'listen: [{ port: 0 }]',
      'listen[0].port is 0: expected a TCP port: a whole number from 1 to 65535',
    ],
    [
      'true for graceful restart',
      'gracefulRestart: true',
      'gracefulRestart is true: expected false, or a map of fields',
    ],
  ])('tells of %s', (_, text, expected) => {
    const found = mistakes(text)
    expect(found).toHaveLength(1)
    expect(found[0]).toContain(expected)
  })

  it('tells all of them at once', () => {
    const found = mistakes('listen: [{ port: 0 }]\nstatic: [{ prefix: x }]\nfoo: 1\n')
    expect(found.map((line) => line.split(': ')[0])).toEqual([
      'bgpd.yaml:3:18',
      'bgpd.yaml:4:20',
      'bgpd.yaml:5:6',
    ])
  })
})

it('the published schema is that of the program (else run: node scripts/schema.mjs)', () => {
  const path = new URL('../../schema/bgpd.schema.json', import.meta.url)
  expect(readFileSync(path, 'utf8')).toBe(bgpdJsonSchema())
})

describe('a secret of the configuration', () => {
  it.each([
    ['too long', 'SECRETKEY-XYZ'.repeat(8)],
    ['a number', '12345678'],
    ['a list', '[SECRETKEY-XYZ]'],
  ])('never shows a key that is %s', (_, key) => {
    const text = `
localAs: 65001
routerId: 10.0.0.1
neighbors:
  - { address: 10.0.0.2, remoteAs: 65002, md5Key: ${key} }
`
    expect(() => parseBgpdConfig(text, 'f.yaml', 'nothing was started')).toThrow(
      'neighbors[0].md5Key (a secret, not shown): expected 1 to 80 octets of key',
    )
    try {
      parseBgpdConfig(text, 'f.yaml', 'nothing was started')
    } catch (thrown) {
      expect(String(thrown)).not.toMatch(/SECRETKEY|12345678/)
    }
  })

  it('holds a key as a secret', () => {
    const file = parseBgpdConfig(
      'localAs: 65001\nrouterId: 10.0.0.1\nneighbors: [{ address: 10.0.0.2, remoteAs: 65002, md5Key: hunter2 }]\n',
      'f.yaml',
      'nothing was started',
    )
    expect(file.neighbors![0]!.md5Key!.reveal()).toBe('hunter2')
    expect(JSON.stringify(file)).not.toContain('hunter2')
  })
})
