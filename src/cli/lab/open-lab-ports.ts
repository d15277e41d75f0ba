import type { LabPorts } from '../../lab/lab-ports.ts'
import type { CommandContext } from '../context.ts'
import type { Labs } from './labs.ts'

/** The ports of real labs, telling what is done to a terminal and what is wrong to everybody. */
export function openLabPorts(labs: Labs, { err }: CommandContext): LabPorts {
  return labs.openPorts({
    progress(text) {
      if (err.isTty) err.write(`· ${text}\n`)
    },
    warn: (text) => err.write(`tortie: ${text}\n`),
  })
}
