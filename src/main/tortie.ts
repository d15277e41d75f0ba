#!/usr/bin/env node
import { runProgram } from '../cli/program.ts'
import { endOnDefects } from '../platform/node/process-end.ts'
import { COMMANDS } from './commands.ts'
import { processContext } from './process-context.ts'
import { version } from './version.ts'

/*
 * The executable `tortie`.
 *
 *   argv --> program (src/cli) --> one row of COMMANDS, loaded now --> its action
 *                                                                        |
 *            context: outputs, environment, clock, store, agents  -------+
 */
endOnDefects()
const context = processContext()
const status = await runProgram(process.argv.slice(2), COMMANDS, context, version)
await context.flush()
// Not left to the event loop: a start that failed may have opened what would keep the process half alive.
process.exit(status || context.exitCode)
