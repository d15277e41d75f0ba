import { performance } from 'node:perf_hooks'
import type { Clock } from '../../lib/clock.ts'

/** The machine's time. Timers keep the process alive until they fire or are cancelled. */
export const systemClock: Clock = {
  now: () => performance.now(),
  wallTime: () => Date.now(),
  after(milliseconds, fire) {
    const timer = setTimeout(fire, milliseconds)
    return { cancel: () => clearTimeout(timer) }
  },
}
