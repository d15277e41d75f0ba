import { VirtualClock } from '../../src/lib/clock.ts'
import { SeededRandom } from '../../src/lib/random.ts'
import { createSimulatedMachine } from '../../src/kernel/sim/machine.ts'
import type { LinuxMachine } from '../../src/platform/linux/machine.ts'
import { generateScenario } from './generate.ts'
import type { Scenario } from './scenario.ts'
import { toIpv6 } from './to-ipv6.ts'
import { differences, perform, type Stage } from './perform.ts'

/** The simulated kernel: half a second of its time is enough for anything that a probe may cause. */
export function simulatedStage(seed: number): Stage {
  const clock = new VirtualClock()
  return {
    machine: createSimulatedMachine({ clock, random: new SeededRandom(seed) }),
    prefix: '',
    settle: () => clock.advance(500),
  }
}

/** The real kernel: polled until it agrees, and for two seconds if it does not. */
export function realStage(machine: LinuxMachine, prefix: string): Stage {
  return {
    machine,
    prefix,
    async settle(done) {
      const deadline = Date.now() + 2000
      do await new Promise((resolve) => setTimeout(resolve, 2))
      while (!done() && Date.now() < deadline)
    },
  }
}

/** How often the real kernel may try: under load it loses an ICMP error or a neighbour now and then. */
const TRIES = 3

/** Two seeds of three are IPv4, the third is IPv6. */
export function scenarioOf(seed: number): Scenario {
  const scenario = generateScenario(seed)
  return seed % 3 === 0 ? toIpv6(scenario) : scenario
}

/** One seed on both kernels: what differs, if it differs every time. */
export async function compare(
  seed: number,
  machine: LinuxMachine,
  prefix: string,
): Promise<readonly string[]> {
  const scenario = scenarioOf(seed)
  const simulated = await perform(scenario, simulatedStage(seed))
  let found: readonly string[] = []
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const real = await perform(scenario, realStage(machine, `${prefix}${attempt}-`), simulated)
    found = differences(scenario, simulated, real)
    if (found.length === 0) break
  }
  return found
}

/** Many seeds, several at a time; answers how many agreed and what the others differ in. */
export async function compareMany(
  seeds: readonly number[],
  machine: LinuxMachine,
  prefix: string,
  onDisagreement: (seed: number, lines: readonly string[]) => void,
): Promise<number> {
  const queue = [...seeds]
  let agreed = 0
  const worker = async (): Promise<void> => {
    for (let seed = queue.shift(); seed !== undefined; seed = queue.shift()) {
      const lines = await compare(seed, machine, `${prefix}${seed}-`)
      if (lines.length === 0) agreed++
      else onDisagreement(seed, lines)
    }
  }
  await Promise.all(Array.from({ length: 12 }, worker))
  return agreed
}
