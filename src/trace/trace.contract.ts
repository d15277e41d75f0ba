import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Clock } from '../lib/clock.ts'
import type { Random } from '../lib/random.ts'
import type { Machine } from '../kernel/kernel.ts'
import {
  hasIpip,
  route,
  routeTo,
  type TestCluster,
  type TestNode,
  testCluster,
  type Tunnel,
} from './testing/test-cluster.ts'
import { toDocument } from './report/to-document.ts'
import { type Trace, trace, type TraceOptions } from './trace.ts'
import { traceDocument } from './report/trace-document.ts'

/** What a kernel brings to be traced on. */
export interface TraceHarness {
  readonly machine: Machine
  readonly clock: Clock
  readonly random: Random
  /** Before the names of namespaces. */
  readonly prefix: string
  /** Awaits a promise while the harness's clock runs. */
  run<Value>(promise: Promise<Value>): Promise<Value>
  done(): void
}

/**
 * The same clusters, healthy and broken, on every kernel: what is predicted is what is seen, and what is
 * broken is what is named first.
 */
export function traceContract(kernel: string, open: () => TraceHarness): void {
  describe(`a trace on the ${kernel} kernel`, () => {
    let harness: TraceHarness
    let cluster: TestCluster
    let one: TestNode
    let two: TestNode
    let serial = 0

    beforeAll(() => {
      harness = open()
    })
    afterAll(() => harness.done())
    const build = (tunnel?: Tunnel): TestCluster =>
      testCluster({ ...harness, unique: `${harness.prefix}${++serial}`, ...(tunnel && { tunnel }) })
    beforeEach(() => {
      cluster = build()
      ;[one, two] = cluster.nodes as [TestNode, TestNode]
    })
    afterEach(() => cluster.close())

    const run = async (from: string, to: string, options: TraceOptions = {}): Promise<Trace> =>
      harness.run(
        trace({
          from,
          to,
          nodes: cluster.nodes.map(({ access }) => access),
          directory: cluster.directory,
          clock: harness.clock,
          random: harness.random,
          options: { timeoutMilliseconds: 500, tries: 1, ...options },
        }),
      )
    const firstCause = ({ verdict }: Trace) => verdict.causes[0]?.name

    it('sees what it predicts, at every interface, both ways', async () => {
      const result = await run('pod1', 'pod2')
      expect(result.verdict).toMatchObject({ kind: 'delivered', exitCode: 0 })
      expect(result.verdict).toMatchObject({ causes: [], remarks: [] })
      expect(brief(result)).toEqual([
        'pod1 eth0 out 64 64',
        'server01 cali00000000001 in 64 64',
        'server01 ens33 out 63 63',
        'server02 ens33 in 63 63',
        'server02 cali00000000002 out 62 62',
        'pod2 eth0 in 62 62',
        'pod2 eth0 out 64 64',
        'server02 cali00000000002 in 64 64',
        'server02 ens33 out 63 63',
        'server01 ens33 in 63 63',
        'server01 cali00000000001 out 62 62',
        'pod1 eth0 in 62 62',
      ])
      expect(kernelsOpinions(result)).toEqual(Array(6).fill('agrees'))
    })

    it('is a document that fits the published schema', async () => {
      const document = toDocument(await run('pod1', 'pod2'))
      expect(traceDocument.parse(document)).toEqual(document)
    })

    it('goes through a tunnel to another subnet and back', async ({ skip }) => {
      if (!hasIpip(harness.machine, `${harness.prefix}${++serial}`)) {
        skip('this kernel has no IPIP')
      }
      cluster.close()
      cluster = build('ipip')
      const result = await run('pod1', 'pod3')
      expect(result.verdict).toMatchObject({ kind: 'delivered', causes: [] })
      const outer = '(172.16.170.128 > 172.16.180.130'
      expect(brief(result).slice(0, 8)).toEqual([
        'pod1 eth0 out 64 64',
        'server01 cali00000000001 in 64 64',
        'server01 tunl0 out 63 63',
        `server01 ens33 out 63 63 ${outer} 63)`,
        `server03 ens33 in 63 63 ${outer} 62)`,
        'server03 tunl0 in 63 63',
        'server03 cali00000000003 out 62 62',
        'pod3 eth0 in 62 62',
      ])
    })

    describe('through VXLAN', () => {
      const outer = '(172.16.170.128 > 172.16.180.130'
      let vxlan: number

      beforeEach(() => {
        cluster.close()
        cluster = build('vxlan')
        ;[one, two] = cluster.nodes as [TestNode, TestNode]
        vxlan = one.kernel.link('vxlan.calico')!.index
      })

      it('goes to another subnet and back', async () => {
        const result = await run('pod1', 'pod3')
        expect(result.verdict).toMatchObject({ kind: 'delivered', causes: [], remarks: [] })
        expect(brief(result).slice(0, 8)).toEqual([
          'pod1 eth0 out 64 64',
          'server01 cali00000000001 in 64 64',
          'server01 vxlan.calico out 63 63',
          `server01 ens33 out 63 63 ${outer} 64)`,
          `server03 ens33 in 63 63 ${outer} 63)`,
          'server03 vxlan.calico in 63 63',
          'server03 cali00000000003 out 62 62',
          'pod3 eth0 in 62 62',
        ])
        expect(brief(result)).toHaveLength(16)
        expect(kernelsOpinions(result)).toEqual(Array(8).fill('agrees'))
        const document = toDocument(result)
        expect(traceDocument.parse(document)).toEqual(document)
        expect(document.legs[0]!.hops[3]!.observed).toMatchObject({
          outer: { protocol: 17, vxlan: { port: 4789, vni: 4096 } },
        })
      })

      it('sets out from the address that the node has in the tunnel', async () => {
        const result = await run('server01', 'pod3')
        expect(result.verdict).toMatchObject({ kind: 'delivered', causes: [] })
        expect(result.ends.from.address).toBe('10.211.0.1')
        const byAddress = await run('172.16.170.128', 'pod3')
        expect(byAddress.ends.from.address).toBe('172.16.170.128')
        expect((await run('server01', 'pod2')).ends.from.address).toBe('172.16.170.128')
      })

      it('names the row that the forwarding database has not', async () => {
        for (const entry of one.kernel.forwardingEntries(vxlan)) {
          one.kernel.deleteForwardingEntry(entry)
        }
        const result = await run('pod1', 'pod3')
        expect([result.verdict.kind, firstCause(result)]).toEqual(['lost', 'vtep-unknown'])
      })

      it('names the row of the forwarding database that leads elsewhere', async () => {
        for (const entry of one.kernel.forwardingEntries(vxlan)) {
          one.kernel.setForwardingEntry({ ...entry, remoteAddress: two.address })
        }
        const result = await run('pod1', 'pod3')
        expect([result.verdict.kind, firstCause(result)]).toEqual(['lost', 'vtep-elsewhere'])
      })

      it('names the neighbor that nobody answers for', async () => {
        const address = one.kernel.neighbors().find((each) => each.linkIndex === vxlan)!
        one.kernel.deleteNeighbor(address)
        const result = await run('pod1', 'pod3')
        expect([result.verdict.kind, firstCause(result)]).toEqual(['lost', 'neighbor-failed'])
      })
    })

    it('reaches a node’s own address', async () => {
      expect((await run('pod1', 'server02')).verdict.kind).toBe('delivered')
      expect((await run('server01', 'pod2')).verdict.kind).toBe('delivered')
    })

    it('ends in the blackhole of the block for an address that nobody has', async () => {
      const result = await run('pod1', '10.211.1.99')
      expect(result.verdict).toMatchObject({ kind: 'lost', exitCode: 20 })
      expect(firstCause(result)).toBe('blackhole-route')
    })

    const faults: readonly [string, string, () => void][] = [
      [
        'forwarding switched off at the far node',
        'forwarding-off',
        () => two.kernel.writeSysctl('ipv4.conf.ens33.forwarding', '0'),
      ],
      [
        'ip_forward switched off at the near node',
        'proxy-arp-no-forwarding',
        () => one.kernel.writeSysctl('ipv4.ip_forward', '0'),
      ],
      [
        'strict reverse path filtering where the route back leaves elsewhere',
        'rp-filter',
        () => {
          two.kernel.writeSysctl('ipv4.conf.ens33.rp_filter', '1')
          const hop = { linkIndex: two.kernel.link(two.hostInterface)!.index }
          two.kernel.addRoute(route({ destination: one.podAddress, scope: 'link', hop }))
        },
      ],
      [
        'a blackhole where the pod’s route was',
        'blackhole-route',
        () => two.kernel.deleteRoute(routeTo(two.kernel, `${two.podAddress}/32`)),
      ],
      [
        'no route at all',
        'no-route',
        () => {
          one.kernel.deleteRoute(routeTo(one.kernel, '10.211.1.0/24'))
          one.kernel.deleteRoute(routeTo(one.kernel, '0.0.0.0/0'))
          const hop = { linkIndex: one.kernel.link('lo')!.index }
          one.kernel.addRoute(route({ destination: '169.254.1.1', scope: 'link', hop }))
        },
      ],
      [
        'proxy ARP without a route to answer for',
        'proxy-arp-no-route',
        () => one.kernel.deleteRoute(routeTo(one.kernel, '0.0.0.0/0')),
      ],
      [
        'proxy ARP switched off',
        'proxy-arp-off',
        () => one.kernel.writeSysctl(`ipv4.conf.${one.hostInterface}.proxy_arp`, '0'),
      ],
      [
        'the far pod’s interface being down',
        'link-down',
        () => two.podKernel.changeLink(two.podKernel.link('eth0')!.index, { up: false }),
      ],
      [
        'the far node’s cable being pulled',
        'no-carrier',
        () =>
          cluster.network.changeLink(cluster.network.link('port2')!.index, {
            up: false,
          }),
      ],
      [
        'the next hop being an address that nobody has',
        'neighbor-failed',
        () => {
          const hop = {
            linkIndex: one.kernel.link('ens33')!.index,
            gateway: '172.16.170.77' as typeof two.address,
          }
          one.kernel.replaceRoute(route({ destination: '10.211.1.0/24', protocol: 12, hop }))
        },
      ],
      [
        'a pod that ignores pings',
        'echo-ignored',
        () => two.podKernel.writeSysctl('ipv4.icmp_echo_ignore_all', '1'),
      ],
      [
        'the far pod having no route back',
        'no-route',
        () => two.podKernel.deleteRoute(routeTo(two.podKernel, '0.0.0.0/0')),
      ],
    ]
    it.each(faults)('names %s', async (_, cause, makeFault) => {
      makeFault()
      const result = await run('pod1', 'pod2', { timeoutMilliseconds: 1200 })
      expect(result.verdict.kind).toBe('lost')
      expect(firstCause(result), JSON.stringify(result.verdict, undefined, 2)).toBe(cause)
    })

    it.each([
      ['of the source', () => one],
      ['of the destination', () => two],
    ])('names a deleted link %s, and nothing that follows from it', async (_, which) => {
      const { kernel, hostInterface } = which()
      kernel.deleteLink(kernel.link(hostInterface)!.index)
      const { verdict } = await run('pod1', 'pod2')
      expect(verdict.kind).not.toBe('delivered')
      expect(verdict.causes.map(({ name }) => name)).toEqual(['pod-link-missing'])
      expect(verdict.causes[0]!.sentence).toContain(hostInterface)
    })

    it('finds a size that does not fit, with the router’s own complaint', async () => {
      two.kernel.changeLink(two.kernel.link(two.hostInterface)!.index, { mtu: 1400 })
      const result = await run('pod1', 'pod2', { octets: 1450 })
      expect(result.verdict).toMatchObject({ kind: 'lost', exitCode: 60 })
      expect(firstCause(result)).toBe('mtu-exceeded')
      expect(result.verdict.causes[0]!.evidence).toContain(
        '172.16.170.129 of server02 answers "fragmentation needed (mtu 1400)"',
      )
    })

    it('finds a packet whose TTL is too low', async () => {
      expect(firstCause(await run('pod1', 'pod2', { ttl: 1 }))).toBe('ttl-expired')
    })

    it('says that hops were not captured where a node does not answer', async () => {
      const dead = { ...two.access, snapshot: () => Promise.reject(new Error('no answer')) }
      const result = await harness.run(
        trace({
          from: 'pod1',
          to: 'pod2',
          nodes: [one.access, dead],
          directory: cluster.directory,
          clock: harness.clock,
          random: harness.random,
          options: { timeoutMilliseconds: 200, tries: 1 },
        }),
      )
      expect([...result.unreachable]).toEqual([['server02', 'no answer']])
      expect(result.verdict.kind).toBe('delivered')
      expect(brief(result).slice(0, 3)).toEqual([
        'pod1 eth0 out 64 64',
        'server01 cali00000000001 in 64 64',
        'server01 ens33 out 63 63',
      ])
    })
  })
}

function brief({ legs }: Trace): string[] {
  return legs.flatMap(({ hops }) =>
    hops.map(({ node, netns, link, direction, predicted, seen }) => {
      const where = netns === 'host' ? node : netns.slice(netns.indexOf('/') + 1)
      const ttl = seen.state === 'seen' ? seen.packet.ttl : seen.state
      const outer = seen.state === 'seen' ? seen.packet.outer : undefined
      const tunnel =
        outer === undefined ? '' : ` (${outer.source} > ${outer.destination} ${outer.ttl})`
      return `${where} ${link} ${direction} ${predicted?.ttl ?? '-'} ${ttl}${tunnel}`
    }),
  )
}

function kernelsOpinions({ legs }: Trace): string[] {
  return legs.flatMap(({ prediction }) =>
    prediction.hops.flatMap(({ way }) => (way === undefined ? [] : [way.kernel])),
  )
}
