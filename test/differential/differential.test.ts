import { describe, expect, it } from 'vitest'
import { createLinuxMachine } from '../../src/platform/linux/machine.ts'
import { generateScenario } from './generate.ts'
import { compareInGuest } from './in-guest.ts'
import { perform } from './perform.ts'
import { compareMany, simulatedStage } from './stages.ts'
import { lacksUserModeLinux } from '../support/user-mode-linux.ts'

const isRoot = process.getuid?.() === 0
if (!isRoot) console.log('Skipped: comparing the simulated kernel with the real one needs root')

/** Where the seeds of a run begin; another beginning tries other networks. */
const FIRST_SEED = Number(process.env['TORTIE_DIFFERENTIAL_SEED'] ?? 1)
const SCENARIOS = 500

const lack = lacksUserModeLinux()
if (lack !== undefined) console.log(`Skipped: comparing IPIP with the kernel’s own: ${lack}`)
/** Few: the guest has one slow processor. */
const GUEST_SCENARIOS = 8

// Side by side, since both wait for packets rather than compute.
describe.concurrent('the simulated kernel', () => {
  it.skipIf(!isRoot)(
    `agrees with the real one on ${SCENARIOS} random networks`,
    { timeout: 300_000 },
    async ({ expect }) => {
      const machine = createLinuxMachine()
      const seeds = Array.from({ length: SCENARIOS }, (_, at) => FIRST_SEED + at)
      const disagreements: string[] = []
      const note = (seed: number, lines: readonly string[]): void => {
        const replay = `node scripts/soak.mjs differential --seed ${seed} --count 1`
        disagreements.push(`seed ${seed}, replay with: ${replay}`, ...lines)
      }
      try {
        const agreed = await compareMany(seeds, machine, `d${process.pid}-`, note)
        expect(disagreements.join('\n')).toBe('')
        expect(agreed).toBe(SCENARIOS)
      } finally {
        machine.close()
      }
    },
  )

  it.skipIf(lack !== undefined)(
    `agrees with the ipip module of Linux 6.1 on ${GUEST_SCENARIOS} random networks`,
    async ({ expect }) => {
      const found = await compareInGuest(FIRST_SEED, GUEST_SCENARIOS)
      expect(found).toEqual({ agreed: GUEST_SCENARIOS, disagreements: [] })
    },
  )
})

describe('scenarios', () => {
  it('are the same for one seed, and so is what the simulated kernel makes of them', async () => {
    const run = async (seed: number): Promise<string> =>
      JSON.stringify(await perform(generateScenario(seed), simulatedStage(seed)))
    for (const seed of [1, 2, 3]) expect(await run(seed)).toBe(await run(seed))
  })
})
