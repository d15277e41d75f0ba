import { describe, expect, it } from 'vitest'
import { VirtualClock } from '../lib/clock.ts'
import { FaultyStore } from './faulty-store.ts'
import { MemoryStore } from './memory-store.ts'
import { storeContract } from './store.contract.ts'
import { StoreUnavailable } from './store.ts'

storeContract('a faulty store without faults', () => {
  const inner = new MemoryStore()
  const store = new FaultyStore(inner, new VirtualClock())
  return Promise.resolve({
    store,
    compact: (revision) => inner.compact(revision),
    dispose: () => {
      store.close()
    },
  })
})

describe('a faulty store', () => {
  const make = () => {
    const shared = new MemoryStore()
    const clock = new VirtualClock()
    return { shared, clock, store: new FaultyStore(shared, clock) }
  }

  it('fails in an outage and afterwards tells watchers what they missed', async () => {
    const { shared, clock, store } = make()
    const seen: number[] = []
    store.watch('', 0, { onEvents: (_, revision) => seen.push(revision), onEnd() {} })
    store.beginOutage()
    shared.commit([{ put: 'a', value: '' }])
    await clock.advance(0)
    await expect(store.get('a')).rejects.toBeInstanceOf(StoreUnavailable)
    expect(seen).toEqual([])
    store.endOutage()
    expect(seen).toEqual([2])
    await expect(store.get('a')).resolves.toMatchObject({ row: { value: '' } })
  })

  it('can lose the answer of a write that happened', async () => {
    const { shared, store } = make()
    store.faults.after = () => {
      throw new StoreUnavailable('lost')
    }
    const write = store.transact({ compare: [], success: [{ put: 'a', value: '1' }] })
    await expect(write).rejects.toThrow('lost')
    expect(shared.row('a')?.value).toBe('1')
  })

  it('delays both ways by the clock', async () => {
    const { clock, store } = make()
    store.faults.delayMilliseconds = 10
    let done = false
    void store.get('a').then(() => (done = true))
    await clock.advance(19)
    expect(done).toBe(false)
    await clock.advance(1)
    expect(done).toBe(true)
  })
})
