import { expect, it } from 'vitest'
import { VirtualClock } from './clock.ts'
import { ScopedClock } from './scoped-clock.ts'

it('closing a scoped clock cancels its timers and no others', async () => {
  const clock = new VirtualClock()
  const scoped = new ScopedClock(clock)
  const fired: string[] = []
  clock.after(10, () => fired.push('other'))
  scoped.after(1, () => fired.push('early'))
  scoped.after(10, () => fired.push('late'))
  scoped.after(2, () => fired.push('cancelled')).cancel()
  await clock.advance(5)
  expect(scoped.now()).toBe(5)
  scoped.close()
  scoped.after(1, () => fired.push('after the end'))
  await clock.advance(20)
  expect(fired).toEqual(['early', 'other'])
  expect(clock.next).toBeUndefined()
})
