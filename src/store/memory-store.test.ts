import { describe, expect, it } from 'vitest'
import { MemoryStore } from './memory-store.ts'
import { revisionedStoreContract } from './revisioned-store.contract.ts'

revisionedStoreContract('the store in memory', () => {
  const store = new MemoryStore()
  return Promise.resolve({
    store,
    compact: (revision) => store.compact(revision),
    dispose: () => {
      store.close()
    },
  })
})

describe('the store in memory', () => {
  it('ends a watcher that is slower than its history is long', async () => {
    const waiting: (() => void)[] = []
    const store = new MemoryStore({ historyLimit: 4, schedule: (run) => waiting.push(run) })
    const ends: string[] = []
    store.watch('', 1, { onEvents() {}, onEnd: (reason) => ends.push(reason) })
    for (let at = 0; at < 6; at++) store.commit([{ put: 'a', value: String(at) }])
    for (const run of waiting) run()
    expect(ends).toEqual(['compacted'])
    await expect(store.get('a')).resolves.toMatchObject({ row: { value: '5' } })
  })

  it('delivers only when the schedule says so', () => {
    const waiting: (() => void)[] = []
    const store = new MemoryStore({ schedule: (run) => waiting.push(run) })
    const revisions: number[] = []
    store.watch('a', 0, { onEvents: (_, revision) => revisions.push(revision), onEnd() {} })
    store.commit([{ put: 'a', value: '' }])
    store.commit([{ put: 'b', value: '' }])
    expect(revisions).toEqual([])
    for (const run of waiting) run()
    expect(revisions).toEqual([2])
  })
})
