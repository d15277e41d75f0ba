import { VirtualClock } from '../../src/lib/clock.ts'
import { SeededRandom } from '../../src/lib/random.ts'
import { createSimulatedMachine } from '../../src/kernel/sim/machine.ts'
import type { Kernel, Link } from '../../src/kernel/kernel.ts'
import { ip } from '../../src/net/ip-address.ts'
import { hostPrefix } from '../../src/net/prefix.ts'
import { createTunnel } from '../../src/platform/linux/tunnel/tunnel.ts'
import type { LinuxMachine } from '../../src/platform/linux/machine.ts'
import { generateScenario } from './generate.ts'
import type { Scenario, TunnelKind } from './scenario.ts'
import { withTunnels } from './tunnels.ts'
import { toIpv6 } from './to-ipv6.ts'
import { differences } from './differences.ts'
import { perform, type Stage } from './perform.ts'

/** The simulated kernel: half a second of its time is enough for anything that a probe may cause. */
export function simulatedStage(seed: number, kind?: TunnelKind): Stage {
  const clock = new VirtualClock()
  return {
    machine: createSimulatedMachine({ clock, random: new SeededRandom(seed) }),
    prefix: '',
    settle: () => clock.advance(500),
    // The kernel's module makes tunl0 in every namespace.
    ...(kind === 'ipip' ? { prepare: (kernel) => void makeTunl0(kernel) } : {}),
    makeTunnel: (kernel, { mtu }) =>
      kernel.changeLink((kernel.link('tunl0') ?? makeTunl0(kernel)).index, { mtu }),
  }
}

function makeTunl0(kernel: Kernel): Link {
  return kernel.createLink({ kind: 'ipip', name: 'tunl0' })
}

/** How long a real kernel may take to agree; time in which this process had no turn does not count. */
const SETTLE_MILLISECONDS = 2000
const TURN_MILLISECONDS = 2
const TURN_MILLISECONDS_COUNTED = 20

/** The real kernel: polled until it agrees, and for two seconds if it does not. */
export function realStage(machine: LinuxMachine, prefix: string): Stage {
  return {
    machine,
    prefix,
    async settle(done) {
      let left = SETTLE_MILLISECONDS
      do {
        const before = performance.now()
        await new Promise((resolve) => setTimeout(resolve, TURN_MILLISECONDS))
        left -= Math.min(performance.now() - before, TURN_MILLISECONDS_COUNTED)
      } while (!done() && left > 0)
    },
    makeTunnel(kernel, { local, underlays, nodes, mtu }) {
      const settings = {
        localAddress: ip(local),
        underlays: underlays.map((name) => kernel.link(name)!.index),
        senders: nodes.map((node) => hostPrefix(ip(node))),
      }
      const link = createTunnel(kernel, 'tunl0', settings, mtu)
      if (link.mtu !== mtu) kernel.changeLink(link.index, { mtu })
    },
  }
}

/** How often the real kernel may try: under load it loses an ICMP error or a neighbour now and then. */
const TRIES = 3

/** Two seeds of three are IPv4, the third is IPv6; one in six has VXLAN tunnels, one in twelve IPIP by programs. */
export function scenarioOf(seed: number, only?: TunnelKind): Scenario {
  const scenario = generateScenario(seed)
  if (only !== undefined) return withTunnels(scenario, only)
  if (seed % 3 === 0) return toIpv6(scenario)
  const kind = TUNNELS[seed % 12]
  return kind === undefined ? scenario : withTunnels(scenario, kind)
}

const TUNNELS: Readonly<Record<number, TunnelKind>> = { 1: 'vxlan', 5: 'programs', 10: 'vxlan' }

/** One seed on both kernels: what differs, if it differs every time. */
export async function compare(
  seed: number,
  machine: LinuxMachine,
  prefix: string,
  kind?: TunnelKind,
): Promise<readonly string[]> {
  const scenario = scenarioOf(seed, kind)
  const simulated = await perform(scenario, simulatedStage(seed, kind))
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
  kind?: TunnelKind,
): Promise<number> {
  const queue = [...seeds]
  let agreed = 0
  const worker = async (): Promise<void> => {
    for (let seed = queue.shift(); seed !== undefined; seed = queue.shift()) {
      const lines = await compare(seed, machine, `${prefix}${seed}-`, kind)
      if (lines.length === 0) agreed++
      else onDisagreement(seed, lines)
    }
  }
  await Promise.all(Array.from({ length: 12 }, worker))
  return agreed
}
