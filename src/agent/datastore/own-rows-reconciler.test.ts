import { expect, it } from 'vitest'
import { VirtualClock } from '../../lib/clock.ts'
import { silentLog } from '../../lib/log.ts'
import { SeededRandom } from '../../lib/random.ts'
import { Scheduler } from '../../lib/reconcile/scheduler.ts'
import { ip, type IpAddress } from '../../net/ip-address.ts'
import { mac } from '../../net/mac-address.ts'
import { prefix } from '../../net/prefix.ts'
import { type OwnRows, OwnRowsReconciler, type OwnTunnel } from './own-rows-reconciler.ts'

const ROWS: OwnRows = { claims: [], tunnels: [], isWithoutIpip: false, inputs: {} }

/** A datastore that is slow, and refuses what it is told to. */
function node() {
  const clock = new VirtualClock()
  const scheduler = new Scheduler({ clock, random: new SeededRandom(1), log: silentLog })
  const calls: string[] = []
  const told: (IpAddress | undefined)[] = []
  const refused = new Set<string>()
  const call = async (what: string): Promise<void> => {
    calls.push(what)
    await new Promise<void>((resolve) => void clock.after(50, resolve))
    if (refused.has(what)) throw new Error(`${what} is refused`)
  }
  const rows = scheduler.add(
    new OwnRowsReconciler({
      node: 'one',
      addresses: {
        claimBlock: (of, block) => call(`${of} claims ${block}`),
        ensureTunnelAddress: async (of, { kind }: OwnTunnel) => {
          await call(`${of} ${kind}`)
          return ip('10.1.0.1')
        },
      },
      onIpipAddress: (address) => void told.push(address),
    }),
  )
  return { clock, calls, told, refused, rows }
}

it('writes blocks, then the addresses of both tunnels, and tells that of tunl0', async () => {
  const { clock, calls, told, rows } = node()
  const macAddress = mac('66:00:00:00:00:01')
  const tunnels = [{ kind: 'vxlan', macAddress }, { kind: 'ipip' }] as const
  rows.want({ ...ROWS, claims: [prefix('10.1.0.0/26')], tunnels })
  await clock.advance(1_000)
  expect(calls).toEqual(['one claims 10.1.0.0/26', 'one vxlan', 'one ipip'])
  expect(told).toEqual(['10.1.0.1'])
  rows.want({ ...ROWS, isWithoutIpip: true })
  await clock.advance(1_000)
  expect(told).toEqual(['10.1.0.1', undefined])
})

it('writes the rest where one is refused, which is a problem and tried again', async () => {
  const { clock, calls, told, refused, rows } = node()
  refused.add('one claims 10.1.0.0/26')
  rows.want({ ...ROWS, claims: [prefix('10.1.0.0/26')], tunnels: [{ kind: 'ipip' }] })
  await clock.advance(500)
  expect(told).toEqual(['10.1.0.1'])
  expect(rows.problems()).toEqual(['one claims 10.1.0.0/26 is refused'])
  refused.clear()
  calls.length = 0
  await clock.advance(5_000)
  expect(calls).toContain('one claims 10.1.0.0/26')
  expect(rows.problems()).toEqual([])
})

it('is a problem until what is desired has been written, and none when it is looked at again', async () => {
  const { clock, rows } = node()
  rows.want({ ...ROWS, tunnels: [{ kind: 'ipip' }] })
  await clock.advance(20)
  expect(rows.problems()).toEqual(['the node’s own addresses and blocks are being written'])
  await clock.advance(100)
  expect(rows.problems()).toEqual([])
  rows.request()
  await clock.advance(20)
  expect(rows.problems()).toEqual([])
})

it('writes nothing while the datastore must not be written', async () => {
  const { clock, calls, told, rows } = node()
  rows.want(undefined)
  await clock.advance(1_000)
  expect([calls, told]).toEqual([[], []])
})
