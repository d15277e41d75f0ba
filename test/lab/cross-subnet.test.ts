import { afterAll, beforeAll, describe, expect, it } from 'vitest'
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
