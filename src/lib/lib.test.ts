import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ByteReader, ByteWriter, fromHex, hex, ShortInput } from './bytes.ts'
import { every, VirtualClock } from './clock.ts'
import { DeltaTracker } from './delta-tracker.ts'
import { Heap } from './heap.ts'
import { SeededRandom, uuid } from './random.ts'

describe('octets', () => {
  it('reads back what it wrote, in both byte orders', () => {
    fc.assert(
      fc.property(
        fc.nat(0xff),
        fc.nat(0xffff),
        fc.nat(0xffffffff),
        fc.bigInt(0n, 2n ** 64n - 1n),
        (a, b, c, d) => {
          const writer = new ByteWriter(1)
          writer.u8(a)
          writer.u16(b)
          writer.u32(c)
          writer.u64(d)
          writer.u16le(b)
          writer.u32le(c)
          writer.u64le(d)
          const reader = new ByteReader(writer.take())
          expect([reader.u8(), reader.u16(), reader.u32(), reader.u64()]).toEqual([a, b, c, d])
          expect([reader.u16le(), reader.u32le(), reader.u64le()]).toEqual([b, c, d])
          expect(reader.remaining).toBe(0)
        },
      ),
    )
  })

  it('does not let a fenced reader see what follows', () => {
    const reader = new ByteReader(fromHex('01 02 03'))
    const fenced = reader.fence(2)
    fenced.u16()
    expect(() => fenced.u8()).toThrow(ShortInput)
    expect(reader.u8()).toBe(3)
    expect(() => reader.fence(1)).toThrow('Expected 1 more octets, found 0')
  })

  it('fills in lengths of what was nested', () => {
    const writer = new ByteWriter(1)
    writer.counted16(() => {
      writer.u8(7)
      writer.counted8(() => writer.bytes(fromHex('aabb')))
    })
    expect(hex(writer.view())).toBe('00040702aabb')
  })
})

describe('the virtual clock', () => {
  it('tells wall time in whole milliseconds, as a real one does', async () => {
    const clock = new VirtualClock(1000)
    await clock.advance(0.6)
    clock.jump(-0.3)
    expect(clock.wallTime()).toBe(1000)
  })

  it('fires in order of time, then of setting, and never a cancelled timer', async () => {
    const clock = new VirtualClock()
    const fired: string[] = []
    clock.after(20, () => fired.push('late'))
    clock.after(10, () => fired.push('first'))
    clock.after(10, () => fired.push('second'))
    clock.after(15, () => fired.push('never')).cancel()
    await clock.advance(10)
    expect(fired).toEqual(['first', 'second'])
    expect(clock.now()).toBe(10)
    await clock.advance(100)
    expect(fired).toEqual(['first', 'second', 'late'])
    expect(clock.now()).toBe(110)
  })

  it('lets promises run between two timers', async () => {
    const clock = new VirtualClock()
    const seen: number[] = []
    clock.after(
      1,
      () => void Promise.resolve().then(() => clock.after(1, () => seen.push(clock.now()))),
    )
    clock.after(3, () => seen.push(clock.now()))
    await clock.advance(5)
    expect(seen).toEqual([2, 3])
  })

  it('repeats until cancelled, also from within', async () => {
    const clock = new VirtualClock()
    let count = 0
    const timer = every(clock, 10, () => {
      if (++count === 3) timer.cancel()
    })
    await clock.advance(100)
    expect(count).toBe(3)
  })
})

describe('the heap', () => {
  it('gives elements in order', () => {
    fc.assert(
      fc.property(fc.array(fc.integer()), (list) => {
        const heap = new Heap<number>((a, b) => a - b)
        for (const value of list) heap.push(value)
        const out = list.map(() => heap.pop())
        expect(out).toEqual([...list].sort((a, b) => a - b))
        expect(heap.pop()).toBeUndefined()
      }),
    )
  })
})

describe('the delta tracker', () => {
  it('always says what a comparison of the two views from scratch says', () => {
    const operation = fc.record({
      view: fc.constantFrom('desired', 'observed'),
      key: fc.constantFrom('a', 'b', 'c'),
      value: fc.option(fc.nat(2), { nil: undefined }),
    })
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 30 }), (operations) => {
        const tracker = new DeltaTracker<number>((a, b) => a === b)
        const views = { desired: new Map<string, number>(), observed: new Map<string, number>() }
        for (const { view, key, value } of operations) {
          if (view === 'desired') tracker.setDesired(key, value)
          else tracker.setObserved(key, value)
          if (value === undefined) views[view as 'desired'].delete(key)
          else views[view as 'desired'].set(key, value)
        }
        const { desired, observed } = views
        const updates = [...desired].filter(([key, value]) => observed.get(key) !== value)
        const deletions = [...observed].filter(([key]) => !desired.has(key))
        expect(new Map(tracker.pendingUpdates)).toEqual(new Map(updates))
        expect(new Map(tracker.pendingDeletions)).toEqual(new Map(deletions))
        expect(tracker.inSync).toBe(updates.length + deletions.length === 0)
      }),
    )
  })
})

describe('seeded randomness', () => {
  it('repeats for one seed and differs for another', () => {
    const draw = (seed: number) => uuid(new SeededRandom(seed))
    expect(draw(1)).toBe(draw(1))
    expect(draw(1)).not.toBe(draw(2))
    expect(draw(1)).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  })
})
