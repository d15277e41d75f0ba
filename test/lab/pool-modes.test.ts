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

/* Modes of the pool changed from the command line while pods talk to each other. */
describe.skipIf(!canRunLabs('changes of encapsulation under traffic'))(
  'a change of encapsulation',
  () => {
    let lab: TestLab

    beforeAll(() => {
      lab = new TestLab('cross-subnet', `modes${process.pid}`)
    })

    afterAll(() => {
      lab.down()
    })

    const nodes = ['server01', 'server02', 'server03', 'server04']

    function change(ipipMode: 'Never' | 'Always' | 'CrossSubnet'): void {
      const [pool] = say('get', 'ippool', '-o', 'name', '--lab', lab.name).trim().split('\n')
      const name = pool!.split('/').at(-1)!
      say('patch', 'ippool', name, '-p', JSON.stringify({ spec: { ipipMode } }), '--lab', lab.name)
    }

    /** Whether all nodes route all blocks of others so, and by that way alone. */
    function isSettled(isTunnelled: (from: string, to: string) => boolean): boolean {
      return nodes.every((node) => {
        const rows = lab
          .in(node, 'ip', 'route', 'show', 'proto', 'bird')
          .split('\n')
          .filter((row) => row.startsWith('10.211.'))
        return (
          rows.length === nodes.length - 1 &&
          rows.every((row) => {
            const to = `server0${Number(/^10\.211\.(\d)/.exec(row)![1]) + 1}`
            return row.includes('dev tunl0') === isTunnelled(node, to)
          })
        )
      })
    }

    it('loses no packet, whatever the way before and after', async () => {
      const pings = [NEAR, FAR].map((to) => lab.beside(SOURCE, 'ping', '-i', '0.01', to))
      for (const ping of pings) await ping.until(/icmp_seq=20 /)
      const far = (node: string): boolean => node === 'server04'
      for (const [mode, isTunnelled] of [
        ['Always', () => true],
        ['CrossSubnet', (from: string, to: string) => far(from) || far(to)],
        ['Always', () => true],
      ] as const) {
        change(mode)
        await eventually(`the routes of ${mode}`, 20, () => isSettled(isTunnelled))
      }
      for (const ping of pings) expect(missing(await ping.stop())).toEqual([])
    })

    it('loses none between Never and the others either, where bare packets pass', async () => {
      const ping = lab.beside(SOURCE, 'ping', '-i', '0.01', NEAR)
      await ping.until(/icmp_seq=20 /)
      for (const [mode, isTunnelled] of [
        ['Never', () => false],
        ['Always', () => true],
        ['Never', () => false],
      ] as const) {
        change(mode)
        await eventually(`the routes of ${mode}`, 20, () => isSettled(isTunnelled))
      }
      expect(missing(await ping.stop())).toEqual([])
      change('CrossSubnet')
    })
  },
)
