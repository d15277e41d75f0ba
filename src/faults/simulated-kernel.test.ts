import { expect, it } from 'vitest'
import { runSimulatedCommand } from '../kernel/sim/commands/run-command.ts'
import { createSimulatedMachine } from '../kernel/sim/machine.ts'
import { VirtualClock } from '../lib/clock.ts'
import { SeededRandom } from '../lib/random.ts'
import { expectWholeCatalogue, faultsContract } from './faults.contract.ts'
import { FAULTS } from './faults.ts'

faultsContract('simulated', () => {
  const clock = new VirtualClock()
  const machine = createSimulatedMachine({ clock, random: new SeededRandom(1) })
  return {
    machine,
    clock,
    random: new SeededRandom(7),
    prefix: 'sim',
    isSimulated: true,
    async run(promise) {
      let isSettled = false
      const settle = (): void => void (isSettled = true)
      promise.then(settle, settle)
      for (let waited = 0; !isSettled && waited < 20_000; waited += 5) await clock.advance(5)
      return promise
    },
    async execute(kernel, argv) {
      const result = await runSimulatedCommand(kernel, argv, clock)
      expect(result, argv.join(' ')).toMatchObject({ status: 0, stderr: '' })
    },
    corrupt: (kernel, link, isOn) =>
      machine.impair(kernel, link, isOn ? { corrupt: true } : undefined),
    done() {},
  }
})

it('every cause has a fault, and every fault a cause', expectWholeCatalogue)

it('no two faults have one id', () => {
  expect(new Set(FAULTS.map(({ id }) => id)).size).toBe(FAULTS.length)
})
