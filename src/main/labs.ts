import type { Labs } from '../cli/lab/labs.ts'
import { UserError } from '../lib/errors.ts'
import { processesWith } from '../platform/node/processes.ts'
import { labPath } from './lab-paths.ts'
import { linuxLabPorts } from './lab-ports.ts'
import { labState } from './lab-state.ts'
import { runInNamespace } from './run-in-namespace.ts'
import { simulatedLabs } from './simulated-labs.ts'

/** The labs of the machine that this process runs on. */
export function machineLabs(): Labs {
  return {
    state: labState(),
    simulated: simulatedLabs,
    openPorts(tell) {
      if (process.platform !== 'linux' || process.getuid?.() !== 0) {
        throw new UserError(
          'A lab is made of network namespaces: it needs Linux, and root (sudo tortie lab …); ' +
            'without them: tortie lab up seed --simulated',
        )
      }
      return linuxLabPorts(tell)
    },
    countPrograms: (lab) =>
      process.platform === 'linux' ? processesWith('TORTIE_LAB_DIR', labPath(lab)).length : 0,
    becomeProgram: ({ machine }, lab, namespace, argv) =>
      runInNamespace(machine, lab, namespace, argv),
  }
}
