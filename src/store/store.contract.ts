import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Store, StoreUnavailable, type WatchEvent } from './store.ts'

/** A store to test, and what only its maker can do with it. */
export interface StoreUnderTest<Tested extends Store = Store> {
  readonly store: Tested
  /** Forgets history before `revision`. */
  compact(revision: number): Promise<void> | void
  dispose(): Promise<void> | void
}

interface Seen {
  readonly events: { readonly revision: number; readonly events: readonly WatchEvent[] }[]
  readonly ends: string[]
}

/** What every store must do. Keys get a prefix of their own, so that runs on one etcd do not meet. */
export function storeContract(name: string, make: () => Promise<StoreUnderTest>): void {
  describe(`${name} is a store`, () => {
    let under: StoreUnderTest
    let store: Store
    let base: string
    let round = 0

    beforeEach(async () => {
      under = await make()
      store = under.store
      base = `/contract/${process.pid}/${round++}/`
    })
    afterEach(() => under.dispose())

    const put = (key: string, value: string) =>
      store.transact({ compare: [], success: [{ put: base + key, value }] })
    const remove = (key: string) =>
      store.transact({ compare: [], success: [{ delete: base + key }] })
    const watch = (fromRevision: number, prefix = base): Seen & { close(): void } => {
      const seen: Seen = { events: [], ends: [] }
      const { close } = store.watch(prefix, fromRevision, {
        onEvents: (events, revision) => void seen.events.push({ revision, events }),
        onEnd: (reason) => void seen.ends.push(reason),
      })
      return { ...seen, close }
    }

    it('gives undefined for a key that is not there, and a revision', async () => {
      const { row, revision } = await store.get(`${base}none`)
      expect(row).toBeUndefined()
      expect(revision).toBeGreaterThan(0)
    })

    it('stamps a row with the revisions of its creation and of its last change', async () => {
      const first = await put('a', 'one')
      const second = await put('a', 'two')
      expect(second.revision).toBe(first.revision + 1)
      expect(await store.get(`${base}a`)).toEqual({
        row: {
          key: `${base}a`,
          value: 'two',
          createRevision: first.revision,
          modRevision: second.revision,
          version: 2,
        },
        revision: second.revision,
      })
    })

    it('keeps text of any script and length', async () => {
      const value = `ü≠🐈"\\\n${'x'.repeat(100_000)}`
      await put('ключ', value)
      expect((await store.get(`${base}ключ`)).row?.value).toBe(value)
    })

    it('lists exactly the keys with a prefix, in order', async () => {
      for (const key of ['b/2', 'a', 'b/10', 'c', 'b', 'b0']) await put(key, key)
      const { rows } = await store.list(`${base}b/`)
      expect(rows.map((row) => row.value)).toEqual(['b/10', 'b/2'])
      expect((await store.list(`${base}nothing`)).rows).toEqual([])
    })

    it('creates a key only if it does not exist, and else reads it', async () => {
      const key = `${base}k`
      const create = (value: string) =>
        store.transact({
          compare: [{ key, exists: false }],
          success: [{ put: key, value }],
          failure: [key, `${base}none`],
        })
      expect((await create('first')).succeeded).toBe(true)
      const again = await create('second')
      expect(again.succeeded).toBe(false)
      expect(again.rows.map((row) => row?.value)).toEqual(['first', undefined])
    })

    it('takes modification revision 0 as "does not exist"', async () => {
      const key = `${base}k`
      const write = () =>
        store.transact({ compare: [{ key, modRevision: 0 }], success: [{ put: key, value: '' }] })
      expect((await write()).succeeded).toBe(true)
      expect((await write()).succeeded).toBe(false)
    })

    it('changes a key only at the revision that the writer knows', async () => {
      const { revision } = await put('a', 'one')
      const change = (modRevision: number) =>
        store.transact({
          compare: [{ key: `${base}a`, modRevision }],
          success: [{ put: `${base}a`, value: 'two' }],
        })
      expect((await change(revision - 1)).succeeded).toBe(false)
      expect((await change(revision)).succeeded).toBe(true)
      expect((await change(revision)).succeeded).toBe(false)
    })

    it('does all of a transaction or nothing, at one revision', async () => {
      await put('old', 'x')
      const failed = await store.transact({
        compare: [
          { key: `${base}old`, exists: true },
          { key: `${base}none`, exists: true },
        ],
        success: [{ put: `${base}a`, value: '1' }, { delete: `${base}old` }],
      })
      expect(failed.succeeded).toBe(false)
      expect((await store.list(base)).rows).toHaveLength(1)
      const done = await store.transact({
        compare: [],
        success: [
          { put: `${base}a`, value: '1' },
          { put: `${base}b`, value: '2' },
          { delete: `${base}old` },
        ],
      })
      const { rows, revision } = await store.list(base)
      expect(revision).toBe(done.revision)
      expect(rows.map((row) => row.modRevision)).toEqual([done.revision, done.revision])
    })

    it('makes no revision where nothing changes', async () => {
      const { revision } = await put('a', '')
      expect((await remove('none')).revision).toBe(revision)
    })

    it('begins a key anew after its deletion', async () => {
      await put('a', '1')
      await remove('a')
      const { revision } = await put('a', '2')
      expect((await store.get(`${base}a`)).row).toMatchObject({
        createRevision: revision,
        version: 1,
      })
    })

    it('tells a watcher everything from a past revision on, in order, once', async () => {
      const { revision } = await put('a', '1')
      await put('b', '2')
      const seen = watch(revision)
      await remove('a')
      await put('b', '3')
      await expect.poll(() => seen.events.length).toBe(4)
      expect(seen.events.map((batch) => batch.revision - revision)).toEqual([0, 1, 2, 3])
      expect(seen.events.map((batch) => batch.events.map(told(base)))).toEqual([
        ['a=1 version 1'],
        ['b=2 version 1'],
        ['a deleted'],
        ['b=3 version 2'],
      ])
      seen.close()
    })

    it('tells a watcher all events of one transaction together', async () => {
      const { revision } = await put('a', '1')
      const seen = watch(revision + 1)
      await store.transact({
        compare: [],
        success: [
          { put: `${base}b`, value: '' },
          { put: `${base}c`, value: '' },
          { delete: `${base}a` },
        ],
      })
      await expect.poll(() => seen.events.length).toBe(1)
      expect(seen.events[0]!.events).toHaveLength(3)
      seen.close()
    })

    it('tells a watcher nothing of other keys and nothing once closed', async () => {
      const { revision } = await put('x', '1')
      const seen = watch(revision, `${base}in/`)
      const all = watch(revision)
      await put('inside', '')
      await put('in/a', '')
      await expect.poll(() => all.events.length).toBe(3)
      await expect.poll(() => seen.events.length).toBe(1)
      seen.close()
      await put('in/b', '')
      await expect.poll(() => all.events.length).toBe(4)
      expect(seen.events).toHaveLength(1)
      expect(seen.ends).toEqual([])
      all.close()
    })

    it('lets a list and a watch from the revision after it miss nothing', async () => {
      for (let at = 0; at < 20; at++) await put(`k${at}`, '')
      const writing = Promise.all(Array.from({ length: 20 }, (_, at) => put(`l${at}`, '')))
      const { rows, revision } = await store.list(base)
      const seen = watch(revision + 1)
      await writing
      await expect.poll(() => rows.length + seen.events.length).toBe(40)
      seen.close()
    })

    it('ends a watch from a revision that was compacted away', async () => {
      const { revision } = await put('a', '1')
      await put('a', '2')
      const last = await put('a', '3')
      await under.compact(last.revision)
      const late = watch(revision)
      await expect.poll(() => late.ends).toEqual(['compacted'])
      const current = watch(last.revision + 1)
      await put('a', '4')
      await expect.poll(() => current.events.length).toBe(1)
      current.close()
    })

    it('lets one of many writers of one revision win', async () => {
      const { revision } = await put('a', '')
      const results = await Promise.all(
        Array.from({ length: 10 }, (_, at) =>
          store.transact({
            compare: [{ key: `${base}a`, modRevision: revision }],
            success: [{ put: `${base}a`, value: String(at) }],
          }),
        ),
      )
      expect(results.filter((result) => result.succeeded)).toHaveLength(1)
    })

    it('refuses a transaction that names a key twice', async () => {
      const key = `${base}a`
      const twice = [
        { put: key, value: '1' },
        { put: key, value: '2' },
      ]
      await expect(store.transact({ compare: [], success: twice })).rejects.toThrow()
      expect((await store.get(key)).row).toBeUndefined()
    })

    it('ends watches and refuses calls once closed', async () => {
      const seen = watch(0)
      store.close()
      store.close()
      await expect(store.get(`${base}a`)).rejects.toBeInstanceOf(StoreUnavailable)
      await expect.poll(() => seen.ends).toEqual(['closed'])
    })
  })
}

function told(base: string): (event: WatchEvent) => string {
  return (event) =>
    event.kind === 'put'
      ? `${event.row.key.slice(base.length)}=${event.row.value} version ${event.row.version}`
      : `${event.key.slice(base.length)} deleted`
}
