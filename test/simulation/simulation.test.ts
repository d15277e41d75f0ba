import { describe, expect, it } from 'vitest'
import { type Log, silentLog } from '../../src/lib/log.ts'
import { runSchedule } from './run-schedule.ts'
import { generateSchedule, type Schedule } from './schedule.ts'
import { shrink } from './shrink.ts'

/** Real time that the schedules may take here; `node scripts/soak.mjs cluster` takes as long as it is told. */
const BUDGET_MILLISECONDS = 100_000
const MOST_SCHEDULES = 1000

/** Where the seeds of a run begin; another beginning tries other schedules. */
const FIRST_SEED = Number(process.env['TORTIE_SIMULATION_SEED'] ?? 1)

describe('a simulated cluster', () => {
  it('holds its invariants under random faults', { timeout: 180_000 }, async () => {
    const until = Date.now() + BUDGET_MILLISECONDS
    let seed = FIRST_SEED
    for (; seed < FIRST_SEED + MOST_SCHEDULES && Date.now() < until; seed++) {
      const breaches = await runSchedule(generateSchedule(seed))
      const replay = `node scripts/soak.mjs cluster --seed ${seed} --count 1`
      expect(breaches.join('\n'), `replay and shrink with: ${replay}`).toBe('')
    }
    console.log(`${seed - FIRST_SEED} fault schedules`)
    expect(seed).toBeGreaterThan(FIRST_SEED)
  })

  it('has one history for one seed, to the octet', { timeout: 60_000 }, async () => {
    const history = async (): Promise<string> => {
      const lines: string[] = []
      await runSchedule(generateSchedule(7), { log: recordingLog(lines) })
      return lines.join('\n')
    }
    const first = await history()
    expect(first.length).toBeGreaterThan(1000)
    expect(await history()).toBe(first)
  })
})

describe('shrinking', () => {
  it('leaves only the events that a failure needs', async () => {
    const schedule = generateSchedule(3)
    const needed = [schedule.events[2]!, schedule.events.at(-1)!]
    const fails = (each: Schedule): Promise<boolean> =>
      Promise.resolve(needed.every((event) => each.events.includes(event)))
    expect((await shrink(schedule, fails)).events).toEqual(needed)
  })
})

function recordingLog(lines: string[], fields: object = {}): Log {
  const write =
    (level: string) =>
    (message: string, more: object = {}): void =>
      void lines.push(JSON.stringify({ level, message, ...fields, ...more }))
  return {
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    topics: silentLog.topics,
    tell() {},
    child: (more) => recordingLog(lines, { ...fields, ...more }),
  }
}
