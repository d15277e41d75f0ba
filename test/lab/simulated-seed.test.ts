import { describe, expect, it } from 'vitest'
import { SimulatedMachine } from '../../src/kernel/sim/machine.ts'
import { BUILT_IN_TOPOLOGIES } from '../../src/lab/built-in-topologies.ts'
import { labDown } from '../../src/lab/lab-down.ts'
import { memoryState } from '../../src/lab/memory-state.ts'
import { labUp } from '../../src/lab/lab-up.ts'
import { parseTopology } from '../../src/lab/parse-topology.ts'
import { VirtualClock } from '../../src/lib/clock.ts'
import { silentLog } from '../../src/lib/log.ts'
import { SeededRandom } from '../../src/lib/random.ts'
import { simulatedLabPorts } from '../../src/main/simulated-lab-ports.ts'

/** Lets virtual time run until `work` is done. */
async function run<T>(clock: VirtualClock, work: Promise<T>): Promise<T> {
  let done = false
  const finished = work.finally(() => (done = true))
  finished.catch(() => {})
  while (!done) await clock.advance(10)
  return finished
}

describe('the seed on the simulated kernel', () => {
  it('comes up, routes as on the real one, and goes', async () => {
    const clock = new VirtualClock()
    const random = new SeededRandom(1)
    const machine = new SimulatedMachine({ clock, random })
    const ports = simulatedLabPorts({
      machine,
      state: memoryState(),
      clock,
      random,
      log: silentLog,
    })
    const text = BUILT_IN_TOPOLOGIES['seed']!
    await run(clock, labUp({ topology: parseTopology(text, 'seed'), name: 'seed', text }, ports))
    const server01 = machine.openNamespace('server01')
    const routes = server01
      .routes()
      .map((route) => `${route.type} ${route.destination} ${route.protocol}`)
    expect(routes).toEqual(
      expect.arrayContaining([
        'blackhole 10.211.0.0/24 12',
        'unicast 10.211.0.6/32 3',
        'unicast 10.211.1.0/24 12',
        'unicast 10.211.2.0/24 12',
      ]),
    )
    await run(clock, labDown('seed', ports))
    expect(machine.namespaces()).toEqual([])
  })
})
