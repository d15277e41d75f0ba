import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { VirtualClock } from '../lib/clock.ts'
import { SeededRandom } from '../lib/random.ts'
import { createSimulatedMachine, type SimulatedMachine } from '../kernel/sim/machine.ts'
import { oneRuleTable } from '../kernel/testing/one-rule-table.ts'
import type { NodeAccess } from '../api/node-access.ts'
import { type TestCluster, testCluster } from './testing/test-cluster.ts'
import { traceContract } from './trace.contract.ts'
import { type Trace, trace, type TraceOptions } from './trace.ts'

const IPIP = 4
const UDP = 17

/** Awaits a promise while virtual time runs. */
async function runOn<Value>(clock: VirtualClock, promise: Promise<Value>): Promise<Value> {
  let isSettled = false
  const settle = (): void => void (isSettled = true)
  promise.then(settle, settle)
  for (let waited = 0; !isSettled && waited < 20_000; waited += 5) await clock.advance(5)
  return promise
}

traceContract('simulated', () => {
  const clock = new VirtualClock()
  return {
    machine: createSimulatedMachine({ clock, random: new SeededRandom(1) }),
    clock,
    random: new SeededRandom(7),
    prefix: 'sim',
    run: (promise) => runOn(clock, promise),
    done() {},
  }
})

describe('what only a simulated network can be made to do', () => {
  let clock: VirtualClock
  let machine: SimulatedMachine
  let cluster: TestCluster

  beforeEach(() => {
    clock = new VirtualClock()
    machine = createSimulatedMachine({ clock, random: new SeededRandom(1) })
    cluster = testCluster({ machine, clock, unique: 'sim', tunnel: 'ipip' })
  })
  afterEach(() => cluster.close())

  const run = (
    from: string,
    to: string,
    options: TraceOptions = {},
    nodes: readonly NodeAccess[] = cluster.nodes.map(({ access }) => access),
  ): Promise<Trace> =>
    runOn(
      clock,
      trace({
        from,
        to,
        nodes,
        directory: cluster.directory,
        clock,
        random: new SeededRandom(7),
        options: { timeoutMilliseconds: 500, tries: 1, ...options },
      }),
    )

  it('names a neighbor table that is full, with its entries and the command that raises its limit', async () => {
    const first = machine.openNamespace('/proc/1/ns/net')
    const path = 'ipv4.neigh.default.gc_thresh3'
    first.writeSysctl(path, String(machine.neighborEntries(4)))
    const result = await run('pod1', 'pod2')
    const [cause] = result.verdict.kind === 'delivered' ? [] : result.verdict.causes
    expect(cause).toMatchObject({ name: 'neighbor-table-full', confidence: 'likely' })
    expect(cause!.sentence).toContain(`The kernel's ARP table is full`)
    expect(cause!.evidence).toContainEqual(expect.stringContaining('has 0 entries'))
    expect(cause!.evidence).toContainEqual(
      expect.stringMatching(/^arp_cache.table_fulls of server01 went up by \d+/),
    )
    expect(cause!.mend).toEqual([
      ['nsenter', '-t', '1', '-n', 'sysctl', '-w', 'net.ipv4.neigh.default.gc_thresh3=4096'],
    ])
    first.writeSysctl(path, '1024')
    expect((await run('pod1', 'pod2')).verdict.kind).toBe('delivered')
  })

  it('tells a network that drops IPIP from one that is broken', async () => {
    const { network } = cluster
    network.keepPacketFilter(
      oneRuleTable('forward', [{ kind: 'protocol', protocol: IPIP }], 'drop'),
    )
    const filtered = await run('pod1', 'pod3')
    expect(filtered.verdict).toMatchObject({ kind: 'lost', exitCode: 40 })
    expect(filtered.verdict.causes[0]).toMatchObject({
      name: 'underlay-drops',
      sentence: 'The network between server01 ens33 and server03 ens33 drops IPIP (IP protocol 4).',
      evidence: [
        'the packet left server01 ens33 and was not seen at server03 ens33',
        'a plain packet between the same two nodes got through',
      ],
    })
    network.deletePacketFilter('test')
    expect((await run('pod1', 'pod3')).verdict.kind).toBe('delivered')
    network.keepPacketFilter(oneRuleTable('forward', [], 'drop'))
    expect((await run('pod1', 'pod3')).verdict.causes[0]!.sentence).toBe(
      'The network between server01 ens33 and server03 ens33 lets nothing through.',
    )
  })

  it('is a defect, and no lost packet, when the second trace between the nodes throws one', async () => {
    cluster.network.keepPacketFilter(
      oneRuleTable('forward', [{ kind: 'protocol', protocol: IPIP }], 'drop'),
    )
    const nodes = cluster.nodes.map(({ access }) => ({
      ...access,
      probe: (request: Parameters<typeof access.probe>[0]) =>
        request.netns === 'host'
          ? Promise.reject(new TypeError('x is not a function'))
          : access.probe(request),
    }))
    await expect(run('pod1', 'pod3', {}, nodes)).rejects.toThrow('x is not a function')
  })

  it('names VXLAN where a network drops that', async () => {
    cluster.close()
    cluster = testCluster({ machine, clock, unique: 'sim', tunnel: 'vxlan' })
    cluster.network.keepPacketFilter(
      oneRuleTable('forward', [{ kind: 'protocol', protocol: UDP }], 'drop'),
    )
    const filtered = await run('pod1', 'pod3')
    expect(filtered.verdict.causes[0]!.sentence).toBe(
      'The network between server01 ens33 and server03 ens33 drops VXLAN (UDP 4789, VNI 4096).',
    )
  })

  it('says that a filter drops what no table forbids', async () => {
    const [, two] = cluster.nodes
    two!.kernel.keepPacketFilter(oneRuleTable('forward', [], 'drop'))
    const result = await run('pod1', 'pod2')
    expect(result.verdict).toMatchObject({ kind: 'lost', exitCode: 10 })
    expect(result.verdict.causes[0]).toMatchObject({
      name: 'filtered',
      sentence:
        'server02 drops the packet after it came in by ens33; no table explains it, so a packet filter does.',
    })
  })

  it('says what the agent’s own filter took the packet for', async () => {
    const [, , three] = cluster.nodes
    const { chains, ...table } = oneRuleTable(
      'input',
      [{ kind: 'protocol', protocol: IPIP }],
      'drop',
    )
    const rules = chains[0]!.rules.map((rule) => ({ ...rule, counter: 'forged-ipip' }))
    const filter = { ...table, name: 'tortie', chains: [{ ...chains[0]!, rules }] }
    three!.kernel.keepPacketFilter(filter)
    const { causes } = (await run('pod1', 'pod3')).verdict
    expect(causes[0]).toMatchObject({
      name: 'filtered',
      sentence:
        "The agent's packet filter on server03 drops the packet after it came in by ens33, as forged IPIP.",
      evidence: ['PacketFilter.forged-ipip went up'],
    })
    expect(causes[0]!.look[0]).toEqual(['nft', 'list', 'table', 'inet', 'tortie'])
  })

  it('says what the programs of a tunnel took the packet for', async () => {
    const [, , three] = cluster.nodes
    three!.kernel.keepPacketFilter(
      oneRuleTable('input', [{ kind: 'protocol', protocol: IPIP }], 'drop'),
    )
    Object.assign(three!.tunnelDrops, { stranger: 2, fragment: 3 })
    const pending = run('pod1', 'pod3')
    clock.after(50, () => (three!.tunnelDrops['fragment']! += 1))
    expect((await pending).verdict.causes[0]).toMatchObject({
      name: 'tunnel-drops',
      class: 'encapsulation',
      sentence:
        'The tunnel of server03 drops the packet after it was seen at ens33, as a fragment of an outer header.',
      evidence: ['Tunnel.fragment went up'],
    })
  })

  it('says so too of a tunnel that has no way out for the packet', async () => {
    const [one] = cluster.nodes
    one!.kernel.keepPacketFilter(
      oneRuleTable('postrouting', [{ kind: 'outputLink', link: 'ens33' }], 'drop'),
    )
    const pending = run('pod1', 'pod3')
    clock.after(50, () => (one!.tunnelDrops['no-way'] = 1))
    const [first] = (await pending).verdict.causes
    expect(first!.sentence).toBe(
      'The tunnel of server01 drops the packet after it was seen at tunl0, as one without a way to the other node.',
    )
  })

  it('sees a source address that is translated on the way, delivered or not', async () => {
    const [one, two] = cluster.nodes
    const leaving = [{ kind: 'outputLink', link: 'ens33' }] as const
    one!.kernel.keepPacketFilter(oneRuleTable('postrouting', leaving, 'masquerade'))
    const delivered = await run('pod1', 'pod2')
    expect(delivered.verdict).toMatchObject({ kind: 'delivered', causes: [] })
    expect(delivered.verdict.remarks[0]).toBe(
      'source 172.16.170.128 rather than 10.211.0.4, leaving server01 by ens33',
    )
    two!.kernel.keepPacketFilter(oneRuleTable('forward', [], 'drop'))
    const names = (await run('pod1', 'pod2')).verdict.causes.map(({ name }) => name)
    expect(names).toEqual(['source-changed', 'filtered'])
  })

  it('counts a probe that was lost once among those that came through', async () => {
    await run('pod1', 'pod2') // so that all neighbors are known
    machine.impair(cluster.network, 'port2', { cut: true })
    const pending = run('pod1', 'pod2', { tries: 2 })
    clock.after(400, () => machine.impair(cluster.network, 'port2', undefined))
    const result = await pending
    expect(result.verdict.kind).toBe('delivered')
    expect(result.tries).toBe(2)
    expect(result.verdict.remarks).toEqual(['1 of 2 probes lost; the hops are those of the last'])
  })

  it('says that the destination does not answer, when it alone is silent', async () => {
    const [, two] = cluster.nodes
    two!.podKernel.keepPacketFilter(oneRuleTable('input', [], 'drop'))
    const result = await run('pod1', 'pod2')
    expect(result.verdict).toMatchObject({ kind: 'lost', exitCode: 80 })
    expect(result.verdict.causes[0]?.name).toBe('no-answer')
  })
})
