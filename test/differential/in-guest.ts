import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { OUT, UserModeLinux } from '../support/user-mode-linux.ts'
import { Bundle } from '../support/bundle.ts'

export interface Comparison {
  readonly agreed: number
  /** What the others differ in, each behind a line with its seed. */
  readonly disagreements: readonly string[]
}

/** Compares the simulation with the ipip module of Linux 6.1, on `count` networks from `seed` on. */
export async function compareInGuest(seed: number, count: number): Promise<Comparison> {
  const bundle = new Bundle()
  try {
    const program = await bundle.build('test/differential/guest.ts')
    const guest = await UserModeLinux.start({ memoryMegabytes: 1024 })
    try {
      await guest.say(`${process.execPath} ${program} ${OUT}/found.json ${seed} ${count}`, 280_000)
      return JSON.parse(readFileSync(join(guest.folder, 'found.json'), 'utf8')) as Comparison
    } finally {
      await guest.close()
    }
  } finally {
    bundle.remove()
  }
}
