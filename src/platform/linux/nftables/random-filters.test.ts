import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { address, cable, unicast } from '../../../kernel/kernel.contract.ts'
import type { Kernel, Machine } from '../../../kernel/kernel.ts'
import type { FilterChange, FilterTable } from '../../../kernel/packet-filter.ts'
import { createSimulatedMachine } from '../../../kernel/sim/machine.ts'
import {
  ADDRESSES,
  octetsOf,
  type RandomPacket,
  randomPackets,
  randomTable,
} from '../../../kernel/testing/random-filter.ts'
import { VirtualClock } from '../../../lib/clock.ts'
import { SeededRandom } from '../../../lib/random.ts'
import { ip } from '../../../net/ip-address.ts'
import { prefix } from '../../../net/prefix.ts'
import { createLinuxMachine } from '../machine.ts'
import { until } from '../testing/until.ts'

const isRoot = process.getuid?.() === 0
if (!isRoot) console.log('Skipped: random packet filters on the real kernel need root')

/** Of each kind; more by TORTIE_FILTER_RUNS. */
const NUM_RUNS = Number(process.env['TORTIE_FILTER_RUNS'] ?? 15)

/** pod --cali1- node --eth0- outside, all of whom know each other; nobody but the node does anything with packets. */
class World {
  readonly pod: Kernel
  readonly node: Kernel
  readonly outside: Kernel
  readonly #machine: Machine

  constructor(machine: Machine, name: string) {
    this.#machine = machine
    const [pod, node, outside] = ['p', 'n', 'o'].map((suffix) => {
      const kernel = machine.createNamespace(`${name}${suffix}`)
      kernel.changeLink(kernel.link('lo')!.index, { up: true })
      kernel.writeSysctl('ipv6.conf.default.accept_dad', '0')
      return kernel
    }) as [Kernel, Kernel, Kernel]
    this.pod = pod
    this.node = node
    this.outside = outside
    const inner = cable(pod, 'eth0', node, 'cali1')
    const outer = cable(node, 'eth0', outside, 'eth0')
    for (const family of [4, 6] as const) {
      const [podAddress, outsideAddress, nodeAddress, otherPod] = ADDRESSES[family]
      const whole = family === 4 ? 32 : 128
      const everything = family === 4 ? '0.0.0.0/0' : '::/0'
      address(pod, inner.near, podAddress, whole)
      address(outside, outer.far, outsideAddress, family === 4 ? 24 : 64)
      address(node, outer.near, nodeAddress, family === 4 ? 24 : 64)
      const onLink = family === 4 ? ({ scope: 'link' } as const) : {}
      for (const each of [podAddress, otherPod]) {
        node.addRoute(unicast(`${each}/${whole}`, inner.far, undefined, onLink))
        neighbor(node, inner.far, each, inner.near)
      }
      neighbor(node, outer.near, outsideAddress, outer.far)
      neighbor(outside, outer.far, nodeAddress, outer.near)
      neighbor(pod, inner.near, nodeAddress, inner.far)
      pod.addRoute(unicast(`${nodeAddress}/${whole}`, inner.near, undefined, onLink))
      pod.addRoute(unicast(everything, inner.near, nodeAddress))
      outside.addRoute(unicast(everything, outer.far, nodeAddress))
      node.addRoute(unicast(everything, outer.near, outsideAddress))
    }
    node.writeSysctl('ipv4.ip_forward', '1')
    node.writeSysctl('ipv6.conf.all.forwarding', '1')
    for (const link of ['all', 'eth0', 'cali1']) {
      node.writeSysctl(`ipv4.conf.${link}.rp_filter`, '0')
      node.writeSysctl(`ipv4.conf.${link}.send_redirects`, '0')
    }
    pod.keepPacketFilter(sink('prerouting'))
    outside.keepPacketFilter(sink('prerouting'))
    node.keepPacketFilter(sink('input'))
  }

  send({ from, ...packet }: RandomPacket): void {
    this[from].sendPacket(octetsOf({ from, ...packet }))
  }

  counted(): Record<string, string> {
    const counters = [...this.node.packetFilterCounters('test')]
    return Object.fromEntries(
      counters.map(([name, { packets, octets }]) => [name, `${packets} of ${octets}`]),
    )
  }

  close(): void {
    for (const { name } of [this.pod, this.node, this.outside]) this.#machine.deleteNamespace(name)
  }
}

function neighbor(
  kernel: Kernel,
  link: { index: number },
  own: string,
  far: { macAddress: unknown },
) {
  kernel.setNeighbor({
    linkIndex: link.index,
    address: ip(own),
    macAddress: far.macAddress as Parameters<Kernel['setNeighbor']>[0]['macAddress'],
    state: 'permanent',
  })
}

/** Behind everything else at its hook: nothing is answered. */
function sink(hook: 'prerouting' | 'input'): FilterTable {
  const rules = [
    { match: [{ kind: 'source', prefix: prefix('fe80::/10') }], verdict: 'accept' },
    { match: [], verdict: 'drop' },
  ] as const
  return {
    name: 'sink',
    sets: [],
    chains: [{ name: 'all', type: 'filter', hook, priority: 1000, policy: 'drop', rules }],
  }
}

describe.skipIf(!isRoot)('random packet filters', () => {
  const machine = isRoot ? createLinuxMachine() : undefined
  let worlds = 0
  afterAll(() => machine?.close())

  /** Makes the second table of the first on both kernels, and sends the packets. */
  async function compare(
    [before, table]: readonly [FilterTable, FilterTable],
    packets: readonly RandomPacket[],
  ): Promise<void> {
    const clock = new VirtualClock()
    const random = new SeededRandom(1)
    const simulated = new World(createSimulatedMachine({ clock, random }), 'rf')
    const real = new World(machine!, `rf${process.pid}-${worlds++}`)
    try {
      for (const each of [before, table]) {
        const [made, wanted] = [real, simulated].map(({ node }) => node.keepPacketFilter(each))
        expect(outline(made!)).toEqual(outline(wanted!))
        const reader = machine!.openNamespace(real.node.name)
        expect(reader.keepPacketFilter(each)).toEqual([])
        reader.close()
      }
      for (const packet of packets) {
        simulated.send(packet)
        await clock.advance(1)
        real.send(packet)
      }
      await untilEqual(real, simulated.counted())
    } finally {
      real.close()
    }
  }

  it.each([
    ['without state', false],
    ['with limits and connections', true],
  ] as const)(
    'count packets alike, %s',
    { timeout: NUM_RUNS * 2000 + 30_000 },
    async (_, stateful) => {
      const table = randomTable({ stateful })
      const packets = randomPackets({ stateful })
      await fc.assert(fc.asyncProperty(fc.tuple(table, table), packets, compare), {
        numRuns: NUM_RUNS,
        // A disagreement takes long to be sure of: the first is shown as it is.
        endOnFailure: true,
      })
    },
  )
})

/**
 * What was changed, without what the kernels know by different names: a rule that one of them takes for
 * the same, since it says the same in other words, comes and goes on the other.
 */
function outline(changes: readonly FilterChange[]): readonly string[] {
  return changes
    .filter(({ change, added, removed }) => change !== 'changed' || added !== removed)
    .map(({ object, name, change, added, removed }) =>
      [object, name, change, added - removed].join(' '),
    )
}

async function untilEqual(real: World, wanted: Record<string, string>): Promise<void> {
  const text = JSON.stringify(sorted(wanted))
  try {
    await until(() => JSON.stringify(sorted(real.counted())) === text, 'both to count alike')
  } catch {
    expect(real.counted()).toEqual(wanted)
  }
}

function sorted(counters: Record<string, string>): readonly (readonly string[])[] {
  return Object.entries(counters).toSorted(([a], [b]) => (a < b ? -1 : 1))
}
