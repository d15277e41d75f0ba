#!/usr/bin/env node
import { runProgram } from '../cli/program.ts'
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
const context = processContext()
process.exitCode =
  (await runProgram(process.argv.slice(2), COMMANDS, context, version)) || context.exitCode
