import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually } from '../support/command.ts'
import { canRunLabs, say, TestLab, tortie } from './tortie.ts'

const SOURCE = 'network-5z4qp'
const TARGET = '10.211.3.5'

/* The fourth node, in another subnet: what the title of the seed promises and its steps do not show. */
describe.skipIf(!canRunLabs('a node in another subnet'))('a node in another subnet', () => {
  let lab: TestLab

  beforeAll(() => {
    lab = new TestLab('cross-subnet', `cross${process.pid}`)
  })

  afterAll(() => {
    lab.down()
  })

  it('is reached by the very first packet', () => {
    expect(lab.in(SOURCE, 'ping', '-c', '1', '-W', '5', TARGET)).toContain('ttl=62')
  })

  it('is routed to by the tunnel, and the nodes of the own subnet are not', () => {
    const routes = lab.in('server01', 'ip', 'route')
    expect(routes).toMatch(/^10\.211\.3\.0\/24 via 172\.16\.171\.128 dev tunl0 proto bird onlink/m)
    expect(routes).toMatch(/^10\.211\.1\.0\/24 via 172\.16\.170\.129 dev ens33 proto bird/m)
  })

  it('is sent packets inside an outer header of node addresses, by which the router forwards', async () => {
    const tcpdump = (where: string, link: string) =>
      lab.beside(where, 'tcpdump', '-i', link, '-n', '-l', '-v', '-c', '2', 'ip', 'proto', '4')
    const dumps = [tcpdump('server01', 'ens33'), tcpdump('server04', 'ens33')]
    for (const dump of dumps) await dump.until(/listening on/)
    lab.in(SOURCE, 'ping', '-c', '1', TARGET)
    for (const dump of dumps) await dump.ended()
    for (const { output } of dumps) {
      expect(output).toMatch(/172\.16\.170\.128 > 172\.16\.171\.128: IP .*proto ICMP/)
      expect(output).toMatch(/10\.211\.0\.6 > 10\.211\.3\.5: ICMP echo request/)
      expect(output).toMatch(/172\.16\.171\.128 > 172\.16\.170\.128: IP .*proto ICMP/)
    }
    const outer = ({ output }: { output: string }) => /ttl (\d+), .*proto IPIP/.exec(output)?.[1]
    expect(dumps.map(outer)).toEqual(['63', '62'])
  })

  it('is seen at every capture point of a trace, tunl0 included', () => {
    const { stdout, status } = tortie('trace', SOURCE, 'network-x7rtl', '--lab', lab.name)
    expect(stdout).toMatch(/✓ server01 +tunl0 +out +63 +63/)
    expect(stdout).toMatch(/✓ server04 +tunl0 +in +63 +63/)
    expect(status).toBe(0)
  })

  it('is told of a path that is narrower than the tunnel, and tells pods', async () => {
    const ping = (...args: string[]): string => {
      const exec = ['lab', 'exec', '--lab', lab.name, SOURCE, '--', 'ping', ...args, TARGET]
      const { stdout, stderr } = tortie(...exec)
      return stdout + stderr
    }
    const mtu = (octets: number): void => {
      // As if the router had a narrow link between its two sides.
      for (const [network, link] of [
        ['172.16.170.0/24', 'eth0'],
        ['172.16.171.0/24', 'eth1'],
      ] as const) {
        const route = [network, 'dev', link, 'proto', 'kernel', 'scope', 'link']
        lab.in('router01', 'ip', 'route', 'replace', ...route, 'mtu', String(octets))
      }
    }
    expect(ping('-c', '1', '-W', '2', '-M', 'do', '-s', '1472')).toMatch(/mtu = 1480|mtu=1480/)
    mtu(1400)
    try {
      // The kernel of the router tells the node, whose agent writes it to the route.
      ping('-c', '1', '-W', '1', '-M', 'do', '-s', '1440')
      await eventually('the route', 10, () =>
        / mtu 1380/.test(lab.in('server01', 'ip', 'route', 'show', '10.211.3.0/24')),
      )
      expect(ping('-c', '1', '-W', '2', '-M', 'do', '-s', '1440')).toMatch(/mtu ?= ?1380/)
      expect(ping('-c', '1', '-W', '2', '-M', 'do', '-s', '1352')).toContain('ttl=62')
      // What may be cut in fragments is, before it goes into the tunnel.
      lab.in(SOURCE, 'ip', 'route', 'flush', 'cache')
      // The first answer tells the other node of the path.
      const cut = ping('-c', '8', '-i', '0.3', '-W', '2', '-M', 'dont', '-s', '1440')
      expect(cut).toContain('bytes from')
    } finally {
      mtu(1500)
    }
  })

  it('is reached again when somebody deleted tunl0, and nothing of the former one is left', async () => {
    lab.in('server01', 'ip', 'link', 'del', 'tunl0')
    await eventually('the tunnel', 10, () => {
      const exec = ['lab', 'exec', '--lab', lab.name, SOURCE, '--']
      const { stdout } = tortie(...exec, 'ping', '-c', '1', '-W', '1', TARGET)
      return stdout.includes('ttl=62')
    })
    const filters = lab.in('server01', 'tc', 'filter', 'show', 'dev', 'ens33', 'ingress')
    expect(filters.match(/tortie_\w+/g)).toHaveLength(1)
  })

  it('stays reached while agents are killed and started again', async () => {
    const ping = lab.beside(SOURCE, 'ping', '-i', '0.01', TARGET)
    await ping.until(/icmp_seq=20 /)
    for (const node of ['server01', 'server04']) say('lab', 'restart', node, '--lab', lab.name)
    const seen = Number(
      ping.output
        .match(/icmp_seq=(\d+)/g)
        ?.at(-1)
        ?.split('=')[1],
    )
    await ping.until(new RegExp(`icmp_seq=${seen + 100} `))
    expect(await ping.stop()).toMatch(/ 0% packet loss/)
  })
})
