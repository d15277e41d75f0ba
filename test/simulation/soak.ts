import { runSchedule } from './run-schedule.ts'
import { generateSchedule, type Schedule } from './schedule.ts'
import { ProcessKilled } from './simulated-process.ts'
import { shrink } from './shrink.ts'

/** After so many failures there is enough to mend. */
const MOST_FAILURES = 5

/** Runs schedules from `seed` on; each that fails is shrunk and printed whole. Answers how many failed. */
export async function soakCluster(seed: number, count: number): Promise<number> {
  process.on('unhandledRejection', (thrown) => {
    // What a killed process was still about ends nowhere, as the process did.
    if (!(thrown instanceof ProcessKilled)) throw thrown
  })
  let failed = 0
  const began = Date.now()
  for (let at = 0; at < count && failed < MOST_FAILURES; at++) {
    const schedule = generateSchedule(seed + at)
    const breaches = await runSchedule(schedule)
    if (breaches.length > 0) {
      failed++
      console.log(`seed ${seed + at} fails:\n  ${breaches.slice(0, 8).join('\n  ')}`)
      const fails = async (each: Schedule): Promise<boolean> => (await runSchedule(each)).length > 0
      const small = await shrink(schedule, fails)
      console.log(`shrunk to ${JSON.stringify(small, undefined, 1)}`)
      console.log(`which fails with:\n  ${(await runSchedule(small)).slice(0, 8).join('\n  ')}`)
    }
    if ((at + 1) % 50 === 0 || at + 1 === count) {
      const seconds = (Date.now() - began) / 1000
      console.log(`${at + 1} schedules, ${failed} failed, ${seconds.toFixed(1)} s`)
    }
  }
  return failed
}
