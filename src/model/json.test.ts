import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseJson, stringifyJson } from './json.ts'

describe('JSON of stored values', () => {
  it('keeps integers beyond 2^53 as bigint and gives smaller ones as numbers', () => {
    expect(parseJson('{"s":1784000000123456789,"n":[1,2.5,-3]}')).toEqual({
      s: 1784000000123456789n,
      n: [1, 2.5, -3],
    })
  })

  it('writes what it read', () => {
    const text = '{"sequenceNumber":18446744073709551615,"map":{"10":1784000000123456789}}'
    expect(stringifyJson(parseJson(text))).toBe(text)
  })

  it('reads whatever JSON.parse reads, also beside a large number', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 3 }), (value) => {
        const both = parseJson(`[${JSON.stringify(value)},1784000000123456789]`) as unknown[]
        expect(stringifyJson(both[0])).toBe(stringifyJson(JSON.parse(JSON.stringify(value))))
      }),
    )
  })

  it('escapes as Go does', () => {
    expect(stringifyJson({ a: '<&>' })).toBe(String.raw`{"a":"\u003c\u0026\u003e"}`)
  })

  it('does not let a document reach the prototype of objects', () => {
    const parsed = parseJson('{"__proto__":{"polluted":1},"n":1784000000123456789}') as object
    expect(Object.getPrototypeOf(parsed)).toBe(Object.prototype)
    expect('polluted' in {}).toBe(false)
  })

  it('refuses what is not JSON and what is nested without measure', () => {
    expect(() => parseJson('{')).toThrow(SyntaxError)
    expect(() => parseJson(`${'['.repeat(200_000)}1784000000123456789`)).toThrow(SyntaxError)
  })
})
