import type { Clock } from '../../../lib/clock.ts'
import { messageOf } from '../../../lib/errors.ts'
import { isKernelError, type Kernel } from '../../kernel.ts'
import { bridge } from './bridge.ts'
import type { CommandResult, SimulatedCommand } from './command-result.ts'
import { ipCommand } from './ip.ts'
import { ping } from './ping.ts'
import { sysctl } from './sysctl.ts'
import { traceroute } from './traceroute.ts'

/** The programs that a simulated node or pod has. */
const COMMANDS: Readonly<Record<string, SimulatedCommand>> = {
  ip: ipCommand,
  bridge,
  ping,
  sysctl,
  traceroute,
}

/** Runs one command line in a namespace, as a shell would find and run the program. */
export async function runSimulatedCommand(
  kernel: Kernel,
  argv: readonly string[],
  clock: Clock,
): Promise<CommandResult> {
  const [name = '', ...rest] = argv
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
  if (command === undefined) {
    const known = Object.keys(COMMANDS).join(', ')
    const stderr = `${name}: not found; the simulated machine has ${known}\n`
    return { stdout: '', stderr, status: 127 }
  }
  try {
    return await command(kernel, rest, clock)
  } catch (thrown) {
    if (!(thrown instanceof RangeError) && !isKernelError(thrown)) throw thrown
    return { stdout: '', stderr: `${name}: ${messageOf(thrown)}\n`, status: 2 }
  }
}
