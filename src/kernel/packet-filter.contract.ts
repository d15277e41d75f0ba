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
  FILTER_PRIORITY,
  type FilterChain,
  type FilterMatch,
  type FilterRule,
  type FilterSet,
  type FilterTable,
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

    /** pod (10.2.0.5) --cali1- node (10.1.0.1) --eth0- outside (10.1.0.2), which knows no way to the pod. */
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

    const pools: FilterSet = { name: 'pools', family: 4, prefixes: [prefix('10.2.0.0/16')] }

    describe('tables', () => {
      it('are made once, and then left alone', () => {
        const table = everything()
        expect(node.keepPacketFilter(table)).toBe('table')
        expect(node.keepPacketFilter(table)).toBe('none')
        expect(harness.machine.openNamespace(node.name).keepPacketFilter(table)).toBe('none')
        expect([...node.packetFilterCounters('test')]).toEqual([
          ['drops', { packets: 0, octets: 0 }],
          ['masqueraded', { packets: 0, octets: 0 }],
        ])
      })

      it('have what changed put right, and nothing more', () => {
        const table = everything()
        node.keepPacketFilter(table)
        const [first, ...rest] = table.sets
        const wider = { ...first!, prefixes: [...first!.prefixes, prefix('10.9.0.0/16')] }
        expect(node.keepPacketFilter({ ...table, sets: [wider, ...rest] })).toBe('sets')
        expect(node.keepPacketFilter({ ...table, sets: [wider, ...rest] })).toBe('none')
        expect(node.keepPacketFilter(table)).toBe('sets')
        for (const changed of [
          { ...table, chains: table.chains.slice(1) },
          { ...table, chains: table.chains.map((chain) => ({ ...chain, rules: [] })) },
          { ...table, chains: [{ ...table.chains[0]!, priority: 5 }, ...table.chains.slice(1)] },
          { ...table, sets: [...table.sets, { name: 'more', family: 6, prefixes: [] } as const] },
        ]) {
          expect(node.keepPacketFilter(changed)).toBe('table')
          expect(node.keepPacketFilter(changed)).toBe('none')
        }
      })

      it('keep sets of networks and single addresses, of both families, next to each other or inside', () => {
        const sets = (four: readonly string[], six: readonly string[]): FilterTable =>
          oneRuleTable('input', {}, 'accept', [
            { name: 'four', family: 4, prefixes: four.map(prefix) },
            { name: 'six', family: 6, prefixes: six.map(prefix) },
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
        for (const table of cases) {
          const before = node.keepPacketFilter(table)
          expect(before === 'sets' || table === cases[0]).toBe(true)
          expect(node.keepPacketFilter(table)).toBe('none')
        }
      })

      it('hold the nodes of a large cluster', () => {
        const nodes = Array.from({ length: 5000 }, (_, index) =>
          prefix(`10.${index >> 16}.${(index >> 8) & 255}.${index & 255}/32`),
        )
        const table = (prefixes: typeof nodes): FilterTable =>
          oneRuleTable('input', {}, 'accept', [{ name: 'nodes', family: 4, prefixes }])
        node.keepPacketFilter(table(nodes))
        expect(node.keepPacketFilter(table(nodes))).toBe('none')
        expect(node.keepPacketFilter(table(nodes.slice(0, 4999)))).toBe('sets')
        expect(node.keepPacketFilter(table(nodes.slice(0, 4999)))).toBe('none')
      })

      it('stand beside others, which are not touched', () => {
        node.keepPacketFilter(oneRuleTable('input', {}, 'accept'))
        node.keepPacketFilter({ ...oneRuleTable('forward', {}, 'accept'), name: 'other' })
        node.deletePacketFilter('test')
        expect(() => node.deletePacketFilter('test')).toThrow(/test.*ENOENT/)
        expect(node.packetFilterCounters('test').size).toBe(0)
        expect(
          node.keepPacketFilter({ ...oneRuleTable('forward', {}, 'accept'), name: 'other' }),
        ).toBe('none')
      })

      it('tell who watches that something changed', async () => {
        let told = 0
        const watch = node.watch(({ kind }) => void (told += kind === 'packetFilter' ? 1 : 0))
        node.keepPacketFilter(oneRuleTable('input', {}, 'accept'))
        await harness.until(() => told > 0, 'word of the change')
        watch.close()
      })

      it('are refused, and nothing is changed, when they make no sense', () => {
        const table = oneRuleTable('input', {}, 'accept')
        node.keepPacketFilter(table)
        const rule = (
          more: Partial<FilterRule>,
          chain: Partial<FilterChain> = {},
        ): FilterTable => ({
          ...table,
          chains: table.chains.map((each) => ({
            ...each,
            ...chain,
            rules: [{ ...each.rules[0]!, ...more }],
          })),
        })
        const to = (newSource: NewSource, match: FilterMatch = {}): FilterTable =>
          oneRuleTable('postrouting', match, 'masquerade', [], newSource)
        for (const [wrong, message] of [
          [
            rule({ match: { source: { set: 'nodes' } } }),
            /rule 1 of chain input: there is no set nodes/,
          ],
          [rule({ verdict: 'masquerade' }), /only chains of type nat masquerade/],
          [rule({ match: { destinationPort: 4789 } }), /a port goes with the protocol/],
          [rule({ match: { sourceIsElsewhere: true } }), /only packets in prerouting/],
          [rule({ match: { inputLink: 'a-name-of-sixteen' } }), /is no name of a link/],
          [rule({ match: { notInputLink: 'a/b' } }), /is no name of a link/],
          [rule({ match: { outputLink: '*' } }), /is no name of a link/],
          [rule({}, { type: 'nat' }), /belongs to the hook postrouting/],
          [rule({ newSource: {} }), /only a rule that masquerades has a new source/],
          [to({ ports: [1, 2] }), /a port goes with the protocol/],
          [to({ ports: [2, 1] }, { protocol: 6 }), /2 to 1 is no range of ports/],
          [to({ ports: [1, 65_536] }, { protocol: 6 }), /1 to 65536 is no range of ports/],
          [to({ address: ip('10.1.0.1') }), /no set of it has the family of 10.1.0.1/],
          [
            {
              ...to({ address: ip('fd00::1') }, { source: { set: 'pools' } }),
              sets: [pools],
            },
            /no set of it has the family of fd00::1/,
          ],
          [{ ...table, name: 'no name' }, /"no name" is no name/],
          [{ ...table, sets: [{ ...pools, family: 6 } as const] }, /10.2.0.0\/16 in set pools/],
        ] as const) {
          expect(() => node.keepPacketFilter(wrong)).toThrow(message)
        }
        expect(node.keepPacketFilter(table)).toBe('none')
      })
    })

    describe('rules', () => {
      it('drop by protocol and source, and count packets and octets', async () => {
        const strangers = { source: { set: 'pools', not: true }, protocol: 4 } as const
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
          oneRuleTable('input', { protocol: 17, destinationPort: 4789 }, 'drop'),
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
        const table = oneRuleTable('input', { source: { set: 'others' } }, 'accept', [
          { name: 'others', family: 4, prefixes: [prefix('10.1.0.0/24')] },
        ])
        node.keepPacketFilter(table)
        const ping = () =>
          outside.sendPacket(echoRequest({ source: '10.1.0.2', destination: '10.1.0.1' }))
        await untilCounted('matched', ping)
        const single = { ...table.sets[0]!, prefixes: [prefix('10.1.0.2/32')] }
        expect(node.keepPacketFilter({ ...table, sets: [single] })).toBe('sets')
        await untilCounted('matched', ping)
        const [chain] = table.chains
        const twice = { ...chain!, rules: [...chain!.rules, ...chain!.rules] }
        expect(node.keepPacketFilter({ ...table, chains: [twice] })).toBe('table')
        await untilCounted('matched', ping)
        expect(counted('matched')).toBe(3)
        const none = { ...table.sets[0]!, prefixes: [] }
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
            oneRuleTable('input', { inputLink, destination: { set: 'gate' } }, 'drop', [
              { name: 'gate', family: 4, prefixes: [prefix('10.1.0.9/32')] },
            ]),
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
            oneRuleTable('input', { notInputLink, destination: { set: 'gate' } }, 'drop', [
              { name: 'gate', family: 4, prefixes: [prefix('10.1.0.9/32')] },
            ]),
          )
          expect([notInputLink, await isAnswered(pod, '10.1.0.9', '10.1.0.1')]).toEqual([
            notInputLink,
            reaches,
          ])
        }
      })

      it('of a chain that drops by default let pass what is accepted first', async () => {
        const table = oneRuleTable('input', { source: { set: 'pools' } }, 'accept', [pools])
        node.keepPacketFilter({
          ...table,
          chains: table.chains.map((chain) => ({ ...chain, policy: 'drop' })),
        })
        const seen = record(outside, outside.link('eth0')!)
        outside.sendPacket(echoRequest({ source: '10.1.0.2', destination: '10.1.0.1' }))
        expect(await isAnswered(pod, '10.1.0.1', '10.1.0.1')).toBe(true)
        expect(seen.icmp()).toEqual(['out request 64'])
      })

      it('drop what comes from a pod with a source that is not its own, before anything is made of it', async () => {
        // Of IPv4 alone: pods say things by IPv6 whenever their links come up.
        const all: FilterSet = { name: 'all', family: 4, prefixes: [prefix('0.0.0.0/0')] }
        const spoofed = {
          inputLink: 'cali*',
          source: { set: 'all' },
          sourceIsElsewhere: true,
        } as const
        node.keepPacketFilter(oneRuleTable('prerouting', spoofed, 'drop', [all]))
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
        const spoofed = { inputLink: 'cali*', sourceIsElsewhere: true } as const
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

    describe('masquerading', () => {
      const leaving = {
        source: { set: 'pools' },
        destination: { set: 'pools', not: true },
      } as const

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
          const match = { ...leaving, protocol: 17 }
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
        expect(node.keepPacketFilter(table)).toBe('table')
        expect(node.keepPacketFilter(table)).toBe('none')
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

/** A table with every kind of match and verdict. */
function everything(): FilterTable {
  const sets: readonly FilterSet[] = [
    { name: 'pools', family: 4, prefixes: [prefix('10.2.0.0/16'), prefix('10.3.0.0/16')] },
    { name: 'nodes', family: 4, prefixes: [prefix('10.1.0.1/32'), prefix('10.1.0.2/32')] },
    { name: 'nodes6', family: 6, prefixes: [prefix('fd00::1/128')] },
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
            match: { inputLink: 'cali*', sourceIsElsewhere: true },
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
            match: { protocol: 4, source: { set: 'nodes', not: true } },
            counter: 'drops',
            verdict: 'drop',
          },
          {
            match: { protocol: 17, destinationPort: 4789, source: { set: 'nodes6', not: true } },
            counter: 'drops',
            verdict: 'drop',
          },
          { match: { inputLink: 'eth0' }, verdict: 'accept' },
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
            match: {
              source: { set: 'pools' },
              destination: { set: 'pools', not: true },
              outputLink: 'eth*',
            },
            counter: 'masqueraded',
            verdict: 'masquerade',
          },
          ...[
            { ports: [20_000, 20_009] as const },
            { address: ip('10.1.0.1') },
            { address: ip('10.1.0.1'), ports: [7, 7] as const },
          ].flatMap((newSource) =>
            (['masquerade', 'masqueradeRandomly'] as const).map((verdict) => ({
              match: { source: { set: 'pools' }, protocol: 17 },
              verdict,
              newSource,
            })),
          ),
          {
            match: { source: { set: 'nodes6' } },
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
