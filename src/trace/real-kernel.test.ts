import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../platform/node/clock.ts'
import { systemRandom } from '../platform/node/random.ts'
import { createLinuxMachine, type LinuxMachine } from '../platform/linux/machine.ts'
import { type RealCluster, type RealNode, realCluster, route } from './testing/real-cluster.ts'
import { type Trace, trace } from './trace.ts'

const isRoot = process.getuid?.() === 0 && process.platform === 'linux'
if (!isRoot) console.log('Skipped: traces on the real kernel need Linux and root')

let serial = 0

describe.skipIf(!isRoot)('a trace on the real kernel', () => {
  let machine: LinuxMachine
  let cluster: RealCluster
  let one: RealNode
  let two: RealNode

  beforeAll(() => {
    machine = createLinuxMachine()
  })
  afterAll(() => machine.close())
  beforeEach(() => {
    cluster = realCluster(machine, systemClock, `trc${process.pid}x${++serial}`)
    ;[one, two] = cluster.nodes as [RealNode, RealNode]
  })
  afterEach(() => cluster.close())

  const run = (from: string, to: string, options = {}): Promise<Trace> =>
    trace({
      from,
      to,
      nodes: cluster.nodes.map(({ access }) => access),
      directory: cluster.directory,
      clock: systemClock,
      random: systemRandom,
      options: { timeoutMilliseconds: 600, tries: 1, ...options },
    })
  const brief = ({ legs }: Trace): string[] =>
    legs.flatMap(({ hops }) =>
      hops.map(({ node, netns, link, direction, predicted, seen }) => {
        const where = netns === 'host' ? node : netns.slice(netns.indexOf('/') + 1)
        const ttl = seen.state === 'seen' ? seen.packet.ttl : seen.state
        return `${where} ${link} ${direction} ${predicted?.ttl ?? '-'} ${ttl}`
      }),
    )
  const firstCause = ({ verdict }: Trace) => verdict.causes[0]?.name

  it('sees what it predicts, at every interface, both ways', async () => {
    const result = await run('pod1', 'pod2')
    expect(result.verdict).toMatchObject({
      kind: 'delivered',
      exitCode: 0,
      causes: [],
      remarks: [],
    })
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
    const ways = result.legs.flatMap(({ prediction }) =>
      prediction.hops.map(({ way }) => way?.kernel),
    )
    expect(ways.filter((kernel) => kernel !== undefined)).toEqual(Array(6).fill('agrees'))
  })

  it('reaches a node’s own address, and an address that is nobody’s is a blackhole’s', async () => {
    expect((await run('pod1', 'server02')).verdict.kind).toBe('delivered')
    const nobody = await run('pod1', '10.211.1.99')
    expect(nobody.verdict).toMatchObject({ kind: 'lost', exitCode: 20 })
    expect(firstCause(nobody)).toBe('blackhole-route')
  })

  const podRoute = (node: RealNode) => ({
    destination: node.podAddress,
    scope: 'link' as const,
    hop: { linkIndex: node.kernel.link(node.hostInterface)!.index },
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
      () => two.kernel.deleteRoute(route(podRoute(two))),
    ],
    [
      'no route at all',
      'no-route',
      () => {
        one.kernel.deleteRoute(
          one.kernel.routes().find(({ destination }) => destination === '10.211.1.0/24')!,
        )
        one.kernel.deleteRoute(
          one.kernel.routes().find(({ destination }) => destination === '0.0.0.0/0')!,
        )
        const hop = { linkIndex: one.kernel.link('lo')!.index }
        one.kernel.addRoute(route({ destination: '169.254.1.1', scope: 'link', hop }))
      },
    ],
    [
      'proxy ARP without a route to answer for',
      'proxy-arp-no-route',
      () =>
        one.kernel.deleteRoute(
          one.kernel.routes().find(({ destination }) => destination === '0.0.0.0/0')!,
        ),
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
      'a pod that ignores pings',
      'echo-ignored',
      () => two.podKernel.writeSysctl('ipv4.icmp_echo_ignore_all', '1'),
    ],
    [
      'the far pod having no route back',
      'no-route',
      () =>
        two.podKernel.deleteRoute(
          two.podKernel.routes().find(({ destination }) => destination === '0.0.0.0/0')!,
        ),
    ],
  ]
  it.each(faults)('names %s', async (_, cause, makeFault) => {
    makeFault()
    const result = await run('pod1', 'pod2')
    expect(result.verdict.kind).toBe('lost')
    expect(firstCause(result), JSON.stringify(result.verdict)).toBe(cause)
  })

  it('finds a size that does not fit, with the router’s own complaint', async () => {
    two.kernel.changeLink(two.kernel.link(two.hostInterface)!.index, { mtu: 1400 })
    const result = await run('pod1', 'pod2', { octets: 1450 })
    expect(result.verdict).toMatchObject({ kind: 'lost', exitCode: 60 })
    expect(firstCause(result)).toBe('mtu-exceeded')
    expect(result.verdict.causes.map(({ name }) => name)).toContain('icmp-error')
  })

  it('finds a packet whose TTL is too low', async () => {
    const result = await run('pod1', 'pod2', { ttl: 1 })
    expect(firstCause(result)).toBe('ttl-expired')
  })

  it('leaves no capture behind', async () => {
    await run('pod1', 'pod2')
    await expect(one.access.finish({ id: 'x', after: 0 })).rejects.toMatchObject({ code: 'ENOENT' })
  })
})
