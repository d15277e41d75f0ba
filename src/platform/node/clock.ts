import type { Clock } from '../../lib/clock.ts'

/** What setTimeout can wait at once; it takes more for 1 ms. */
const LONGEST_MILLISECONDS = 2 ** 31 - 1

/** The machine's time. Timers keep the process alive until they fire or are cancelled. */
export const systemClock: Clock = {
  now: () => performance.now(),
  wallTime: () => Date.now(),
  after(milliseconds, fire) {
    const due = performance.now() + milliseconds
    let timer = wait(milliseconds)
    // Node counts from the start of the loop's turn, in whole milliseconds, and so may come too early.
    function wake(): void {
      const left = due - performance.now()
      if (left > 0) timer = wait(left)
      else fire()
    }
    function wait(left: number): NodeJS.Timeout {
      return setTimeout(wake, Math.min(left, LONGEST_MILLISECONDS))
    }
    return { cancel: () => clearTimeout(timer) }
  },
}
