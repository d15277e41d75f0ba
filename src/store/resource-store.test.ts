import { describe, expect, it } from 'vitest'
import {
  listAll,
  type ResourcePage,
  type ResourceStore,
  ResourceVersionExpired,
} from './resource-store.ts'

/** Pages of one resource each, of a listing that may grow too old at a page. */
function paged(keys: readonly string[], expireAt: readonly number[]): Pick<ResourceStore, 'list'> {
  const expired = [...expireAt]
  return {
    list(_, options = {}) {
      const at = Number(options.continue ?? 0)
      if (expired[0] === at) {
        expired.shift()
        return Promise.reject(new ResourceVersionExpired('410 Gone'))
      }
      const item = {
        key: keys[at]!,
        resourceVersion: '1',
        createdAt: '1',
        age: 1,
        saved: undefined as never,
        decoded: { problem: undefined as never },
      }
      const next = at + 1 < keys.length ? String(at + 1) : undefined
      const page: ResourcePage = { items: [item], resourceVersion: 'v', continue: next }
      return Promise.resolve(page as never)
    },
  }
}

const keysOf = async (store: Pick<ResourceStore, 'list'>): Promise<string[]> =>
  (await listAll(store, 'IPPool')).items.map(({ key }) => key)

describe('a listing in pages', () => {
  it('is put together in order', async () => {
    expect(await keysOf(paged(['a', 'b', 'c'], []))).toEqual(['a', 'b', 'c'])
  })

  it('begins anew when it grows too old, and says so when it does so always', async () => {
    expect(await keysOf(paged(['a', 'b', 'c'], [2, 1]))).toEqual(['a', 'b', 'c'])
    const never = keysOf(paged(['a', 'b'], [1, 1, 1, 1, 1]))
    await expect(never).rejects.toBeInstanceOf(ResourceVersionExpired)
  })
})
