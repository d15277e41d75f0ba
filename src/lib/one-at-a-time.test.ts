import { expect, it } from 'vitest'
import { settled } from './clock.ts'
import { OneAtATime } from './one-at-a-time.ts'

it('lets work of one key wait for what came before, which may fail, and other keys go on', async () => {
  const queue = new OneAtATime()
  const told: string[] = []
  const ends: (() => void)[] = []
  const run = (key: string, name: string, fails = false): Promise<string> =>
    queue.run(key, async () => {
      told.push(`${name} begins`)
      await new Promise<void>((resolve) => ends.push(resolve))
      if (fails) throw new Error(name)
      return name
    })
  const results = Promise.allSettled([
    run('k', 'one', true),
    run('k', 'two'),
    run('other', 'three'),
  ])
  await settled()
  expect(told).toEqual(['one begins', 'three begins'])
  for (let at = 0; at < 3; at++) {
    ends[at]!()
    await settled()
  }
  expect(told).toEqual(['one begins', 'three begins', 'two begins'])
  expect(await results).toEqual([
    { status: 'rejected', reason: new Error('one') },
    { status: 'fulfilled', value: 'two' },
    { status: 'fulfilled', value: 'three' },
  ])
})
