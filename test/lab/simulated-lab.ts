import { SimulatedMachine } from '../../src/kernel/sim/machine.ts'
import { BUILT_IN_TOPOLOGIES } from '../../src/lab/built-in-topologies.ts'
import { labDown } from '../../src/lab/lab-down.ts'
import type { LabPorts } from '../../src/lab/lab-ports.ts'
import { labUp } from '../../src/lab/lab-up.ts'
import { memoryState } from '../../src/lab/memory-state.ts'
import { parseTopology } from '../../src/lab/parse-topology.ts'
import { VirtualClock } from '../../src/lib/clock.ts'
import { silentLog } from '../../src/lib/log.ts'
import { SeededRandom } from '../../src/lib/random.ts'
import { simulatedLabPorts } from '../../src/simulated-lab/simulated-lab-ports.ts'
import type { Store } from '../../src/store/store.ts'
import { Resources } from '../../src/store/resources.ts'

const STEP_MILLISECONDS = 5

/** A cluster on the simulated kernel, all of it in virtual time. */
export interface SimulatedLab {
  readonly clock: VirtualClock
  readonly random: SeededRandom
  readonly machine: SimulatedMachine
  readonly ports: LabPorts
  readonly store: Store
  readonly resources: Resources
  /** Lets virtual time run until `work` is done. */
  run<T>(work: Promise<T>): Promise<T>
  close(): Promise<void>
}

/** @param text the topology; the built-in one of this name when absent */
export async function openSimulatedLab(
  name: string,
  text: string = BUILT_IN_TOPOLOGIES[name]!,
): Promise<SimulatedLab> {
  const clock = new VirtualClock()
  const random = new SeededRandom(1)
  const machine = new SimulatedMachine({ clock, random })
  const ports = simulatedLabPorts({ machine, state: memoryState(), clock, random, log: silentLog })
  const run = async <T>(work: Promise<T>): Promise<T> => {
    let done = false
    const finished = work.finally(() => (done = true))
    finished.catch(() => {})
    while (!done) await clock.advance(STEP_MILLISECONDS)
    return finished
  }
  await run(labUp({ topology: parseTopology(text, name), name, text }, ports))
  const store = await ports.programs.openStore(name, { wait: false })
  const resources = new Resources({ store, clock, random, log: silentLog })
  const close = () => run(labDown(name, ports))
  return {
    clock,
    random,
    machine,
    ports,
    store,
    resources,
    run,
    close: async () => void (await close()),
  }
}
