import type { LabPorts } from '../../src/lab/lab-ports.ts'
import { runProgram } from '../../src/cli/program.ts'
import { COMMANDS } from '../../src/main/commands.ts'
import { processContext } from '../../src/main/process-context.ts'

/*
 * `tortie` whose process is killed when it has made so many things of a lab (STEP); everything else is as in
 * the executable, the lab's own programs included, which are started from this file.
 */
const context = processContext()
const last = Number(process.env['STEP'])
let step = 0
const onStep: LabPorts['onStep'] = () => {
  if (++step === last) process.kill(process.pid, 'SIGKILL')
}
const killed = {
  ...context,
  async openLabs() {
    const labs = await context.openLabs()
    const openPorts: typeof labs.openPorts = (tell) => ({ ...labs.openPorts(tell), onStep })
    return { ...labs, openPorts }
  },
}
const status = await runProgram(process.argv.slice(2), COMMANDS, killed, '0')
await context.flush()
process.exit(status || context.exitCode)
