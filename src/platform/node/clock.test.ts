import { expect, it, vi } from 'vitest'
import { systemClock } from './clock.ts'

it('has no timer fire before its time has come by the same clock', async () => {
  const early: number[] = []
  const timers = Array.from({ length: 300 }, (_, n) => {
    const milliseconds = 1 + (n % 40) + n / 300
    return new Promise<void>((resolve) => {
      // Set at all points of a millisecond, in turns of the loop that began a while ago.
      for (const until = systemClock.now() + 0.13; systemClock.now() < until;);
      const due = systemClock.now() + milliseconds
      systemClock.after(milliseconds, () => {
        if (systemClock.now() < due) early.push(due - systemClock.now())
        resolve()
      })
    })
  })
  await Promise.all(timers)
  expect(early).toEqual([])
})

it('waits for longer than setTimeout can', () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  try {
    let fired = 0
    systemClock.after(2 ** 31 + 5, () => void fired++)
    vi.advanceTimersByTime(2 ** 31 - 1)
    expect(fired).toBe(0)
    vi.advanceTimersByTime(10)
    expect(fired).toBe(1)
  } finally {
    vi.useRealTimers()
  }
})

it('fires no timer that was cancelled while it was waiting on', () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  try {
    let fired = 0
    const timer = systemClock.after(2 ** 31 + 5, () => void fired++)
    vi.advanceTimersByTime(2 ** 31 - 1)
    timer.cancel()
    vi.advanceTimersByTime(100)
    expect(fired).toBe(0)
  } finally {
    vi.useRealTimers()
  }
})
