import fc from 'fast-check'
import { expect, it } from 'vitest'
import { SortedKeys } from './sorted-keys.ts'

it('keeps the keys in order, however many come and go', () => {
  const key = fc.integer({ min: 0, max: 3000 }).map(String)
  fc.assert(
    fc.property(fc.array(key, { minLength: 1500, maxLength: 4000 }), key, (toggled, from) => {
      const keys = new SortedKeys()
      const wanted = new Set<string>()
      for (const each of toggled) {
        if (wanted.delete(each)) keys.delete(each)
        else {
          wanted.add(each)
          keys.add(each)
        }
      }
      expect(keys.size).toBe(wanted.size)
      expect([...keys.from('')]).toEqual([...wanted].toSorted())
      expect([...keys.from(from)]).toEqual([...wanted].filter((each) => each >= from).toSorted())
    }),
    { numRuns: 20 },
  )
})
