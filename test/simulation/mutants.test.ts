import { describe, expect, it } from 'vitest'
import { MUTANTS } from './mutants.ts'
import { runSchedule } from './run-schedule.ts'
import { generateSchedule, type Schedule } from './schedule.ts'
import { shrink } from './shrink.ts'

/** Schedules within which a mistake must be found. */
const MOST_SCHEDULES = 40

describe('the invariants of a simulated cluster', () => {
  it.each(MUTANTS)('find that $mistake', { timeout: 120_000 }, async ({ found, sabotage }) => {
    const all = new Set<string>()
    for (let seed = 1; seed <= MOST_SCHEDULES; seed++) {
      const breaches = await runSchedule(generateSchedule(seed), { sabotage })
      if (breaches.some((breach) => found.test(breach))) return
      for (const breach of breaches) all.add(`seed ${seed} ${breach}`)
    }
    expect.fail(
      `not found in ${MOST_SCHEDULES} schedules; seen:\n${[...all].slice(0, 10).join('\n')}`,
    )
  })

  it('fail again in the same words, and with fewer events', { timeout: 120_000 }, async () => {
    const { sabotage } = MUTANTS.find(({ mistake }) => mistake.startsWith('DEL gives'))!
    const run = (schedule: Schedule): Promise<readonly string[]> =>
      runSchedule(schedule, { sabotage })
    const schedule = generateSchedule(2)
    const breaches = await run(schedule)
    expect(breaches).not.toEqual([])
    expect(await run(schedule)).toEqual(breaches)
    const small = await shrink(schedule, async (each) => (await run(each)).length > 0)
    expect(small.events.map(({ fault }) => fault.do)).toEqual(['run', 'remove'])
    expect(await run(small)).not.toEqual([])
  })
})
