import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually } from '../support/command.ts'
import { canRunLabs, say, TestLab } from './tortie.ts'

const SOURCE = 'network-5z4qp'
const NEAR = '10.211.1.4'
const FAR = '10.211.3.5'

/** Numbers of echo replies that did not come, up to the last that did. */
function missing(output: string): number[] {
  const seen = new Set(
    [...output.matchAll(/icmp_seq=(\d+) ttl/g)].map(([, number]) => Number(number)),
  )
  const last = Math.max(...seen)
  return Array.from({ length: last }, (_, index) => index + 1).filter((one) => !seen.has(one))
}

/** Encapsulations of a pool; what is not said is "Never". */
interface Modes {
  readonly ipipMode?: Mode
  readonly vxlanMode?: Mode
}
type Mode = 'Never' | 'Always' | 'CrossSubnet'

/** The link by which packets between nodes of one network leave, by what the pool says. */
function nearLink({ ipipMode, vxlanMode }: Modes): string {
  if (vxlanMode === 'Always') return 'vxlan.calico'
  return ipipMode === 'Always' ? 'tunl0' : 'ens33'
}

function farLink({ ipipMode, vxlanMode }: Modes): string {
  if ((vxlanMode ?? 'Never') !== 'Never') return 'vxlan.calico'
  return (ipipMode ?? 'Never') === 'Never' ? 'ens33' : 'tunl0'
}

/* Modes of the pool changed from the command line while pods talk to each other. */
describe.skipIf(!canRunLabs('changes of encapsulation under traffic'))(
  'a change of encapsulation',
  () => {
    let lab: TestLab
    const nodes = ['server01', 'server02', 'server03', 'server04']

    beforeAll(() => {
      lab = new TestLab('cross-subnet', `modes${process.pid}`)
      // As some distributions have it. Strict on each link, as labs are, it is already.
      for (const node of nodes) lab.in(node, 'sysctl', '-wq', 'net.ipv4.conf.all.rp_filter=1')
    })

    afterAll(() => {
      lab.down()
    })

    function change({ ipipMode = 'Never', vxlanMode = 'Never' }: Modes): void {
      const spec = JSON.stringify({ spec: { ipipMode, vxlanMode } })
      say('patch', 'ippool', 'default-ipv4-ippool', '-p', spec, '--lab', lab.name)
    }

    /** Whether a node routes blocks of others (all, unless said) by the links of these modes. */
    function isSettled(node: string, modes: Modes, others = nodes): boolean {
      const rows = lab.in(node, 'ip', 'route', 'show').split('\n')
      return others.every((other) => {
        if (other === node) return true
        const isFar = node === 'server04' || other === 'server04'
        const link = isFar ? farLink(modes) : nearLink(modes)
        const block = `10.211.${Number(other.at(-1)) - 1}.0/24 via `
        return rows.some((row) => row.startsWith(block) && row.includes(`dev ${link} `))
      })
    }

    async function settle(modes: Modes): Promise<void> {
      const text = `the routes of ${JSON.stringify(modes)}`
      await eventually(text, 20, () => nodes.every((node) => isSettled(node, modes)))
    }

    it('loses no packet, whatever the way before and after', async () => {
      const pings = [NEAR, FAR].map((to) => lab.beside(SOURCE, 'ping', '-i', '0.01', to))
      for (const ping of pings) await ping.until(/icmp_seq=20 /)
      for (const modes of [
        { ipipMode: 'Always' },
        { ipipMode: 'CrossSubnet' },
        { vxlanMode: 'CrossSubnet' },
        { ipipMode: 'Always' },
        { vxlanMode: 'Always' },
        { ipipMode: 'CrossSubnet' },
      ] as const) {
        change(modes)
        await settle(modes)
      }
      for (const ping of pings) expect(missing(await ping.stop())).toEqual([])
    })

    it('loses none between Never and the others either, where bare packets pass', async () => {
      const ping = lab.beside(SOURCE, 'ping', '-i', '0.01', NEAR)
      await ping.until(/icmp_seq=20 /)
      for (const modes of [{}, { ipipMode: 'Always' }, {}, { vxlanMode: 'Always' }, {}] as const) {
        change(modes)
        await settle(modes)
      }
      expect(missing(await ping.stop())).toEqual([])
      change({ ipipMode: 'CrossSubnet' })
      await settle({ ipipMode: 'CrossSubnet' })
    })

    it('loses none with a node whose agent is far behind the others', async () => {
      const { programs } = JSON.parse(say('lab', 'status', lab.name, '-o', 'json')) as {
        programs: { pid: number; what: string }[]
      }
      const { pid } = programs.find(({ what }) => what === 'agent server02')!
      const ping = lab.beside(SOURCE, 'ping', '-i', '0.01', NEAR)
      const answered = async (more: number): Promise<void> => {
        const seen = ping.output.match(/icmp_seq=(\d+)/g)!.length
        await ping.until(new RegExp(`icmp_seq=${seen + more} `))
      }
      await ping.until(/icmp_seq=20 /)
      for (const modes of [
        { ipipMode: 'Always' },
        {},
        { vxlanMode: 'Always' },
        { ipipMode: 'Always' },
        { vxlanMode: 'Always' },
        {},
        { ipipMode: 'CrossSubnet' },
      ] as const) {
        process.kill(pid, 'SIGSTOP')
        try {
          change(modes)
          const awake = ['server01', 'server03']
          await eventually(`the routes of nodes that are awake`, 20, () =>
            awake.every((node) => isSettled(node, modes, awake)),
          )
          await answered(50)
        } finally {
          process.kill(pid, 'SIGCONT')
        }
        await settle(modes)
      }
      await answered(20)
      expect(missing(await ping.stop())).toEqual([])
    })

    it('gives its ends of VXLAN back once no node has one', async () => {
      await eventually('vxlan.calico to go', 60, () =>
        nodes.every((node) => !lab.in(node, 'ip', 'link').includes('vxlan.calico')),
      )
    })
  },
)
