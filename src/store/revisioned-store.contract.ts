import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ALL_KEYS, type KeyRange } from './key-range.ts'
import { type RevisionedStore, RevisionUnavailable } from './revisioned-store.ts'
import { storeContract, type StoreUnderTest } from './store.contract.ts'

/** What every store must do that is served to others; each call of `make` gives an empty one. */
export function revisionedStoreContract(
  name: string,
  make: () => Promise<StoreUnderTest<RevisionedStore>>,
): void {
  storeContract(name, make)

  describe(`${name} is a store of revisions`, () => {
    let under: StoreUnderTest<RevisionedStore>
    let store: RevisionedStore
    beforeEach(async () => {
      under = await make()
      store = under.store
    })
    afterEach(() => under.dispose())

    const put = async (key: string, value: string): Promise<number> =>
      (await store.write((transaction) => transaction.put(key, value))).revision
    const remove = async (key: string): Promise<number> =>
      (await store.write((transaction) => transaction.delete(key))).revision
    const read = (range: KeyRange, revision?: number): string[] =>
      [...store.rows(range, revision)].map(({ key, value }) => `${key}=${value}`)
    const unavailable = (read: () => unknown): string | undefined => {
      try {
        read()
      } catch (thrown) {
        expect(thrown).toBeInstanceOf(RevisionUnavailable)
        return (thrown as RevisionUnavailable).reason
      }
      return undefined
    }

    it('begins at revision 1 and counts writes', async () => {
      expect(store.revision).toBe(1)
      expect(await put('a', '1')).toBe(2)
      expect(await put('b', '1')).toBe(3)
      expect(await remove('none')).toBe(3)
      expect(store.revision).toBe(3)
    })

    it('reads a key, a prefix, all between two keys and all from one on, in order', async () => {
      for (const key of ['b/2', 'a', 'b/10', 'c', 'b', 'b0']) await put(key, '')
      const keys = (range: KeyRange): string[] => [...store.rows(range)].map(({ key }) => key)
      expect(keys({ kind: 'key', key: 'b' })).toEqual(['b'])
      expect(keys({ kind: 'key', key: 'none' })).toEqual([])
      expect(keys({ kind: 'prefix', prefix: 'b/' })).toEqual(['b/10', 'b/2'])
      expect(keys({ kind: 'between', from: 'b', to: 'b0' })).toEqual(['b', 'b/10', 'b/2'])
      expect(keys({ kind: 'between', from: 'b/2', to: undefined })).toEqual(['b/2', 'b0', 'c'])
      expect(keys(ALL_KEYS)).toEqual(['a', 'b', 'b/10', 'b/2', 'b0', 'c'])
    })

    it('reads every revision of the past as it was', async () => {
      const first = await put('a', '1')
      const second = await put('a', '2')
      const third = await put('b', '1')
      const fourth = await remove('a')
      const fifth = await put('a', '3')
      expect(read(ALL_KEYS, first)).toEqual(['a=1'])
      expect(read(ALL_KEYS, second)).toEqual(['a=2'])
      expect(read(ALL_KEYS, third)).toEqual(['a=2', 'b=1'])
      expect(read(ALL_KEYS, fourth)).toEqual(['b=1'])
      expect(read(ALL_KEYS, fifth)).toEqual(['a=3', 'b=1'])
      expect(read({ kind: 'key', key: 'a' }, second)).toEqual(['a=2'])
      expect(read({ kind: 'prefix', prefix: 'b' }, second)).toEqual([])
      const [row] = store.rows({ kind: 'key', key: 'a' }, second)
      expect(row).toMatchObject({ createRevision: first, modRevision: second, version: 2 })
      const [again] = store.rows({ kind: 'key', key: 'a' })
      expect(again).toMatchObject({ createRevision: fifth, modRevision: fifth, version: 1 })
    })

    it('refuses a revision that is still to come', async () => {
      const revision = await put('a', '1')
      expect(unavailable(() => [...store.rows(ALL_KEYS, revision + 1)])).toBe('future')
      await expect(store.compact(revision + 1)).rejects.toMatchObject({ reason: 'future' })
    })

    it('forgets what is older than a compaction, and nothing else', async () => {
      const first = await put('a', '1')
      const second = await put('a', '2')
      await put('a', '3')
      await store.compact(second)
      expect(store.compactedRevision).toBe(second)
      expect(unavailable(() => [...store.rows(ALL_KEYS, first)])).toBe('compacted')
      expect(read(ALL_KEYS, second)).toEqual(['a=2'])
      expect(read(ALL_KEYS)).toEqual(['a=3'])
      await expect(store.compact(second)).rejects.toMatchObject({ reason: 'compacted' })
      await expect(store.compact(first)).rejects.toMatchObject({ reason: 'compacted' })
    })

    it('lets a transaction read what it wrote, and makes one revision of it', async () => {
      const before = await put('b', '1')
      const { result, revision } = await store.write((transaction) => {
        transaction.put('a', '1')
        transaction.delete('b')
        transaction.put('c', '1')
        const rows = [...transaction.rows(ALL_KEYS)].map(({ key }) => key)
        return { rows, row: transaction.row('a'), gone: transaction.row('b') }
      })
      expect(revision).toBe(before + 1)
      expect(result).toMatchObject({
        rows: ['a', 'c'],
        row: { value: '1', createRevision: revision, modRevision: revision, version: 1 },
        gone: undefined,
      })
      expect(read(ALL_KEYS, before)).toEqual(['b=1'])
    })

    it('takes everything back when a transaction fails, and tells nobody', async () => {
      const { revision } = await store.write((transaction) => {
        transaction.put('a', '1')
        transaction.put('b', '1')
      })
      const told: number[] = []
      store.watch('', revision + 1, { onEvents: (_, at) => told.push(at), onEnd() {} })
      const failing = store.write((transaction) => {
        transaction.put('a', '2')
        transaction.put('c', '2')
        transaction.delete('b')
        throw new Error('no')
      })
      await expect(failing).rejects.toThrow('no')
      expect(store.revision).toBe(revision)
      expect(read(ALL_KEYS)).toEqual(['a=1', 'b=1'])
      const next = await put('d', '1')
      expect(next).toBe(revision + 1)
      await expect.poll(() => told).toEqual([next])
    })

    it('refuses to write a key twice in one transaction, in whatever way', async () => {
      await put('a', '1')
      for (const first of ['put', 'delete'] as const) {
        for (const second of ['put', 'delete'] as const) {
          const twice = store.write((transaction) => {
            for (const what of [first, second]) {
              if (what === 'put') transaction.put('a', '2')
              else transaction.delete('a')
            }
          })
          await expect(twice).rejects.toBeInstanceOf(RangeError)
        }
      }
      expect(read(ALL_KEYS)).toEqual(['a=1'])
    })

    it('runs one transaction after the other', async () => {
      await put('n', '0')
      const increment = (): Promise<unknown> =>
        store.write(({ row, put }) => {
          put('n', String(Number(row('n')!.value) + 1))
        })
      await Promise.all(Array.from({ length: 20 }, increment))
      expect(read(ALL_KEYS)).toEqual(['n=20'])
    })
  })
}
