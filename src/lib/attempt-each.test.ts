import { expect, it } from 'vitest'
import { attemptEach } from './attempt-each.ts'

/** Acts on 1 to `count`, of which some fail; answers who had a turn, and what was thrown. */
function attempt(count: number, fails: (item: number) => boolean) {
  const done: number[] = []
  const errors = new Map<number, Error>()
  let thrown: unknown
  try {
    attemptEach(
      Array.from({ length: count }, (_, at) => at + 1),
      (item) => {
        done.push(item)
        if (!fails(item)) return
        errors.set(item, new Error(`no ${item}`))
        throw errors.get(item)
      },
    )
  } catch (error) {
    thrown = error
  }
  return { done, errors, thrown }
}

it('lets each have its turn, whichever fails', () => {
  const { done, errors, thrown } = attempt(3, (item) => item === 1)
  expect(done).toEqual([1, 2, 3])
  expect(thrown).toBe(errors.get(1))
  expect(attempt(3, () => false).thrown).toBe(undefined)
})

it('names what failed, and counts what is too much to name', () => {
  const two = attempt(2, () => true)
  expect(two.thrown).toMatchObject({ message: 'no 1; no 2', errors: [...two.errors.values()] })
  const nine = attempt(9, () => true)
  expect(nine.thrown).toMatchObject({ message: 'no 1; no 2; no 3; no 4; no 5; 4 more' })
})
