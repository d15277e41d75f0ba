import { createLinuxMachine } from '../../src/platform/linux/machine.ts'
import { compareInGuest } from './in-guest.ts'
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

/** The same for IPIP with a guest's ipip module. */
export async function soakIpip(seed: number, count: number): Promise<number> {
  let disagreed = 0
  for (let done = 0; done < count; done += 100) {
    const piece = Math.min(100, count - done)
    const { agreed, disagreements } = await compareInGuest(seed + done, piece)
    disagreed += piece - agreed
    for (const line of disagreements) console.log(line)
    console.log(`${done + piece} scenarios, ${disagreed} disagreements`)
  }
  return disagreed
}
