import { execFileSync } from 'node:child_process'
import { describe } from 'vitest'
import { createLinuxMachine } from '../../src/platform/linux/machine.ts'
import { systemClock } from '../../src/platform/node/clock.ts'
import { systemRandom } from '../../src/platform/node/random.ts'
import { faultsContract } from '../../src/faults/faults.contract.ts'

const canRun = process.getuid?.() === 0 && process.platform === 'linux'
if (!canRun) console.log('Skipped: faults on the real kernel need Linux and root')

describe.skipIf(!canRun)('with root', () => {
  faultsContract('Linux', () => {
    const machine = createLinuxMachine()
    return {
      machine,
      clock: systemClock,
      random: systemRandom,
      prefix: `flt${process.pid}x`,
      isSimulated: false,
      run: (promise) => promise,
      execute(kernel, argv) {
        execFileSync('ip', ['netns', 'exec', kernel.name, ...argv], { stdio: 'pipe' })
        return Promise.resolve()
      },
      done: () => machine.close(),
    }
  })
})
