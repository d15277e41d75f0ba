import { describe } from 'vitest'
import { createLinuxMachine } from '../platform/linux/machine.ts'
import { systemClock } from '../platform/node/clock.ts'
import { systemRandom } from '../platform/node/random.ts'
import { traceContract } from './trace.contract.ts'

const canRun = process.getuid?.() === 0 && process.platform === 'linux'
if (!canRun) console.log('Skipped: traces on the real kernel need Linux and root')

describe.skipIf(!canRun)('with root', () => {
  traceContract('Linux', () => {
    const machine = createLinuxMachine()
    return {
      machine,
      clock: systemClock,
      random: systemRandom,
      prefix: `trc${process.pid}x`,
      run: (promise) => promise,
      done: () => machine.close(),
    }
  })
})
