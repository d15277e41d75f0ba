import { describe, expect, it } from 'vitest'
import { createSimulatedMachine } from '../../kernel/sim/machine.ts'
import type { FilterMatch, FilterRule, FilterSet, FilterTable } from '../../kernel/packet-filter.ts'
import { VirtualClock } from '../../lib/clock.ts'
import { SeededRandom } from '../../lib/random.ts'
import { decodeResource } from '../../model/decode-resource.ts'
import type { Kind, Resource } from '../../model/resource.ts'
import { prefix } from '../../net/prefix.ts'
import { ClusterView } from '../cluster/cluster-view.ts'
import { type FilterInputs, filterTable } from './filter-table.ts'
import { usesVxlan } from '../tunnel/vxlan-settings.ts'

function resource(kind: Kind, name: string, spec: unknown): Resource {
  const value = JSON.stringify({ kind, metadata: { name }, spec })
  const decoded = decodeResource(kind, { key: name, value, modRevision: 1 })
  if ('problem' in decoded) throw new Error(decoded.problem.expected)
  return decoded.resource
}

const table = (...resources: readonly Resource[]): FilterTable => tableWith({}, ...resources)

function tableWith(more: Partial<FilterInputs>, ...resources: readonly Resource[]): FilterTable {
  const view = new ClusterView()
  for (const [name, ipv4Address] of [
    ['one', '172.16.1.1/24'],
    ['two', '172.16.1.2/24'],
    ['far', '172.16.2.1/24'],
  ] as const) {
    view.set(resource('Node', name, { bgp: { ipv4Address } }))
  }
  for (const each of resources) view.set(each)
  const ownNetwork = prefix('172.16.1.0/24')
  return filterTable({
    view,
    node: 'one',
    hasVxlan: usesVxlan(view, 'one'),
    ownNetwork,
    formerPools: [],
    strictLinks: [],
    ...more,
  })
}

const pool = (name: string, cidr: string, spec: object = {}): Resource =>
  resource('IPPool', name, { cidr, ...spec })
const felix = (spec: object): Resource => resource('FelixConfiguration', 'default', spec)

const rules = ({ chains }: FilterTable, name: string): readonly FilterRule[] =>
  chains.find((chain) => chain.name === name)?.rules ?? []

/** "source > destination verdict", a rule a line. */
const nat = (made: FilterTable): readonly string[] =>
  rules(made, 'from-pools').map((rule) =>
    [
      setOf(rule, 'source')?.set,
      setOf(rule, 'destination')?.not === true ? 'not' : '',
      setOf(rule, 'destination')?.set,
      protocolOf(rule),
      JSON.stringify(rule.verdict).replaceAll('"', ''),
    ]
      .filter((word) => word !== '' && word !== undefined)
      .join(' '),
  )
const setOf = ({ match }: FilterRule, field: 'source' | 'destination') =>
  match.find(
    (each): each is Extract<FilterMatch, { kind: 'set' }> =>
      each.kind === 'set' && each.key[0] === field,
  )
const protocolOf = ({ match }: FilterRule): number | undefined =>
  match.flatMap((each) => (each.kind === 'protocol' ? each.protocol : []))[0]
const members = (made: FilterTable, name: string): FilterSet['elements'] | undefined =>
  made.sets.find((set) => set.name === name)?.elements

const MASQUERADE = [
  'masquerade4 not pools4 6 masqueradeRandomly',
  'masquerade4 not pools4 17 masqueradeRandomly',
  'masquerade4 not pools4 masquerade',
]

describe('a node’s packet filter', () => {
  it('is as strict about ways back as the host was, but for packets of pods', () => {
    const made = tableWith(
      { strictLinks: ['ens33', 'tunl0'], formerPools: [prefix('10.9.0.0/16')] },
      pool('a', '10.1.0.0/16'),
    )
    const match = [
      { kind: 'set', set: 'pools4', key: ['source'], not: true },
      { kind: 'sourceIsElsewhere' },
    ]
    expect(rules(made, 'from-nodes')).toEqual(
      ['ens33', 'tunl0'].map((link) => ({
        match: [{ kind: 'inputLink', link }, ...match],
        counter: 'reverse-path',
        verdict: 'drop',
      })),
    )
    // A pool that is gone may still be there for other nodes.
    expect(members(made, 'pools4')).toEqual(['10.1.0.0/16', '10.9.0.0/16'])
    expect(rules(table(pool('a', '10.1.0.0/16')), 'from-nodes')).toEqual([])
  })

  it('has no source NAT, which costs connection tracking, where no pool asks for it', () => {
    const made = table(pool('a', '10.1.0.0/16'), felix({ ipipEnabled: false }))
    expect(made.chains.map(({ name }) => name)).toEqual(['from-pods'])
    expect(made.sets.map(({ name }) => name)).toEqual(['gateway4', 'link-local6'])
  })

  it('masquerades what leaves pools with natOutgoing for no pool at all, disabled ones included', () => {
    const made = table(
      pool('a', '10.1.0.0/16', { natOutgoing: true, disabled: true }),
      pool('b', '10.2.0.0/16'),
      pool('lb', '10.3.0.0/16', { natOutgoing: true, allowedUses: ['LoadBalancer'] }),
    )
    expect(nat(made).slice(-3)).toEqual(MASQUERADE)
    expect(members(made, 'masquerade4')).toEqual(['10.1.0.0/16'])
    expect(members(made, 'pools4')).toEqual(['10.1.0.0/16', '10.2.0.0/16'])
  })

  it('leaves packets to nodes alone where the answer comes back the same way', () => {
    const made = table(
      pool('never', '10.1.0.0/16', { natOutgoing: true }),
      pool('cross', '10.2.0.0/16', { natOutgoing: true, ipipMode: 'CrossSubnet' }),
      pool('vxlan', '10.3.0.0/16', { natOutgoing: true, vxlanMode: 'CrossSubnet' }),
      pool('always', '10.4.0.0/16', { natOutgoing: true, ipipMode: 'Always' }),
      pool('quiet', '10.5.0.0/16', { ipipMode: 'CrossSubnet' }),
    )
    expect(nat(made)).toEqual([
      'never-tunnelled4 nodes4 accept',
      'near-bare4 near-nodes4 accept',
      ...MASQUERADE,
    ])
    expect(members(made, 'never-tunnelled4')).toEqual(['10.1.0.0/16'])
    expect(members(made, 'near-bare4')).toEqual(['10.2.0.0/16', '10.3.0.0/16'])
    expect(members(made, 'near-nodes4')).toEqual(['172.16.1.1/32', '172.16.1.2/32'])
    expect(members(made, 'nodes4')).toEqual(['172.16.2.1/32', '172.16.1.1/32', '172.16.1.2/32'])
  })

  it('does as natOutgoingExclusions says of nodes', () => {
    const own = pool('a', '10.1.0.0/16', { natOutgoing: true })
    expect(nat(table(own, felix({ natOutgoingExclusions: 'IPPoolsOnly' })))).toEqual(MASQUERADE)
    expect(nat(table(own, felix({ natOutgoingExclusions: 'IPPoolsAndHostIPs' })))).toEqual([
      'masquerade4 nodes4 accept',
      ...MASQUERADE,
    ])
  })

  it('gives the address and the ports that FelixConfiguration asks for', () => {
    const newSources = (spec: object) =>
      rules(
        table(
          pool('a', '10.1.0.0/16', { natOutgoing: true }),
          pool('b', 'fd00:1::/64', { natOutgoing: true }),
          felix({ natOutgoingExclusions: 'IPPoolsOnly', ...spec }),
        ),
        'from-pools',
      ).map((rule) => [setOf(rule, 'source')?.set, protocolOf(rule), rule.newSource])
    const address = '192.0.2.1'
    const ports = [1024, 2047]
    expect(newSources({ natOutgoingAddress: address, natPortRange: '1024:2047' })).toEqual([
      ['masquerade4', 6, { address, ports }],
      ['masquerade4', 17, { address, ports }],
      ['masquerade4', undefined, { address }],
      ['masquerade6', 6, { ports }],
      ['masquerade6', 17, { ports }],
      ['masquerade6', undefined, undefined],
    ])
    expect(newSources({ natPortRange: 4000 })[0]).toEqual([
      'masquerade4',
      6,
      { ports: [4000, 4000] },
    ])
    for (const natPortRange of ['0:0', '9:8', '1:65536', 'http', '']) {
      const made = newSources({ natOutgoingAddress: 'nonsense', natPortRange })
      expect([natPortRange, ...made.map(([, , newSource]) => newSource)]).toEqual([
        natPortRange,
        ...Array<undefined>(6).fill(undefined),
      ])
    }
  })

  it('masquerades IPv6 by itself', () => {
    const made = table(
      pool('a', '10.1.0.0/16'),
      pool('b', 'fd00:1::/64', { natOutgoing: true }),
      resource('Node', 'six', { bgp: { ipv6Address: 'fd00::7/64' } }),
    )
    expect(nat(made)).toContain('masquerade6 not pools6 masquerade')
    expect(nat(made).some((rule) => rule.includes('masquerade4'))).toBe(false)
    expect(members(made, 'nodes6')).toEqual(['fd00::7/128'])
  })

  it('drops tunnels from strangers, of the kinds that nodes have', () => {
    const chain = (...resources: readonly Resource[]) =>
      rules(table(...resources), 'to-node').map(
        (rule) => `${rule.counter} ${setOf(rule, 'source')?.set}`,
      )
    expect(chain(pool('a', '10.1.0.0/16', { ipipMode: 'CrossSubnet' }))).toEqual([
      'forged-ipip nodes4',
    ])
    const vxlan = pool('a', '10.1.0.0/16', { vxlanMode: 'Always', disabled: true })
    expect(chain(vxlan, felix({ ipipEnabled: false }))).toEqual([
      'forged-vxlan nodes4',
      'forged-vxlan nodes6',
    ])
    // tunl0 is there before a pool uses it.
    expect(chain(pool('a', '10.1.0.0/16'))).toEqual(['forged-ipip nodes4'])
  })

  it('heeds what is said of this node alone', () => {
    const own = resource('FelixConfiguration', 'node.one', { vxlanPort: 8472 })
    const made = table(
      pool('a', '10.1.0.0/16', { vxlanMode: 'Always' }),
      felix({ vxlanPort: 1 }),
      own,
    )
    expect(rules(made, 'to-node').at(-1)?.match).toContainEqual({
      kind: 'destinationPort',
      ports: 8472,
    })
  })

  it('trusts external nodes as it does its own', () => {
    const externalNodesList = ['192.0.2.1', '192.0.2.128/25', 'nonsense']
    const made = table(
      pool('a', '10.1.0.0/16', { ipipMode: 'Always' }),
      felix({ externalNodesList }),
    )
    expect(members(made, 'nodes4')).toEqual(
      expect.arrayContaining(['192.0.2.1/32', '192.0.2.128/25']),
    )
  })

  it('lets what is from no pod go on at its first rule', () => {
    expect(rules(table(), 'from-pods')[0]).toEqual({
      match: [{ kind: 'inputLink', link: 'cali*', not: true }],
      verdict: 'accept',
    })
  })

  it('lets pods tunnel where that is allowed', () => {
    const counted = (...resources: readonly Resource[]) =>
      rules(table(...resources), 'from-pods').map(({ counter }) => counter)
    expect(counted()).toEqual([
      undefined,
      undefined,
      'spoofed-source',
      'to-gateway',
      'tunnel-of-pod',
      'tunnel-of-pod',
    ])
    expect(
      counted(felix({ allowIPIPPacketsFromWorkloads: true, allowVXLANPacketsFromWorkloads: true })),
    ).toEqual([undefined, undefined, 'spoofed-source', 'to-gateway'])
  })

  it('is one that kernels take', () => {
    const machine = createSimulatedMachine({
      clock: new VirtualClock(),
      random: new SeededRandom(1),
    })
    const made = table(
      pool('a', '10.1.0.0/16', { natOutgoing: true, ipipMode: 'CrossSubnet' }),
      pool('b', 'fd00:1::/64', { natOutgoing: true, vxlanMode: 'Always' }),
    )
    const changes = machine.createNamespace('one').keepPacketFilter(made)
    expect(changes[0]).toMatchObject({ object: 'table', name: 'tortie', change: 'added' })
  })
})
