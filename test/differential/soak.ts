import { createLinuxMachine } from '../../src/platform/linux/machine.ts'
import { compareMany } from './stages.ts'

/** Compares both kernels on `count` scenarios from `seed` on; prints every disagreement whole. */
export async function soakDifferential(seed: number, count: number): Promise<number> {
  const machine = createLinuxMachine()
  let disagreed = 0
  try {
    for (let done = 0; done < count; done += 100) {
      const seeds = Array.from({ length: Math.min(100, count - done) }, (_, at) => seed + done + at)
      await compareMany(seeds, machine, `d${process.pid}-`, (each, lines) => {
        disagreed++
        console.log(`seed ${each} disagrees:\n${lines.join('\n')}\n`)
      })
      console.log(`${done + seeds.length} scenarios, ${disagreed} disagreements`)
    }
  } finally {
    machine.close()
  }
  return disagreed
}
