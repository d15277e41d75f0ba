import { stripVTControlCharacters } from 'node:util'
import { describe, expect, it } from 'vitest'
import { VirtualClock } from '../../lib/clock.ts'
import { SeededRandom } from '../../lib/random.ts'
import { createSimulatedMachine } from '../../kernel/sim/machine.ts'
import { oneRuleTable } from '../../kernel/testing/one-rule-table.ts'
import { renderTrace, type RenderOptions } from './render-trace.ts'
import { type TestCluster, testCluster, type Tunnel } from '../testing/test-cluster.ts'
import { toDocument } from './to-document.ts'
import { trace } from '../trace.ts'
import type { TraceDocument } from './trace-document.ts'

async function traced(
  to: string,
  prepare: (cluster: TestCluster) => void = () => {},
  tunnel: Tunnel = 'ipip',
): Promise<TraceDocument> {
  const clock = new VirtualClock()
  const machine = createSimulatedMachine({ clock, random: new SeededRandom(1) })
  const cluster = testCluster({ machine, clock, unique: 'sim', tunnel })
  prepare(cluster)
  const pending = trace({
    from: 'pod1',
    to,
    nodes: cluster.nodes.map(({ access }) => access),
    directory: cluster.directory,
    clock,
    random: new SeededRandom(7),
    options: { timeoutMilliseconds: 500, tries: 1 },
  })
  let isSettled = false
  void pending.finally(() => (isSettled = true)).catch(() => {})
  for (let waited = 0; !isSettled && waited < 5000; waited += 5) await clock.advance(5)
  return toDocument(await pending)
}

/** Without times, which are the simulation's own. */
const picture = (document: TraceDocument, options: Partial<RenderOptions> = {}): string =>
  renderTrace(document, { color: false, ...options }).replaceAll(
    / *\d+ µs| {2}[\d.]+ ms/g,
    (time) => ' '.repeat(time.length - 1).concat('~'),
  )

describe('the table of a trace', () => {
  it('shows the forward and the return path at one glance', async () => {
    const text = picture(await traced('pod2')).replace(/in [\d.]+ ms/, 'in ~ ms')
    expect(text).toBe(`\
default/pod1 10.211.0.4 (server01) → default/pod2 10.211.1.4 (server02)

  FORWARD   INTERFACE        DIR  TTL  SEEN  SINCE  ROUTE
✓ pod1      eth0             out   64    64         default via 169.254.1.1
✓ server01  cali00000000001  in    64    64      ~
✓ server01  ens33            out   63    63      ~  10.211.1.0/24 via 172.16.170.129 (bird)
✓ server02  ens33            in    63    63      ~
✓ server02  cali00000000002  out   62    62      ~  10.211.1.4
✓ pod2      eth0             in    62    62      ~

  RETURN    INTERFACE        DIR  TTL  SEEN  SINCE  ROUTE
✓ pod2      eth0             out   64    64      ~  default via 169.254.1.1
✓ server02  cali00000000002  in    64    64      ~
✓ server02  ens33            out   63    63      ~  10.211.0.0/24 via 172.16.170.128 (bird)
✓ server01  ens33            in    63    63      ~
✓ server01  cali00000000001  out   62    62      ~  10.211.0.4
✓ pod1      eth0             in    62    62      ~

✓ Delivered and answered in ~ ms.
`)
  })

  it('shows where a packet ends, why, and the command that mends it', async () => {
    const text = picture(
      await traced('pod2', ({ nodes: [, two] }) =>
        two!.kernel.writeSysctl('ipv4.conf.ens33.forwarding', '0'),
      ),
    )
    expect(text).toBe(`\
default/pod1 10.211.0.4 (server01) → default/pod2 10.211.1.4 (server02)

  FORWARD   INTERFACE        DIR  TTL  SEEN  SINCE  ROUTE
✓ pod1      eth0             out   64    64         default via 169.254.1.1
✓ server01  cali00000000001  in    64    64      ~
✓ server01  ens33            out   63    63      ~  10.211.1.0/24 via 172.16.170.129 (bird)
✓ server02  ens33            in    63    63      ~
✗ server02: the tables drop the packet here, forwarding-off

  RETURN  not reached (6 hops predicted)

✗ Lost on the forward path, last seen entering server02 by ens33.

  Cause, certain: server02 does not forward what comes in by ens33.
    · net.ipv4.conf.ens33.forwarding = 0
    · Ip.InAddrErrors of server02 went up by 1 during the trace
    $ ip netns exec sim-server02 sysctl -w net.ipv4.conf.ens33.forwarding=1
`)
  })

  it('puts the outer header under the hop that has one', async () => {
    const text = picture(await traced('pod3'))
    expect(text).toContain(`\
✓ server01  ens33            out   63    63      ~  default via 172.16.170.2
    in IPIP 172.16.170.128 > 172.16.180.130, protocol 4, outer TTL 63
✓ server03  ens33            in    63    63      ~
    in IPIP 172.16.170.128 > 172.16.180.130, protocol 4, outer TTL 62
    172.16.170.2 is a router that no table here shows
✓ server03  tunl0            in    63    63      ~
`)
  })

  it('says what is between an outer header and the packet', async () => {
    const text = picture(await traced('pod3', undefined, 'vxlan'))
    expect(text).toContain(`\
✓ server01  vxlan.calico     out   63    63      ~  10.211.2.0/24 via 10.211.2.1 (bird)
✓ server01  ens33            out   63    63      ~  default via 172.16.170.2
    in VXLAN (UDP 4789, VNI 4096) 172.16.170.128 > 172.16.180.130, outer TTL 64
`)
  })

  it('marks the first hop that was not seen, and those beyond it', async () => {
    const text = picture(
      await traced('pod3', ({ network }) =>
        network.keepPacketFilter(
          oneRuleTable('forward', [{ kind: 'protocol', protocol: 4 }], 'drop'),
        ),
      ),
    )
    expect(text).toContain(`
✗ server03  ens33            in    63     -
    in IPIP 172.16.170.128 > 172.16.180.130, protocol 4, outer TTL 62
    172.16.170.2 is a router that no table here shows
· server03  tunl0            in    63
· server03  cali00000000003  out   62
· pod3      eth0             in    62

  RETURN  not reached (8 hops predicted)
`)
  })

  it('fits 100 columns, and 80 where there are no more', async () => {
    for (const columns of [80, 100]) {
      for (const to of ['pod2', 'pod3', '10.211.1.99']) {
        const text = renderTrace(await traced(to), { color: false, columns })
        const lines = text.split('\n').filter((line) => !line.includes('$ '))
        expect(lines.filter((line) => line.length > columns)).toEqual([])
      }
    }
  })

  it('explains each hop by commands that show the same', async () => {
    const text = picture(await traced('pod2'), { explain: true })
    expect(text).toContain(`
    $ ip netns exec sim-server01 ip route get 10.211.1.4 from 10.211.0.4 iif cali00000000001
    $ ip netns exec sim-server01 tcpdump -ni ens33 -v icmp and host 10.211.0.4 and host 10.211.1.4
`)
  })

  it('is the same text with color and without', async () => {
    const document = await traced('10.211.1.99')
    const colored = renderTrace(document, { color: true })
    expect(colored).not.toBe(renderTrace(document, { color: false }))
    expect(stripVTControlCharacters(colored).replaceAll(/ +$/gm, '')).toBe(
      renderTrace(document, { color: false }),
    )
  })
})
