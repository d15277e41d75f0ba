import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ip } from '../net/ip-address.ts'
import { prefix } from '../net/prefix.ts'
import {
  address,
  cable,
  type ContractMachine,
  echoRequest,
  echoRequest6,
  internetChecksum,
  ipv4,
  record,
  unicast,
} from './kernel.contract.ts'
import { isKernelError, type Kernel } from './kernel.ts'
import {
  type BaseChain,
  FILTER_PRIORITY,
  type FilterChain,
  type FilterKey,
  type FilterMap,
  type FilterMatch,
  type FilterRule,
  type FilterSet,
  type FilterTable,
  type FilterVerdict,
  type NewSource,
} from './packet-filter.ts'
import { oneRuleTable } from './testing/one-rule-table.ts'

/** The packet filter of every kernel behind the port. */
export function packetFilterContract(
  name: string,
  makeMachine: () => Promise<ContractMachine> | ContractMachine,
): void {
  describe(`packet filter: ${name}`, () => {
    let harness: ContractMachine
    let pod: Kernel
    let node: Kernel
    let outside: Kernel

    /** pod (10.2.0.5) --cali1- node (10.1.0.1) --eth0- outside (10.1.0.2), which knows no route to the pod. */
    beforeEach(async () => {
      harness = await makeMachine()
      ;[pod, node, outside] = ['p', 'n', 'o'].map((suffix) => {
        const kernel = harness.machine.createNamespace(`${harness.prefix}f${suffix}`)
        kernel.changeLink(kernel.link('lo')!.index, { up: true })
        return kernel
      }) as [Kernel, Kernel, Kernel]
      const inner = cable(pod, 'eth0', node, 'cali1')
      const outer = cable(node, 'eth0', outside, 'eth0')
      address(pod, inner.near, '10.2.0.5', 32)
      address(node, outer.near, '10.1.0.1', 24)
      address(outside, outer.far, '10.1.0.2', 24)
      const onLink = { scope: 'link' } as const
      pod.addRoute(unicast('169.254.1.1/32', inner.near, undefined, onLink))
      pod.addRoute(unicast('0.0.0.0/0', inner.near, '169.254.1.1'))
      node.addRoute(unicast('10.2.0.5/32', inner.far, undefined, onLink))
      node.addRoute(unicast('169.254.1.1/32', node.link('lo')!, undefined, onLink))
      node.writeSysctl('ipv4.ip_forward', '1')
      node.writeSysctl('ipv4.conf.cali1.proxy_arp', '1')
      node.writeSysctl('ipv4.neigh.cali1.proxy_delay', '0')
    })
    afterEach(async () => {
      for (const kernel of [pod, node, outside]) harness.machine.deleteNamespace(kernel.name)
      await harness.done()
    })

    const counted = (counter: string): number =>
      node.packetFilterCounters('test').get(counter)?.packets ?? -1

    /** Sends and waits until the counter has gone up by one. */
    async function untilCounted(counter: string, send: () => void): Promise<void> {
      const before = counted(counter)
      send()
      await harness.until(() => counted(counter) > before, `${counter} beyond ${before}`)
      expect(counted(counter)).toBe(before + 1)
    }

    /** Whether an answer comes before a second packet, whose own answer is sure, is answered. */
    async function isAnswered(from: Kernel, destination: string, sure: string): Promise<boolean> {
      const link = from.link('eth0')!
      const source = from === pod ? '10.2.0.5' : '10.1.0.2'
      const seen = record(from, link)
      from.sendPacket(echoRequest({ source, destination, id: 7 }))
      from.sendPacket(echoRequest({ source, destination: sure, id: 8 }))
      const answersOf = (id: number) =>
        seen.packets.filter(
          ({ direction, octets }) =>
            direction === 'in' && octets[9] === 1 && octets[20] === 0 && octets[25] === id,
        )
      await harness.until(() => answersOf(8).length > 0, 'the answer that is sure')
      seen.capture.close()
      return answersOf(7).length > 0
    }

    const pools: FilterSet = { name: 'pools', key: ['ipv4'], elements: [prefix('10.2.0.0/16')] }

    describe('tables', () => {
      it('are made once, and then left alone', async () => {
        const table = everything()
        expect(node.keepPacketFilter(table)[0]).toEqual({
          object: 'table',
          name: 'test',
          change: 'added',
          added: 0,
          removed: 0,
        })
        let told = 0
        const watch = node.watch(({ kind }) => void (told += kind === 'packetFilter' ? 1 : 0))
        expect(node.keepPacketFilter(table)).toEqual([])
        const another = harness.machine.openNamespace(node.name)
        expect(another.keepPacketFilter(table)).toEqual([])
        another.close()
        expect(node.packetFilterCounters('test')).toEqual(
          new Map([
            ['drops', { packets: 0, octets: 0 }],
            ['masqueraded', { packets: 0, octets: 0 }],
          ]),
        )
        node.keepPacketFilter({ ...oneRuleTable('input', [], 'accept'), name: 'other' })
        await harness.until(() => told > 0, 'word of the other table')
        expect(told).toBe(1)
        watch.close()
      })

      /** What changed, a line an object: "set pools changed +1 -0". */
      const changes = (table: FilterTable): readonly string[] =>
        node
          .keepPacketFilter(table)
          .map(
            ({ object, name, change, added, removed }) =>
              `${object} ${name} ${change} +${added} -${removed}`,
          )
          .sort()
      /** What changed; afterwards all is as it should be, also for whoever has to read it first. */
      const there = (table: FilterTable): readonly string[] => {
        const made = changes(table)
        expect(changes(table)).toEqual([])
        const another = harness.machine.openNamespace(node.name)
        expect(another.keepPacketFilter(table)).toEqual([])
        another.close()
        return made
      }

      it('have what changed put right, and nothing more', () => {
        const table = everything()
        const [first, second, ...others] = table.chains as readonly BaseChain[]
        const [pools, ...rest] = table.sets
        const wider = { ...pools!, elements: [...pools!.elements, prefix('10.9.0.0/16')] }
        const extra: FilterRule = { match: [], counter: 'extra', verdict: 'accept' }
        there(table)
        expect(there({ ...table, sets: [wider, ...rest] })).toEqual(['set pools changed +1 -0'])
        expect(there(table)).toEqual(['set pools changed +0 -1'])
        const more: FilterSet = { name: 'more', key: ['ipv6'], elements: [] }
        expect(there({ ...table, sets: [...table.sets, more] })).toEqual(['set more added +0 -0'])
        expect(there(table)).toEqual(['set more removed +0 -0'])
        const between = second!.rules.toSpliced(1, 0, extra)
        const longer = [first!, { ...second!, rules: between }, ...others]
        expect(there({ ...table, chains: longer })).toEqual([
          'chain in changed +1 -0',
          'counter extra added +0 -0',
        ])
        const shorter = [first!, { ...second!, rules: between.slice(1) }, ...others]
        expect(there({ ...table, chains: shorter })).toEqual(['chain in changed +0 -1'])
        expect(there(table)).toEqual(['chain in changed +1 -1', 'counter extra removed +0 -0'])
        expect(
          there({ ...table, chains: [{ ...first!, policy: 'drop' as const }, second!, ...others] }),
        ).toEqual(['chain before changed +0 -0'])
        expect(there(table)).toEqual(['chain before changed +0 -0'])
        expect(
          there({ ...table, chains: [{ ...first!, priority: 5 }, second!, ...others] }),
        ).toEqual(['chain before replaced +1 -1'])
        expect(there({ ...table, chains: [second!, ...others] })).toEqual([
          'chain before removed +0 -1',
        ])
        expect(there({ ...table, chains: [] })).toEqual([
          'chain after removed +0 -8',
          'chain forward removed +0 -0',
          'chain in removed +0 -3',
          'counter drops removed +0 -0',
          'counter masqueraded removed +0 -0',
        ])
      })

      it('keep rules in their order, whatever comes, goes and moves', () => {
        const ruleOf = (name: string): FilterRule => ({
          match: [{ kind: 'protocol', protocol: name.charCodeAt(0) }],
          comment: name,
          verdict: 'accept',
        })
        const chainOf = (names: string): FilterTable => {
          const table = oneRuleTable('input', [], 'accept')
          const [chain] = table.chains
          return { ...table, chains: [{ ...chain!, rules: names.split('').map(ruleOf) }] }
        }
        there(chainOf('abcdef'))
        for (const [names, change] of [
          ['abXcdef', '+1 -0'],
          ['Zabcdef', '+1 -1'],
          ['Zabcdefgh', '+2 -0'],
          ['bcdefghaZ', '+2 -2'],
          ['bbcdefghaZ', '+1 -0'],
          ['bcdefghaZ', '+0 -1'],
          ['haZ', '+0 -6'],
          ['Zah', '+2 -2'],
          ['', '+0 -3'],
        ]) {
          expect([names, ...there(chainOf(names!))]).toEqual([
            names,
            `chain input changed ${change}`,
          ])
        }
      })

      it('have a set replaced that is to hold something else, and the rules that ask it', () => {
        const table = oneRuleTable(
          'input',
          [{ kind: 'set', set: 'one', key: ['source'] }],
          'accept',
          [{ name: 'one', key: ['ipv4'], elements: [prefix('10.0.0.0/8')] }],
        )
        there(table)
        const six: FilterSet = { name: 'one', key: ['ipv6'], elements: [prefix('fd00::/8')] }
        expect(there({ ...table, sets: [six] })).toEqual([
          'chain input changed +1 -1',
          'set one replaced +1 -1',
        ])
      })

      it('keep sets of networks and single addresses, of both families, next to each other or inside', () => {
        const sets = (four: readonly string[], six: readonly string[]): FilterTable =>
          oneRuleTable('input', [], 'accept', [
            { name: 'four', key: ['ipv4'], elements: four.map(prefix) },
            { name: 'six', key: ['ipv6'], elements: six.map(prefix) },
          ])
        const cases = [
          sets([], []),
          sets(['10.0.0.1/32', '10.0.0.2/32', '10.0.0.3/32'], ['fd00::1/128', 'fd00::2/128']),
          sets(['10.0.0.2/32'], ['fd00::2/128']),
          sets(['10.0.0.0/8', '10.0.0.2/32', '255.255.255.255/32'], ['fd00::/8', 'fd00::2/128']),
          sets(['10.0.0.0/9', '10.128.0.0/9', '0.0.0.0/32'], ['::/1', '8000::/1']),
          sets(['0.0.0.0/0'], ['::/0']),
          sets(['128.0.0.0/1'], ['::/128']),
        ]
        there(cases[0]!)
        for (const table of cases.slice(1)) {
          expect(there(table).map((change) => change.replace(/ \+.*/, ''))).toEqual([
            'set four changed',
            'set six changed',
          ])
        }
      })

      it('keep sets and maps of every key', () => {
        const keys: readonly (readonly [FilterSet['key'], FilterKey, FilterKey])[] = [
          [['port'], 80, { first: 100, last: 65_535 }],
          [['link'], { link: 'cali1' }, { link: 'a-link-of-15-oc' }],
          [['protocol'], 6, 255],
          [['mark'], 0, 0xffff_ffff],
          [
            ['ipv4', 'protocol', 'port'],
            [prefix('10.0.0.1/32'), 6, 80],
            [prefix('10.0.0.2/32'), 17, 53],
          ],
          [
            ['ipv6', 'protocol', 'port'],
            [prefix('fd00::1/128'), 6, 80],
            [prefix('fd00::2/128'), 17, 53],
          ],
          [
            ['link', 'ipv4'],
            [{ link: 'cali1' }, prefix('10.0.0.1/32')],
            [{ link: 'cali2' }, prefix('10.0.0.1/32')],
          ],
          [
            ['ipv4', 'ipv4', 'mark'],
            [prefix('10.0.0.1/32'), prefix('10.0.0.2/32'), 1],
            [prefix('10.0.0.1/32'), prefix('10.0.0.2/32'), 2],
          ],
        ]
        const table = (count: number): FilterTable => ({
          ...oneRuleTable('input', [], 'accept'),
          sets: keys.map(([key, ...elements], index) => ({
            name: `s${index}`,
            key,
            elements: elements.slice(0, count),
          })),
          maps: keys.flatMap(([key, ...elements], index): FilterMap[] => [
            {
              name: `v${index}`,
              key,
              value: 'verdict',
              entries: elements.slice(0, count).map((each) => [each, 'drop'] as const),
            },
            {
              name: `m${index}`,
              key,
              value: 'mark',
              entries: elements.slice(0, count).map((each) => [each, count] as const),
            },
          ]),
        })
        there(table(0))
        expect(there(table(1)).length).toBe(keys.length * 3)
        expect(there(table(2))).toEqual(
          [
            ...keys.map((_, index) => `set s${index} changed +1 -0`),
            ...keys.map((_, index) => `map v${index} changed +1 -0`),
            ...keys.map((_, index) => `map m${index} changed +2 -1`),
          ].sort(),
        )
        expect(there(table(0)).length).toBe(keys.length * 3)
      })

      it('lead from chain to chain, by rules and by maps, and let chains go that nobody leads to', () => {
        const base = oneRuleTable('forward', [], 'accept')
        const table = (names: readonly string[]): FilterTable => ({
          ...base,
          maps: [
            {
              name: 'pods',
              key: ['link'],
              value: 'verdict',
              entries: names.map((name) => [{ link: name }, { jump: `to-${name}` }] as const),
            },
          ],
          chains: [
            {
              ...(base.chains[0] as BaseChain),
              rules: [
                { match: [], verdict: { map: 'pods', key: ['outputLink'] } },
                ...names.map((name): FilterRule => ({
                  match: [],
                  verdict: { goto: `to-${name}` },
                })),
              ],
            },
            ...names.map((name) => ({ name: `to-${name}`, rules: [] })),
          ],
        })
        there(table(['cali1', 'cali2', 'cali3']))
        expect(there(table(['cali1', 'cali3', 'cali4']))).toEqual([
          'chain forward changed +1 -1',
          'chain to-cali2 removed +0 -0',
          'chain to-cali4 added +0 -0',
          'map pods changed +1 -1',
        ])
        expect(there(table([]))).toHaveLength(5)
      })

      it('hold the nodes of a large cluster, and its pods', () => {
        const numbers = Array.from({ length: 1000 }, (_, index) => index)
        const nodes = numbers.map((index) => prefix(`10.0.${index >> 8}.${index & 255}/32`))
        const base = oneRuleTable('forward', [], 'accept')
        const table = (members: typeof nodes): FilterTable => ({
          ...base,
          sets: [{ name: 'nodes', key: ['ipv4'], elements: members }],
          maps: [
            {
              name: 'pods',
              key: ['link'],
              value: 'verdict',
              entries: numbers.map(
                (index) => [{ link: `cali${index}` }, { goto: `pod-${index}` }] as const,
              ),
            },
          ],
          chains: [
            ...base.chains,
            ...numbers.map((index) => ({
              name: `pod-${index}`,
              rules: [{ match: [], counter: `c${index % 100}`, verdict: 'accept' } as const],
            })),
          ],
        })
        there(table(nodes))
        expect(there(table(nodes.slice(0, 999)))).toEqual(['set nodes changed +0 -1'])
        const [first, ...others] = table(nodes).chains
        const changed = { ...others[500]!, rules: [] }
        const chains = [first!, ...others.slice(0, 500), changed, ...others.slice(501)]
        expect(there({ ...table(nodes), chains })).toEqual([
          'chain pod-500 changed +0 -1',
          'set nodes changed +1 -0',
        ])
      })

      it('are put right after somebody else changed them, and no more of them than that', () => {
        const table = everything()
        there(table)
        const other = harness.machine.openNamespace(node.name)
        const [before, into, ...rest] = table.chains
        const [pools, ...sets] = table.sets
        for (const [damaged, mended] of [
          [
            { ...table, chains: [before!, { ...into!, rules: [] }, ...rest] },
            ['chain in changed +3 -0'],
          ],
          [
            {
              ...table,
              chains: [
                before!,
                { ...into!, rules: [...into!.rules, { match: [], verdict: 'drop' }] },
                ...rest,
              ],
            },
            ['chain in changed +0 -1'],
          ],
          [
            { ...table, sets: [{ ...pools!, elements: [prefix('10.2.0.0/17')] }, ...sets] },
            ['set pools changed +2 -1'],
          ],
          [
            { ...table, chains: [...table.chains, { name: 'more', rules: [] }] },
            ['chain more removed +0 -0'],
          ],
        ] as const) {
          other.keepPacketFilter(damaged)
          expect(there(table)).toEqual(mended)
        }
        other.deletePacketFilter('test')
        expect(there(table)).toContain('table test added +0 -0')
        other.close()
      })

      it('are refused as a whole by a kernel that cannot do a part of them', () => {
        const table = oneRuleTable('forward', [], 'accept')
        there(table)
        const [chain] = table.chains
        const offloading: FilterTable = {
          ...table,
          flowtables: [{ name: 'fast', priority: 0, links: ['eth0', 'cali1'] }],
          chains: [{ ...chain!, rules: [{ match: [], offload: 'fast' }, ...chain!.rules] }],
        }
        try {
          expect(there(offloading)).toContain('flowtable fast added +0 -0')
          expect(there(table)).toContain('flowtable fast removed +0 -0')
        } catch (thrown) {
          if (!isKernelError(thrown, 'EOPNOTSUPP', 'ENOENT')) throw thrown
          expect(there(table)).toEqual([])
        }
      })

      it('stand beside others, which are not touched', () => {
        node.keepPacketFilter(oneRuleTable('input', [], 'accept'))
        node.keepPacketFilter({ ...oneRuleTable('forward', [], 'accept'), name: 'other' })
        node.deletePacketFilter('test')
        expect(() => node.deletePacketFilter('test')).toThrow(/test.*ENOENT/)
        expect(node.packetFilterCounters('test').size).toBe(0)
        expect(
          node.keepPacketFilter({ ...oneRuleTable('forward', [], 'accept'), name: 'other' }),
        ).toEqual([])
      })

      it('tell who watches that something changed', async () => {
        let told = 0
        const watch = node.watch(({ kind }) => void (told += kind === 'packetFilter' ? 1 : 0))
        node.keepPacketFilter(oneRuleTable('input', [], 'accept'))
        await harness.until(() => told > 0, 'word of the change')
        watch.close()
      })

      it('are refused, and nothing is changed, when they make no sense', () => {
        const table = oneRuleTable('input', [], 'accept')
        node.keepPacketFilter(table)
        const [base] = table.chains as readonly BaseChain[]
        const chained = (
          more: Partial<FilterRule>,
          chain: Partial<BaseChain> = {},
        ): FilterTable => ({
          ...table,
          chains: [{ ...base!, ...chain, rules: [{ ...base!.rules[0]!, ...more }] }],
        })
        const matching = (...match: readonly FilterMatch[]): FilterTable => chained({ match })
        const to = (newSource: NewSource, ...match: readonly FilterMatch[]): FilterTable =>
          oneRuleTable('postrouting', match, 'masquerade', [], newSource)
        const set = (key: FilterSet['key'], ...elements: readonly FilterKey[]): FilterTable => ({
          ...table,
          sets: [{ name: 'some', key, elements }],
        })
        const map = (more: Partial<FilterMap>): FilterTable => ({
          ...table,
          maps: [
            { name: 'some', key: ['ipv4'], value: 'verdict', entries: [], ...more } as FilterMap,
          ],
        })
        const chain = (name: string, ...verdicts: readonly FilterVerdict[]): FilterChain => ({
          name,
          rules: verdicts.map((verdict) => ({ match: [], verdict })),
        })
        const jump = (to: string): FilterVerdict => ({ jump: to })
        const jumping = (...chains: readonly FilterChain[]): FilterTable => ({
          ...chained({ verdict: jump('a') }),
          chains: [...chained({ verdict: jump('a') }).chains, ...chains],
        })
        const protocol = (number: number) => ({ kind: 'protocol', protocol: number }) as const
        const deep = Array.from({ length: 16 }, (_, at) =>
          chain(`${DEEP[at]}`, jump(DEEP[at + 1]!)),
        )
        for (const [wrong, message] of [
          [
            matching({ kind: 'set', set: 'nodes', key: ['source'] }),
            /rule 1 of chain input: there is no set nodes/,
          ],
          [chained({ verdict: 'masquerade' }), /only chains of type nat masquerade/],
          [matching({ kind: 'destinationPort', ports: 4789 }), /a port goes with the protocol/],
          [
            matching({ kind: 'sourcePort', ports: 1 }, protocol(6)),
            /a port goes with the protocol/,
          ],
          [
            matching(protocol(6), { kind: 'sourcePort', ports: { first: 2, last: 1 } }),
            /2 to 1 is no range of ports/,
          ],
          [matching({ kind: 'icmp', type: 8 }), /a type of ICMP goes with the protocol/],
          [matching({ kind: 'sourceIsElsewhere' }), /only packets in prerouting/],
          [matching({ kind: 'inputLink', link: 'a-name-of-sixteen' }), /is no name of a link/],
          [matching({ kind: 'inputLink', link: 'a/b', not: true }), /is no name of a link/],
          [matching({ kind: 'outputLink', link: '*' }), /is no name of a link/],
          [matching({ kind: 'mark', mask: 0xf, value: 0x10 }), /16 has bits outside the mask 15/],
          [matching({ kind: 'connection', states: [] }), /no state/],
          [matching({ kind: 'limit', packets: 0, per: 'second', burst: 1 }), /0 is no number/],
          [chained({ mark: { mask: 1, value: 2 } }), /2 has bits outside the mask 1/],
          [chained({ verdict: { reject: 'tcpReset' } }), /a reset goes with the protocol 6/],
          [chained({ offload: 'fast' }), /there is no flowtable fast/],
          [chained({ untracked: true }), /tracked before/],
          [chained({ comment: 'x'.repeat(128) }), /a comment has at most 127 octets/],
          [chained({}, { type: 'nat' }), /belongs to the hook postrouting/],
          [chained({ newSource: {} }), /only a rule that masquerades has a new source/],
          [to({ ports: [1, 2] }), /a port goes with the protocol/],
          [to({ ports: [2, 1] }, protocol(6)), /2 to 1 is no range of ports/],
          [to({ ports: [1, 65_536] }, protocol(6)), /1 to 65536 is no range of ports/],
          [to({ address: ip('10.1.0.1') }), /no set of it has the family of 10.1.0.1/],
          [
            {
              ...to({ address: ip('fd00::1') }, { kind: 'set', set: 'pools', key: ['source'] }),
              sets: [pools],
            },
            /no set of it has the family of fd00::1/,
          ],
          [{ ...table, name: 'no name' }, /"no name" is no name/],
          [set(['ipv6'], prefix('10.2.0.0/16')), /set some: 10.2.0.0\/16 is not IPv6/],
          [set([]), /set some: its key has no field/],
          [set(['link'], { link: 'a/b' }), /set some: a\/b is no name of a link/],
          [set(['protocol'], 256), /set some: 256 is no protocol/],
          [set(['port'], { first: 1, last: 5 }, { first: 5, last: 6 }), /ranges of ports overlap/],
          [set(['ipv4', 'port'], [prefix('10.2.0.0/16'), 1]), /no single address/],
          [set(['ipv4', 'port'], [prefix('10.2.0.1/32')]), /not one value for each of ipv4, port/],
          [
            {
              ...set(['port'], 80),
              chains: matching({ kind: 'set', set: 'some', key: ['source'] }).chains,
            },
            /source is not looked up in some, whose key is port/,
          ],
          [
            {
              ...set(['port'], 80),
              chains: matching({ kind: 'set', set: 'some', key: ['sourcePort'] }).chains,
            },
            /a port goes with the protocol/,
          ],
          [
            map({ entries: [[prefix('10.0.0.0/8'), { jump: 'b' }]] }),
            /map some: there is no chain b/,
          ],
          [map({ entries: [[prefix('10.0.0.0/8'), { jump: 'input' }]] }), /input is a base chain/],
          [
            map({
              entries: [
                [prefix('10.0.0.0/8'), 'drop'],
                [prefix('10.0.0.0/9'), 'drop'],
              ],
            }),
            /map some: two of its prefixes overlap/,
          ],
          [
            { ...map({}), chains: chained({ mark: { map: 'some', key: ['source'] } }).chains },
            /map some holds no mark/,
          ],
          [jumping(), /rule 1 of chain input: there is no chain a/],
          [
            jumping(chain('a', jump('b')), chain('b', jump('a'))),
            /leads to itself: input, a, b, a/,
          ],
          [jumping(...deep, chain(DEEP[16]!)), /more than 16 chains one behind the other/],
          [jumping(chain('a', 'masquerade')), /rule 1 of chain a: only chains of type nat/],
          [jumping(chain('a'), chain('a')), /have one name/],
        ] as const) {
          expect(() => node.keepPacketFilter(wrong)).toThrow(message)
        }
        expect(node.keepPacketFilter(table)).toEqual([])
      })
    })

    const toGate: FilterMatch = { kind: 'destination', prefix: prefix('10.1.0.9/32') }

    describe('rules', () => {
      it('drop by protocol and source, and count packets and octets', async () => {
        const strangers = [
          { kind: 'set', set: 'pools', key: ['source'], not: true },
          { kind: 'protocol', protocol: 4 },
        ] as const
        node.keepPacketFilter(oneRuleTable('input', strangers, 'drop', [pools]))
        const payload = new Uint8Array(30)
        const forged = { destination: '10.1.0.1', protocol: 4, payload }
        await untilCounted('matched', () =>
          outside.sendPacket(ipv4({ source: '10.1.0.2', ...forged })),
        )
        expect(node.packetFilterCounters('test').get('matched')).toEqual({ packets: 1, octets: 50 })
        expect(await isAnswered(outside, '10.1.0.1', '10.1.0.1')).toBe(true)
        expect(counted('matched')).toBe(1)
      })

      it('tell UDP to a port from other packets', async () => {
        node.keepPacketFilter(
          oneRuleTable(
            'input',
            [
              { kind: 'protocol', protocol: 17 },
              { kind: 'destinationPort', ports: 4789 },
            ],
            'drop',
          ),
        )
        const seen: number[] = []
        for (const port of [4788, 4789]) node.udp.bind({ family: 4, port }, () => seen.push(port))
        const client = outside.udp.bind({ family: 4, port: 4789 }, () => {})
        const send = (port: number) =>
          client.send(new Uint8Array(8), { address: ip('10.1.0.1'), port })
        await untilCounted('matched', () => send(4789))
        send(4788)
        await harness.until(() => seen.length > 0, 'a datagram')
        expect(seen).toEqual([4788])
      })

      it('go on counting when members of sets change, and when the table is made anew', async () => {
        const others = [{ kind: 'set', set: 'others', key: ['source'] }] as const
        const table = oneRuleTable('input', others, 'accept', [
          { name: 'others', key: ['ipv4'], elements: [prefix('10.1.0.0/24')] },
        ])
        node.keepPacketFilter(table)
        const ping = () =>
          outside.sendPacket(echoRequest({ source: '10.1.0.2', destination: '10.1.0.1' }))
        await untilCounted('matched', ping)
        const single = { ...table.sets[0]!, elements: [prefix('10.1.0.2/32')] }
        node.keepPacketFilter({ ...table, sets: [single] })
        await untilCounted('matched', ping)
        const [chain] = table.chains as readonly BaseChain[]
        const twice = { ...chain!, rules: [...chain!.rules, ...chain!.rules] }
        node.keepPacketFilter({ ...table, chains: [{ ...twice, priority: 5 }] })
        await untilCounted('matched', ping)
        expect(counted('matched')).toBe(3)
        const none = { ...table.sets[0]!, elements: [] }
        node.keepPacketFilter({ ...table, sets: [none] })
        expect(await isAnswered(outside, '10.1.0.1', '10.1.0.1')).toBe(true)
        expect(counted('matched')).toBe(3)
      })

      it('see links by name, and by the beginning of a name', async () => {
        for (const [inputLink, reaches] of [
          ['cali*', false],
          ['cali1', false],
          ['cali', true],
          ['cali12*', true],
        ] as const) {
          node.keepPacketFilter(
            oneRuleTable('input', [{ kind: 'inputLink', link: inputLink }, toGate], 'drop'),
          )
          if (inputLink === 'cali*') address(node, node.link('lo')!, '10.1.0.9', 32)
          expect([inputLink, await isAnswered(pod, '10.1.0.9', '10.1.0.1')]).toEqual([
            inputLink,
            reaches,
          ])
        }
      })

      it('see links of all names but one', async () => {
        address(node, node.link('lo')!, '10.1.0.9', 32)
        for (const [notInputLink, reaches] of [
          ['cali*', true],
          ['cali1', true],
          ['cali', false],
          ['cali12*', false],
        ] as const) {
          node.keepPacketFilter(
            oneRuleTable(
              'input',
              [{ kind: 'inputLink', link: notInputLink, not: true }, toGate],
              'drop',
            ),
          )
          expect([notInputLink, await isAnswered(pod, '10.1.0.9', '10.1.0.1')]).toEqual([
            notInputLink,
            reaches,
          ])
        }
      })

      it('of a chain that drops by default let pass what is accepted first', async () => {
        const fromPools = [{ kind: 'set', set: 'pools', key: ['source'] }] as const
        const table = oneRuleTable('input', fromPools, 'accept', [pools])
        node.keepPacketFilter({
          ...table,
          chains: [{ ...(table.chains[0] as BaseChain), policy: 'drop' as const }],
        })
        const seen = record(outside, outside.link('eth0')!)
        outside.sendPacket(echoRequest({ source: '10.1.0.2', destination: '10.1.0.1' }))
        expect(await isAnswered(pod, '10.1.0.1', '10.1.0.1')).toBe(true)
        expect(seen.icmp()).toEqual(['out request 64'])
      })

      it('drop what comes from a pod with a source that is not its own, before anything is made of it', async () => {
        // Of IPv4 alone: pods say things by IPv6 whenever their links come up.
        const spoofed = [
          { kind: 'inputLink', link: 'cali*' },
          { kind: 'family', family: 4 },
          { kind: 'sourceIsElsewhere' },
        ] as const
        node.keepPacketFilter(oneRuleTable('prerouting', spoofed, 'drop'))
        const seen = record(outside, outside.link('eth0')!)
        for (const source of ['10.2.0.6', '10.1.0.2', '10.1.0.1', '169.254.1.1', '127.0.0.1']) {
          await untilCounted('matched', () =>
            pod.sendPacket(echoRequest({ source, destination: '10.1.0.2' })),
          )
        }
        expect(seen.icmp()).toEqual([])
        expect(await isAnswered(pod, '10.1.0.1', '10.1.0.1')).toBe(true)
        expect(counted('matched')).toBe(5)
      })

      it('drop the same of IPv6, and leave neighbor discovery alone', async () => {
        address(pod, pod.link('eth0')!, 'fd00:2::5', 64)
        address(node, node.link('cali1')!, 'fd00:2::1', 64)
        const spoofed = [
          { kind: 'inputLink', link: 'cali*' },
          { kind: 'sourceIsElsewhere' },
        ] as const
        node.keepPacketFilter(oneRuleTable('prerouting', spoofed, 'drop'))
        const seen = record(pod, pod.link('eth0')!)
        const destination = 'fd00:2::1'
        await harness.until(() => {
          sendIfRoom(pod, echoRequest6({ source: 'fd00:2::5', destination }))
          return seen.packets.some(
            ({ direction, octets }) => direction === 'in' && octets[40] === 129,
          )
        }, 'an answer by IPv6')
        await untilCounted('matched', () =>
          sendIfRoom(pod, echoRequest6({ source: 'fd00:3::5', destination })),
        )
      })
    })

    describe('chains, maps and what rules do', () => {
      const base = { type: 'filter', priority: FILTER_PRIORITY.filter, policy: 'accept' } as const
      const echo: FilterMatch = { kind: 'protocol', protocol: 1 }
      const count = (counter: string, more: Partial<FilterRule> = {}): FilterRule => ({
        match: [echo],
        counter,
        ...more,
      })
      const ping = (destination = '10.1.0.1'): void =>
        outside.sendPacket(echoRequest({ source: '10.1.0.2', destination }))
      /** Packets by counter, after one that all chains see. */
      const counts = async (...names: readonly string[]): Promise<readonly number[]> => {
        await untilCounted(names[0]!, ping)
        return names.map(counted)
      }

      it('come back from a jump, do not come back from a goto, and end at a return', async () => {
        node.keepPacketFilter({
          name: 'test',
          sets: [],
          chains: [
            {
              ...base,
              name: 'in',
              hook: 'input',
              rules: [
                count('first', { verdict: { jump: 'jumped' } }),
                count('behind-jump', { verdict: { goto: 'gone' } }),
                count('behind-goto'),
              ],
            },
            {
              name: 'jumped',
              rules: [
                count('in-jumped', { verdict: { goto: 'further' } }),
                count('behind-further'),
              ],
            },
            { name: 'further', rules: [count('in-further')] },
            {
              name: 'gone',
              rules: [count('in-gone', { verdict: 'return' }), count('behind-return')],
            },
          ],
        })
        const names = ['first', 'in-jumped', 'in-further', 'behind-jump', 'in-gone']
        const never = ['behind-goto', 'behind-further', 'behind-return']
        expect(await counts(...names, ...never)).toEqual([1, 1, 1, 1, 1, 0, 0, 0])
      })

      it('find the chain of a link by its name in a map, and go on where the map has none', async () => {
        const table = (links: readonly string[]): FilterTable => ({
          name: 'test',
          sets: [],
          maps: [
            {
              name: 'links',
              key: ['link'],
              value: 'verdict',
              entries: links.map((link) => [{ link }, { goto: `from-${link}` }] as const),
            },
          ],
          chains: [
            {
              ...base,
              name: 'in',
              hook: 'input',
              rules: [
                count('all', { verdict: { map: 'links', key: ['inputLink'] } }),
                count('rest'),
              ],
            },
            ...links.map((link) => ({ name: `from-${link}`, rules: [count(link)] })),
          ],
        })
        node.keepPacketFilter(table(['eth0', 'cali1']))
        expect(await counts('all', 'eth0', 'cali1', 'rest')).toEqual([1, 1, 0, 0])
        node.keepPacketFilter(table(['cali1']))
        expect(await counts('all', 'cali1', 'rest')).toEqual([2, 0, 1])
        expect(counted('eth0')).toBe(-1)
      })

      it('find an address, its protocol and its port in a set', async () => {
        const inSet = (name: string): FilterMatch => ({
          kind: 'set',
          set: name,
          key: ['destination', 'protocol', 'destinationPort'],
        })
        const own = prefix('10.1.0.1/32')
        const key = ['ipv4', 'protocol', 'port'] as const
        node.keepPacketFilter({
          name: 'test',
          sets: [
            { name: 'udp', key, elements: [[own, 17, 5000]] },
            {
              name: 'others',
              key,
              elements: [
                [own, 6, 5000],
                [own, 17, 5001],
                [prefix('10.1.0.9/32'), 17, 5000],
              ],
            },
          ],
          chains: [
            {
              ...base,
              name: 'in',
              hook: 'input',
              rules: [
                { match: [inSet('udp')], counter: 'udp' },
                { match: [inSet('others')], counter: 'others' },
              ],
            },
          ],
        })
        const client = outside.udp.bind({ family: 4, port: 5000 }, () => {})
        await untilCounted('udp', () =>
          client.send(new Uint8Array(8), { address: ip('10.1.0.1'), port: 5000 }),
        )
        expect(counted('others')).toBe(0)
      })

      it('give packets a mark that later chains and routes see', async () => {
        node.addRule({ family: 4, priority: 100, table: 77, mark: 0x10, markMask: 0xf0 })
        node.addRoute({
          ...unicast('10.9.9.9/32', node.link('cali1')!, undefined, { scope: 'link' }),
          table: 77,
        })
        node.keepPacketFilter({
          name: 'test',
          sets: [],
          maps: [
            {
              name: 'marks',
              key: ['ipv4'],
              value: 'mark',
              entries: [[prefix('10.9.9.9/32'), 0x1f]],
            },
          ],
          chains: [
            {
              ...base,
              name: 'before',
              hook: 'prerouting',
              priority: FILTER_PRIORITY.mangle,
              rules: [
                count('all', { mark: { map: 'marks', key: ['destination'] } }),
                count('found', {
                  match: [echo, { kind: 'mark', mask: 0xffff_ffff, value: 0x1f }],
                  mark: { mask: 0xf, value: 3 },
                }),
              ],
            },
            {
              ...base,
              name: 'forwarded',
              hook: 'forward',
              rules: [
                count('marked', {
                  match: [
                    echo,
                    { kind: 'mark', mask: 0xff, value: 0x13 },
                    { kind: 'outputLink', link: 'cali1' },
                  ],
                }),
              ],
            },
          ],
        })
        outside.addRoute(unicast('10.9.9.9/32', outside.link('eth0')!, '10.1.0.1'))
        await untilCounted('marked', () => ping('10.9.9.9'))
        expect(['all', 'found'].map(counted)).toEqual([1, 1])
      })

      it('know connections from what begins one and from what answers', async () => {
        const states = ['new', 'established', 'invalid'] as const
        node.keepPacketFilter({
          name: 'test',
          sets: [],
          chains: [
            {
              ...base,
              name: 'forwarded',
              hook: 'forward',
              rules: states.map((state) =>
                count(state, { match: [echo, { kind: 'connection', states: [state] }] }),
              ),
            },
          ],
        })
        outside.addRoute(unicast('10.2.0.0/16', outside.link('eth0')!, '10.1.0.1'))
        expect(await isAnswered(pod, '10.1.0.2', '10.1.0.1')).toBe(true)
        await harness.until(() => counted('established') > 0, 'the answer')
        expect(states.map(counted)).toEqual([1, 1, 0])
        expect(await isAnswered(pod, '10.1.0.2', '10.1.0.1')).toBe(true)
        await harness.until(() => counted('established') > 2, 'the second answer')
        expect(states.map(counted)).toEqual([1, 3, 0])
        const reply = echoRequest({ source: '10.1.0.2', destination: '10.2.0.5', id: 99 })
        reply[20] = 0
        reply.set([0, 0], 22)
        const sum = internetChecksum(reply.subarray(20))
        reply.set([sum >>> 8, sum & 255], 22)
        await untilCounted('invalid', () => outside.sendPacket(reply))
      })

      it('keep a mark with the connection, for its answers', async () => {
        const isNew: FilterMatch = { kind: 'connection', states: ['new'] }
        const isOld: FilterMatch = { kind: 'connection', states: ['established'] }
        node.keepPacketFilter({
          name: 'test',
          sets: [],
          chains: [
            {
              ...base,
              name: 'forwarded',
              hook: 'forward',
              rules: [
                count('saved', {
                  match: [echo, isNew],
                  mark: { mask: 0xff, value: 7 },
                  connectionMark: 'save',
                }),
                count('restored', { match: [echo, isOld], connectionMark: 'restore' }),
                count('seen', { match: [echo, isOld, { kind: 'mark', mask: 0xff, value: 7 }] }),
              ],
            },
          ],
        })
        outside.addRoute(unicast('10.2.0.0/16', outside.link('eth0')!, '10.1.0.1'))
        expect(await isAnswered(pod, '10.1.0.2', '10.1.0.1')).toBe(true)
        await harness.until(() => counted('seen') > 0, 'the mark of the answer')
        expect(['saved', 'restored', 'seen'].map(counted)).toEqual([1, 1, 1])
      })

      it('leave connections untracked where a rule says so', async () => {
        node.keepPacketFilter({
          name: 'test',
          sets: [],
          chains: [
            {
              ...base,
              name: 'raw',
              hook: 'prerouting',
              priority: FILTER_PRIORITY.raw,
              rules: [count('raw', { untracked: true })],
            },
            {
              ...base,
              name: 'in',
              hook: 'input',
              rules: [
                count('untracked', {
                  match: [echo, { kind: 'connection', states: ['untracked'] }],
                }),
              ],
            },
          ],
        })
        expect(await counts('untracked', 'raw')).toEqual([1, 1])
      })

      it.each([
        ['administrativelyProhibited', 13],
        ['portUnreachable', 3],
        ['hostUnreachable', 1],
        ['noRoute', 0],
      ] as const)('tell who sent a packet that it is rejected: %s', async (reason, code) => {
        node.keepPacketFilter(oneRuleTable('input', [echo], { reject: reason }))
        const seen = record(outside, outside.link('eth0')!)
        await untilCounted('matched', ping)
        const isError = ({ direction, octets }: (typeof seen.packets)[number]): boolean =>
          direction === 'in' && octets[9] === 1 && octets[20] === 3
        await harness.until(() => seen.packets.some(isError), 'the error')
        const error = seen.packets.find(isError)!
        expect(error.octets.subarray(12, 16).join('.')).toBe('10.1.0.1')
        expect(error.octets[21]).toBe(code)
      })

      it('reset a connection of TCP that a rule rejects', async () => {
        const toPort: readonly FilterMatch[] = [
          { kind: 'protocol', protocol: 6 },
          { kind: 'destinationPort', ports: { first: 4999, last: 5001 } },
        ]
        node.keepPacketFilter(oneRuleTable('input', toPort, { reject: 'tcpReset' }))
        node.tcp.listen({ family: 4, port: 5000 }, () => {})
        let why: string | undefined
        outside.tcp.connect(
          { remote: { address: ip('10.1.0.1'), port: 5000 } },
          { onConnect() {}, onData() {}, onDrain() {}, onClose: (error) => void (why = error) },
        )
        await harness.until(() => why !== undefined, 'the connection to be refused')
        expect(why).toContain('ECONNREFUSED')
        expect(counted('matched')).toBe(1)
      })

      it('count no more than a limit lets through, over changes of other rules', async () => {
        const table = (more: readonly FilterRule[]): FilterTable => ({
          name: 'test',
          sets: [],
          chains: [
            {
              ...base,
              name: 'in',
              hook: 'input',
              rules: [
                ...more,
                count('some', {
                  match: [echo, { kind: 'limit', packets: 1, per: 'hour', burst: 2 }],
                }),
                count('all'),
              ],
            },
          ],
        })
        node.keepPacketFilter(table([]))
        for (let at = 0; at < 3; at++) await untilCounted('all', ping)
        expect(counted('some')).toBe(2)
        node.keepPacketFilter(table([count('more')]))
        await untilCounted('all', ping)
        expect(counted('some')).toBe(2)
      })

      it('log without harm', async () => {
        const log = (prefix: string, group?: number): FilterRule =>
          count('logged', { log: { prefix, ...(group === undefined ? {} : { group }) } })
        const rules = [log('to a program ', 7), log('', 65_535), log('kernel: '), log('')]
        node.keepPacketFilter({
          name: 'test',
          sets: [],
          chains: [{ ...base, name: 'in', hook: 'input', rules: [...rules, count('all')] }],
        })
        expect(await counts('all', 'logged')).toEqual([1, 4])
      })
    })

    describe('masquerading', () => {
      const leaving = [
        { kind: 'set', set: 'pools', key: ['source'] },
        { kind: 'set', set: 'pools', key: ['destination'], not: true },
      ] as const

      it('gives a pod the address of the node, and answers back to the pod', async () => {
        expect(await isAnswered(pod, '10.1.0.2', '10.1.0.1')).toBe(false)
        node.keepPacketFilter(oneRuleTable('postrouting', leaving, 'masquerade', [pools]))
        const seen = record(outside, outside.link('eth0')!)
        const inPod = record(pod, pod.link('eth0')!)
        pod.sendPacket(echoRequest({ source: '10.2.0.5', destination: '10.1.0.2', id: 77 }))
        await harness.until(() => inPod.icmp().length > 1, 'the answer')
        const [request] = seen.packets.filter(({ octets }) => octets[9] === 1)
        expect(request!.octets.subarray(12, 16).join('.')).toBe('10.1.0.1')
        const [, answer] = inPod.packets.filter(({ octets }) => octets[9] === 1)
        expect(answer!.octets.subarray(12, 20).join('.')).toBe('10.1.0.2.10.2.0.5')
        expect([request!.octets[25], answer!.octets[25]]).toEqual([77, 77])
        expect(counted('matched')).toBe(1)
      })

      it('carries TCP and UDP, from whatever ports', async () => {
        node.keepPacketFilter(oneRuleTable('postrouting', leaving, 'masqueradeRandomly', [pools]))
        const froms: string[] = []
        const server = outside.udp.bind({ family: 4, port: 5000 }, ({ from, octets }) => {
          froms.push(from.address)
          server.send(octets, from)
        })
        let echoed = 0
        const client = pod.udp.bind({ family: 4, port: 5001 }, () => void echoed++)
        client.send(new Uint8Array(100), { address: ip('10.1.0.2'), port: 5000 })
        await harness.until(() => echoed > 0, 'the datagram back')
        outside.tcp.listen({ family: 4, port: 5000 }, (connection) => {
          froms.push(connection.remote.address)
          connection.handlers = {
            onConnect() {},
            onData: (octets) => void connection.write(octets),
            onDrain() {},
            onClose() {},
          }
        })
        let received = 0
        const connection = pod.tcp.connect(
          { remote: { address: ip('10.1.0.2'), port: 5000 } },
          {
            onConnect: () => void connection.write(new Uint8Array(5000)),
            onData: (octets) => void (received += octets.length),
            onDrain() {},
            onClose() {},
          },
        )
        await harness.until(() => received === 5000, 'five thousand octets back')
        expect(froms).toEqual(['10.1.0.1', '10.1.0.1'])
      })

      it.each(['masquerade', 'masqueradeRandomly'] as const)(
        'takes ports of a range only, and none twice at once (%s)',
        async (verdict) => {
          const match = [{ kind: 'protocol', protocol: 17 }, ...leaving] as const
          const newSource = { ports: [20_000, 20_003] as const }
          node.keepPacketFilter(oneRuleTable('postrouting', match, verdict, [pools], newSource))
          const froms: string[] = []
          outside.udp.bind({ family: 4, port: 5000 }, ({ from }) => {
            froms.push(`${from.address} ${from.port}`)
          })
          // One of them lies in the range already.
          for (const port of [5001, 5002, 5003, 20_002]) {
            const client = pod.udp.bind({ family: 4, port }, () => {})
            client.send(new Uint8Array(10), { address: ip('10.1.0.2'), port: 5000 })
            const before = froms.length
            await harness.until(() => froms.length > before, `the datagram from ${port}`)
          }
          expect(froms.toSorted()).toEqual([0, 1, 2, 3].map((more) => `10.1.0.1 ${20_000 + more}`))
        },
      )

      it('gives another address than the link’s, where a rule says so', async () => {
        address(node, node.link('lo')!, '10.1.0.77', 32)
        const newSource = { address: ip('10.1.0.77') }
        const table = oneRuleTable('postrouting', leaving, 'masquerade', [pools], newSource)
        expect(node.keepPacketFilter(table)).not.toEqual([])
        expect(node.keepPacketFilter(table)).toEqual([])
        const seen = record(outside, outside.link('eth0')!)
        expect(await isAnswered(pod, '10.1.0.2', '10.1.0.1')).toBe(true)
        const [request] = seen.packets.filter(({ octets }) => octets[9] === 1)
        expect(request!.octets.subarray(12, 16).join('.')).toBe('10.1.0.77')
      })

      it.each(['masquerade', 'masqueradeRandomly'] as const)(
        'brings errors back to the pod, about the packet as the pod sent it (%s)',
        async (verdict) => {
          node.keepPacketFilter(oneRuleTable('postrouting', leaving, verdict, [pools]))
          const seen = record(pod, pod.link('eth0')!)
          const client = pod.udp.bind({ family: 4, port: 5001 }, () => {})
          const isError = ({ direction, octets }: (typeof seen.packets)[number]): boolean =>
            direction === 'in' && octets[9] === 1 && octets[20] === 3
          client.send(new Uint8Array(10), { address: ip('10.1.0.2'), port: 4999 })
          await harness.until(() => seen.packets.some(isError), 'port unreachable')
          const error = seen.packets.find(isError)!
          const sent = seen.packets.find(({ direction }) => direction === 'out')!
          expect(error.octets.subarray(12, 20).join('.')).toBe('10.1.0.2.10.2.0.5')
          const quoted = error.octets.subarray(28)
          // Up to the checksum, which a capture of what is sent does not have whole.
          expect(quoted.subarray(12, 26)).toEqual(sent.octets.subarray(12, 26))
          expect(internetChecksum(error.octets.subarray(20))).toBe(0)
          expect(internetChecksum(quoted.subarray(0, 20))).toBe(0)
        },
      )

      it('leaves alone what stays among the pools, or is from elsewhere', async () => {
        outside.addRoute(unicast('10.2.0.0/16', outside.link('eth0')!, '10.1.0.1'))
        address(outside, outside.link('eth0')!, '10.2.9.9', 32)
        node.addRoute(unicast('10.2.9.0/24', node.link('eth0')!, '10.1.0.2'))
        node.keepPacketFilter(oneRuleTable('postrouting', leaving, 'masquerade', [pools]))
        const seen = record(outside, outside.link('eth0')!)
        expect(await isAnswered(pod, '10.2.9.9', '10.1.0.1')).toBe(true)
        const sources = seen.packets
          .filter(({ direction, octets }) => direction === 'in' && octets[9] === 1)
          .map(({ octets }) => octets.subarray(12, 16).join('.'))
        expect(sources).toEqual(['10.2.0.5'])
        expect(counted('matched')).toBe(0)
      })
    })
  })
}

/** Names of more chains than a packet can be inside of. */
const DEEP = Array.from({ length: 17 }, (_, at) => String.fromCharCode(97 + at))

/** The table of a node and more of its kind. */
function everything(): FilterTable {
  const sets: readonly FilterSet[] = [
    { name: 'pools', key: ['ipv4'], elements: [prefix('10.2.0.0/16'), prefix('10.3.0.0/16')] },
    { name: 'nodes', key: ['ipv4'], elements: [prefix('10.1.0.1/32'), prefix('10.1.0.2/32')] },
    { name: 'nodes6', key: ['ipv6'], elements: [prefix('fd00::1/128')] },
  ]
  const common = { type: 'filter', policy: 'accept' } as const
  return {
    name: 'test',
    sets,
    chains: [
      {
        ...common,
        name: 'before',
        hook: 'prerouting',
        priority: FILTER_PRIORITY.raw,
        rules: [
          {
            match: [{ kind: 'inputLink', link: 'cali*' }, { kind: 'sourceIsElsewhere' }],
            counter: 'drops',
            verdict: 'drop',
          },
        ],
      },
      {
        ...common,
        name: 'in',
        hook: 'input',
        priority: FILTER_PRIORITY.filter,
        rules: [
          {
            match: [
              { kind: 'protocol', protocol: 4 },
              { kind: 'set', set: 'nodes', key: ['source'], not: true },
            ],
            counter: 'drops',
            verdict: 'drop',
          },
          {
            match: [
              { kind: 'protocol', protocol: 17 },
              { kind: 'destinationPort', ports: 4789 },
              { kind: 'set', set: 'nodes6', key: ['source'], not: true },
            ],
            counter: 'drops',
            verdict: 'drop',
          },
          { match: [{ kind: 'inputLink', link: 'eth0' }], verdict: 'accept' },
        ],
      },
      {
        ...common,
        name: 'forward',
        hook: 'forward',
        priority: FILTER_PRIORITY.filter,
        policy: 'drop',
        rules: [],
      },
      {
        name: 'after',
        type: 'nat',
        policy: 'accept',
        hook: 'postrouting',
        priority: FILTER_PRIORITY.sourceNat,
        rules: [
          {
            match: [
              { kind: 'set', set: 'pools', key: ['source'] },
              { kind: 'set', set: 'pools', key: ['destination'], not: true },
              { kind: 'outputLink', link: 'eth*' },
            ],
            counter: 'masqueraded',
            verdict: 'masquerade',
          },
          ...[
            { ports: [20_000, 20_009] as const },
            { address: ip('10.1.0.1') },
            { address: ip('10.1.0.1'), ports: [7, 7] as const },
          ].flatMap((newSource) =>
            (['masquerade', 'masqueradeRandomly'] as const).map((verdict) => ({
              match: [
                { kind: 'protocol', protocol: 17 } as const,
                { kind: 'set', set: 'pools', key: ['source'] } as const,
              ],
              verdict,
              newSource,
            })),
          ),
          {
            match: [{ kind: 'set', set: 'nodes6', key: ['source'] }],
            verdict: 'masquerade',
            newSource: { address: ip('fd00::2') },
          },
        ],
      },
    ],
  }
}

/** Sends, unless what was sent before still waits for the neighbor to be found and fills the socket. */
function sendIfRoom(from: Kernel, packet: Uint8Array): void {
  try {
    from.sendPacket(packet)
  } catch (thrown) {
    if (!isKernelError(thrown, 'EAGAIN')) throw thrown
  }
}
