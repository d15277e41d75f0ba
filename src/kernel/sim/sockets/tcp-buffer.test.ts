import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Joiner, SendBuffer, sequenceDifference } from './tcp-buffer.ts'

describe('the send buffer', () => {
  it('reads what was pushed, anywhere, while the oldest goes', () => {
    const action = fc.oneof(
      fc.record({ do: fc.constant('push' as const), count: fc.integer({ min: 0, max: 9 }) }),
      fc.record({
        do: fc.constant('drop' as const),
        share: fc.double({ min: 0, max: 1, noNaN: true }),
      }),
      fc.record({
        do: fc.constant('read' as const),
        from: fc.double({ min: 0, max: 1, noNaN: true }),
        share: fc.double({ min: 0, max: 1, noNaN: true }),
      }),
    )
    fc.assert(
      fc.property(fc.array(action, { maxLength: 300 }), (actions) => {
        const buffer = new SendBuffer()
        let model: number[] = []
        let next = 0
        for (const each of actions) {
          if (each.do === 'push') {
            const octets = Array.from({ length: each.count }, () => next++ & 0xff)
            buffer.push(Uint8Array.from(octets))
            model.push(...octets)
          } else if (each.do === 'drop') {
            const count = Math.floor(each.share * model.length)
            buffer.drop(count)
            model = model.slice(count)
          } else {
            const from = Math.floor(each.from * model.length)
            const count = Math.floor(each.share * (model.length - from))
            expect([...buffer.read(from, count)]).toEqual(model.slice(from, from + count))
          }
          expect(buffer.length).toBe(model.length)
        }
      }),
    )
  })
})

describe('what came in pieces', () => {
  it('is put together, and one piece is handed on as it is', () => {
    const joiner = new Joiner()
    expect([...joiner.join([Uint8Array.of(1, 2), Uint8Array.of(3)])]).toEqual([1, 2, 3])
    expect([...joiner.join([Uint8Array.of(4), Uint8Array.of(5)])]).toEqual([4, 5])
    const piece = Uint8Array.of(6)
    expect(joiner.join([piece])).toBe(piece)
  })
})

describe('sequence numbers', () => {
  it('compare across the end of their space', () => {
    expect(sequenceDifference(5, 0xfffffffe)).toBe(7)
    expect(sequenceDifference(0xfffffffe, 5)).toBe(-7)
  })
})
