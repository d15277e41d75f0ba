import fc from 'fast-check'
import { expect, it } from 'vitest'
import { shareEqual } from './share-equal.ts'

it('keeps what there was where nothing differs, whatever it is made of', () => {
  const make = () => ({ list: [1, { a: 'x' }], map: new Map([['k', [true]]]), none: undefined })
  const before = make()
  expect(shareEqual(before, make())).toBe(before)
})

it('keeps the parts that are equal, and has what is new beside them', () => {
  const before = {
    sets: [
      { name: 'nodes', members: ['a'] },
      { name: 'pools', members: ['b'] },
    ],
  }
  const next = {
    sets: [
      { name: 'nodes', members: ['a'] },
      { name: 'pools', members: [] },
    ],
  }
  const shared = shareEqual(before, next)
  expect(shared).toEqual(next)
  expect(shared.sets[0]).toBe(before.sets[0])
  expect(shared.sets[1]).not.toBe(before.sets[1])
})

it('tells an absent key from an undefined one', () => {
  const next = { a: 1, b: undefined }
  expect(shareEqual({ a: 1, c: 2 }, next)).toEqual(next)
  expect(Object.keys(shareEqual({ a: 1, c: undefined }, next))).toEqual(['a', 'b'])
  expect([...shareEqual(new Map([['a', undefined]]), new Map([['b', undefined]])).keys()]).toEqual([
    'b',
  ])
})

it('looks into no instance of a class', () => {
  class Secret {
    readonly #text: string
    constructor(text: string) {
      this.#text = text
    }
    reveal(): string {
      return this.#text
    }
  }
  const next = { key: new Secret('new') }
  expect(shareEqual({ key: new Secret('old') }, next).key.reveal()).toBe('new')
})

it('keeps a key that objects have by themselves', () => {
  const next = JSON.parse('{ "__proto__": { "a": 1 }, "constructor": [2], "b": 3 }') as object
  expect(shareEqual(JSON.parse('{ "b": [] }'), next)).toEqual(next)
  expect(Object.keys(shareEqual({ b: 3, constructor: [2] }, next))).toEqual(Object.keys(next))
})

it('gives what it was given, for any two values', () => {
  fc.assert(
    fc.property(fc.object(), fc.object(), (before, next) => {
      expect(shareEqual(before, next)).toEqual(next)
      expect(shareEqual(before, structuredClone(before))).toBe(before)
    }),
    { numRuns: 300 },
  )
})
