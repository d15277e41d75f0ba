import { VirtualClock } from '../../lib/clock.ts'
import { SeededRandom } from '../../lib/random.ts'
import { kernelContract } from '../kernel.contract.ts'
import { packetFilterContract } from '../packet-filter.contract.ts'
import { createSimulatedMachine } from './machine.ts'

for (const contract of [kernelContract, packetFilterContract])
  contract('simulated', () => {
    const clock = new VirtualClock()
    const machine = createSimulatedMachine({ clock, random: new SeededRandom(1) })
    return {
      machine,
      prefix: 'sim-',
      async until(condition, what) {
        for (let waited = 0; waited < 10_000; waited += 5) {
          if (condition()) return
          await clock.advance(5)
        }
        throw new Error(`Waited ten virtual seconds for ${what}`)
      },
      done() {},
    }
  })
