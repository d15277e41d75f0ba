import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { canRunLabs, say, TestLab } from './tortie.ts'

describe.skipIf(!canRunLabs('an agent killed under traffic'))('an agent that is killed', () => {
  let lab: TestLab

  beforeAll(() => {
    lab = new TestLab('seed', `kill${process.pid}`)
  })

  afterAll(() => {
    lab.down()
  })

  /** Without what `ip` says of other namespaces of this machine that come and go. */
  const changesIn = (text: string): string =>
    text.replaceAll('Error: Peer netns reference is invalid.\n', '')
  const routes = (node: string): string => lab.in(node, 'ip', 'route')

  it.each(['server01', 'server02'])(
    'loses no packet of a running ping, nor rewrites a route (%s)',
    async (node) => {
      const nodes = ['server01', 'server02', 'server03']
      // The kernel announces the link-local addresses of new links a while after they are up.
      const tentative = (name: string) => lab.in(name, 'ip', '-6', 'addr', 'show', 'tentative')
      await expect.poll(() => nodes.map(tentative).join(''), { timeout: 20_000 }).toBe('')
      const before = nodes.map(routes)
      const monitors = await Promise.all(
        nodes.map((name) => lab.monitorRoutes(name, 'link', 'address')),
      )
      const ping = lab.beside('network-5z4qp', 'ping', '-i', '0.01', '10.211.1.4')
      await ping.until(/icmp_seq=20 /)
      // Killed with SIGKILL, started again, heard out by its neighbors: all while the ping runs.
      say('lab', 'restart', node, '--lab', lab.name)
      const seen = Number(
        ping.output
          .match(/icmp_seq=(\d+)/g)
          ?.at(-1)
          ?.split('=')[1],
      )
      await ping.until(new RegExp(`icmp_seq=${seen + 200} `))
      const summary = await ping.stop()
      expect(summary).toMatch(/ 0% packet loss/)
      for (const monitor of monitors) expect(changesIn(await monitor.stop())).toBe('')
      expect(nodes.map(routes)).toEqual(before)
    },
  )

  it('leaves its pods working while it is dead, and attaches no more', () => {
    const status = JSON.parse(say('lab', 'status', lab.name, '-o', 'json')) as {
      programs: { pid: number; what: string }[]
    }
    const agent = status.programs.find(({ what }) => what === 'agent server01')!
    process.kill(agent.pid, 'SIGKILL')
    expect(lab.in('network-5z4qp', 'ping', '-c1', '-W1', '10.211.1.4')).toContain('ttl=62')
    say('lab', 'restart', 'server01', '--lab', lab.name)
    expect(lab.in('network-mngxw', 'ping', '-c1', '-W1', '10.211.0.6')).toContain('ttl=62')
  })
})
