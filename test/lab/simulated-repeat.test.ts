import { expect, it } from 'vitest'
import { historyOf } from '../../bench/sim/history.ts'

it('one seed gives one history of a cluster, byte for byte, and another seed another', async () => {
  const first = await historyOf(3, 7)
  expect(first.packets).toBeGreaterThan(0)
  expect(await historyOf(3, 7)).toEqual(first)
  expect((await historyOf(3, 8)).hash).not.toBe(first.hash)
})
