import { runProgram } from '../cli/program.ts'
import type { CommandContext } from '../cli/context.ts'
import { endOnDefects } from '../platform/node/process-end.ts'
import { COMMANDS } from './commands.ts'
import { processContext } from './process-context.ts'
import { version } from './version.ts'

/*
 * The executable `tortie`, started by `launch.ts`.
 *
 *   argv --> program (src/cli) --> one row of COMMANDS, loaded now --> its action
 *                                                                        |
 *            context: outputs, environment, clock, store, agents  -------+
 */
export async function main(): Promise<never> {
  endOnDefects()
  const context = processContext()
  const status = await runProgram(process.argv.slice(2), COMMANDS, context, version)
  await context.flush()
  // Not left to the event loop: a start that failed may have opened what would keep the process half alive.
  process.exit(status || context.exitCode)
}

/** One command line in this process, in a context altered from its own; answers the exit status. */
export function run(
  argv: readonly string[],
  alter: (context: CommandContext) => CommandContext,
): Promise<number> {
  return runProgram(argv, COMMANDS, alter(processContext()), version)
}
