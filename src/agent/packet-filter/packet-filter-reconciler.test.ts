import { describe, expect, it } from 'vitest'
import { type KernelEvent, KernelError } from '../../kernel/kernel.ts'
import { SimulatedMachine } from '../../kernel/sim/machine.ts'
import type { FilterTable } from '../../kernel/packet-filter.ts'
import { FILTER_TABLE } from '../../kernel/own-filter.ts'
import { VirtualClock } from '../../lib/clock.ts'
import { silentLog } from '../../lib/log.ts'
import { SeededRandom } from '../../lib/random.ts'
import { Scheduler } from '../../lib/reconcile/scheduler.ts'
import { PacketFilterReconciler } from './packet-filter-reconciler.ts'

const TABLE: FilterTable = {
  name: FILTER_TABLE,
  sets: [],
  chains: [
    {
      name: 'to-node',
      type: 'filter',
      hook: 'input',
      priority: 0,
      policy: 'accept',
      rules: [
        { match: [{ kind: 'protocol', protocol: 4 }], counter: 'forged-ipip', verdict: 'drop' },
      ],
    },
  ],
}

/** A node whose kernel counts how often its packet filter is compared, and may be without one. */
function node() {
  const clock = new VirtualClock()
  const random = new SeededRandom(1)
  const kernel = new SimulatedMachine({ clock, random }).createNamespace('node')
  const scheduler = new Scheduler<KernelEvent>({ clock, random, log: silentLog })
  kernel.watch((event) => scheduler.observe(event))
  const host = { comparisons: 0, refusal: undefined as string | undefined, told: 0 }
  const reconciler = new PacketFilterReconciler({
    kernel: {
      keepPacketFilter(table) {
        host.comparisons++
        if (host.refusal !== undefined) throw new KernelError(host.refusal, 'Unable to list')
        return kernel.keepPacketFilter(table)
      },
      packetFilterCounters: (name) => kernel.packetFilterCounters(name),
    },
    log: silentLog,
    onAvailability: () => void host.told++,
  })
  const filter = scheduler.add(reconciler)
  return { clock, kernel, host, reconciler, filter }
}

describe('the packet filter of a node', () => {
  it('is compared when another table is desired or the kernel tells of a change, and from time to time', async () => {
    const { clock, kernel, host, filter } = node()
    const compared = async (milliseconds: number): Promise<number> => {
      host.comparisons = 0
      await clock.advance(milliseconds)
      return host.comparisons
    }
    filter.want(TABLE)
    // The kernel tells of what it wrote itself, too.
    expect(await compared(1_000)).toBe(2)
    filter.want(TABLE)
    expect(await compared(88_000)).toBe(0)
    expect(kernel.packetFilterCounters(FILTER_TABLE).size).toBe(1)
    expect(await compared(2_000)).toBe(1)
    filter.want({ ...TABLE, chains: [] })
    expect(await compared(1_000)).toBe(2)
    expect(kernel.packetFilterCounters(FILTER_TABLE).size).toBe(0)
  })

  it('is back at once when somebody takes it away', async () => {
    const { clock, kernel, reconciler, filter } = node()
    filter.want(TABLE)
    await clock.advance(1_000)
    kernel.deletePacketFilter(FILTER_TABLE)
    await clock.advance(100)
    expect(reconciler.counters().size).toBe(1)
  })

  it('is no problem where the kernel has none, which is told once, and tried again', async () => {
    const { clock, host, reconciler, filter } = node()
    host.refusal = 'EOPNOTSUPP'
    filter.want(TABLE)
    await clock.advance(20_000)
    expect(reconciler.unavailable).toContain('EOPNOTSUPP')
    expect([filter.problems(), host.told]).toEqual([[], 1])
    expect(reconciler.counters().size).toBe(0)
    host.refusal = undefined
    await clock.advance(60_000)
    expect([reconciler.unavailable, host.told]).toEqual([undefined, 2])
    expect(reconciler.counters().size).toBe(1)
  })

  it('is a problem where the kernel could have it and refuses', async () => {
    const { clock, host, reconciler, filter } = node()
    host.refusal = 'ENOMEM'
    filter.want(TABLE)
    await clock.advance(100)
    expect(filter.problems()).toEqual(['Unable to list: ENOMEM'])
    expect(reconciler.unavailable).toBeUndefined()
  })
})
