import { VirtualClock } from '../lib/clock.ts'
import { SeededRandom } from '../lib/random.ts'
import { createSimulatedMachine } from '../kernel/sim/machine.ts'
import { traceContract } from './trace.contract.ts'

traceContract('simulated', () => {
  const clock = new VirtualClock()
  const random = new SeededRandom(7)
  return {
    machine: createSimulatedMachine({ clock, random: new SeededRandom(1) }),
    clock,
    random,
    prefix: 'sim',
    async run(promise) {
      let isSettled = false
      const settle = (): void => void (isSettled = true)
      promise.then(settle, settle)
      for (let waited = 0; !isSettled && waited < 20_000; waited += 5) await clock.advance(5)
      return promise
    },
    done() {},
  }
})
