import type { CommandContext } from '../../cli/context.ts'
import { UserError } from '../../lib/errors.ts'
import type { LabPorts } from '../../lab/lab-ports.ts'
import { linuxLabPorts } from '../lab-ports.ts'

/** Labs need root on Linux: one message that says so, before anything is tried. */
export function openLabPorts(context: CommandContext, onStep?: (name: string) => void): LabPorts {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) {
    throw new UserError(
      'A lab is made of network namespaces: it needs Linux, and root (sudo tortie lab …); ' +
        'without them: tortie lab up seed --simulated',
    )
  }
  const progress = (text: string): void => {
    if (context.err.isTty) context.err.write(`· ${text}\n`)
  }
  const warn = (text: string): void => context.err.write(`tortie: ${text}\n`)
  return linuxLabPorts({ progress, warn }, onStep)
}
