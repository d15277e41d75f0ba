import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { newResource } from '../model/parse-resource.ts'
import type { ResourceOf } from '../model/resource.ts'
import {
  OperationNotSupported,
  ResourceAlreadyExists,
  ResourceDoesNotExist,
  UpdateConflict,
} from './resource-errors.ts'
import {
  listAll,
  type ResourceEvent,
  type ResourceStore,
  type ResourceVersion,
  type StoredResource,
} from './resource-store.ts'

/** An empty store of resources to test, and what only its maker can do with it. */
export interface ResourceStoreUnderTest {
  readonly store: ResourceStore
  /** Makes every version so far too old for a watch to go on from. */
  expire(): Promise<void>
  /** Writes what cannot be read where the pool of that name stands. */
  spoil(pool: string): void
  dispose(): Promise<void> | void
}

/** What every store of resources must do. */
export function resourceStoreContract(
  name: string,
  make: () => Promise<ResourceStoreUnderTest>,
): void {
  describe(`${name} is a store of resources`, () => {
    let under: ResourceStoreUnderTest
    let store: ResourceStore
    beforeEach(async () => {
      under = await make()
      store = under.store
    })
    afterEach(() => under.dispose())

    const create = (name: string, third = 0): Promise<ResourceVersion> =>
      store.create(pool(name, third))
    const names = async (limit?: number): Promise<string[]> =>
      (await listAll(store, 'IPPool', { limit })).items.map((item) => of(item).metadata.name)
    const follow = (after: ResourceVersion) => {
      const seen = { events: [] as ResourceEvent<'IPPool'>[][], versions: [] as string[] }
      const ends: string[] = []
      const watch = store.watch(
        'IPPool',
        { after },
        {
          onEvents(events, version) {
            seen.events.push([...events])
            seen.versions.push(version)
          },
          onEnd: (reason) => void ends.push(reason),
        },
      )
      return { ...seen, ends, close: () => watch.close() }
    }

    it('gives nothing that is not there', async () => {
      expect(await store.get('IPPool', 'none')).toBeUndefined()
      expect(await names()).toEqual([])
    })

    it('gives what was created, with the version it then had', async () => {
      const version = await create('a')
      const stored = (await store.get('IPPool', 'a'))!
      expect(stored.resourceVersion).toBe(version)
      expect(of(stored)).toEqual({
        ...pool('a'),
        metadata: { ...pool('a').metadata, resourceVersion: version },
      })
    })

    it('gives a resource again from what was saved of it, and keys that tell its kind', async () => {
      await create('a')
      await create('b', 1)
      const { items } = await store.list('IPPool')
      const [a, b] = items
      expect(a!.age).toBeLessThan(b!.age)
      const saved = JSON.parse(JSON.stringify(a!.saved)) as StoredResource['saved']
      const again = store.restore('IPPool', saved)!
      expect([again.key, again.createdAt, again.resourceVersion]).toEqual([
        a!.key,
        a!.createdAt,
        a!.resourceVersion,
      ])
      expect(again.decoded).toEqual(a!.decoded)
      for (const { key } of items) expect(key.startsWith(store.place('IPPool'))).toBe(true)
      expect(a!.key.startsWith(store.place('BGPPeer'))).toBe(false)
    })

    it('creates once', async () => {
      await create('a')
      await expect(create('a')).rejects.toBeInstanceOf(ResourceAlreadyExists)
    })

    it('keeps resources of namespaces apart, and lists those of one', async () => {
      for (const namespace of ['x', 'y']) await store.create(endpoint(namespace))
      const found = await store.get('WorkloadEndpoint', ENDPOINT, { namespace: 'y' })
      expect(of(found!).metadata.namespace).toBe('y')
      const inX = await listAll(store, 'WorkloadEndpoint', { within: 'x' })
      expect(inX.items.map((item) => of(item).metadata.namespace)).toEqual(['x'])
      expect((await listAll(store, 'WorkloadEndpoint')).items).toHaveLength(2)
    })

    it('lists all, by however many at once', async () => {
      for (const [at, name] of ['c', 'a', 'd', 'b', 'e'].entries()) await create(name, at)
      for (const limit of [undefined, 1, 2, 5, 9]) {
        expect((await names(limit)).toSorted()).toEqual(['a', 'b', 'c', 'd', 'e'])
      }
    })

    it('replaces a resource at the version that the writer knows, and at no other', async () => {
      const first = await create('a')
      const second = await store.update(pool('a', 0, first, true))
      expect(second).not.toBe(first)
      expect(of((await store.get('IPPool', 'a'))!).spec.disabled).toBe(true)
      for (const version of [first, `${second}0`, '0', '-1', 'x', '1e3', '']) {
        await expect(store.update(pool('a', 0, version))).rejects.toBeInstanceOf(UpdateConflict)
      }
      for (const version of [second, 'x']) {
        const gone = store.update(pool('none', 0, version))
        await expect(gone).rejects.toBeInstanceOf(ResourceDoesNotExist)
      }
    })

    it('deletes a resource at the version that the writer knows, and at no other', async () => {
      const first = await create('a')
      const second = await store.update(pool('a', 0, first, true))
      const at = (resourceVersion: string) => store.delete('IPPool', 'a', { resourceVersion })
      for (const version of [first, 'x']) {
        await expect(at(version)).rejects.toBeInstanceOf(UpdateConflict)
      }
      await at(second)
      await expect(at(second)).rejects.toBeInstanceOf(ResourceDoesNotExist)
      expect(await create('a')).not.toBe(first)
    })

    it('lets one of many writers of one version win', async () => {
      const version = await create('a')
      const writers = Array.from({ length: 8 }, () => store.update(pool('a', 0, version, true)))
      const results = await Promise.allSettled(writers)
      expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    })

    it('refuses to write what others keep', async () => {
      const affinity = newResource({
        kind: 'BlockAffinity',
        metadata: { name: 'a' },
        spec: {
          state: 'confirmed',
          node: 'a',
          type: 'host',
          cidr: '10.0.0.0/26',
          deleted: 'false',
        },
      })
      await expect(store.create(affinity)).rejects.toBeInstanceOf(OperationNotSupported)
    })

    it('gives what cannot be read as a problem, which can be replaced and deleted', async () => {
      for (const mend of ['update', 'delete'] as const) {
        await create('a')
        under.spoil('a')
        const { resourceVersion, decoded } = (await store.get('IPPool', 'a'))!
        expect(decoded).toHaveProperty('problem.expected')
        expect((await listAll(store, 'IPPool')).items).toHaveLength(1)
        if (mend === 'update') await store.update(pool('a', 0, resourceVersion))
        const now = (await store.get('IPPool', 'a'))!
        await store.delete('IPPool', 'a', now)
      }
      expect(await names()).toEqual([])
    })

    it('tells a watch what came after a listing, once and in order', async () => {
      const version = await create('a')
      const { resourceVersion } = await listAll(store, 'IPPool')
      const seen = follow(resourceVersion)
      await store.update(pool('a', 0, version, true))
      await create('b', 1)
      await store.create(endpoint('x'))
      await store.delete('IPPool', 'b', (await store.get('IPPool', 'b'))!)
      await expect.poll(() => seen.events.length).toBe(3)
      expect(seen.events.flat().map(told)).toEqual(['a', 'b', 'deleted b'])
      seen.close()
    })

    it('resumes a watch from the version of an event', async () => {
      const { resourceVersion } = await listAll(store, 'IPPool')
      const first = follow(resourceVersion)
      await create('a')
      await create('b', 1)
      await expect.poll(() => first.events.length).toBe(2)
      first.close()
      await create('c', 2)
      const second = follow(first.versions[0]!)
      await expect.poll(() => second.events.length).toBe(2)
      expect(second.events.flat().map(told)).toEqual(['b', 'c'])
      second.close()
      expect(first.events).toHaveLength(2)
    })

    it('ends a watch from a version that is too old, so that the watcher lists again', async () => {
      const { resourceVersion } = await listAll(store, 'IPPool')
      await create('a')
      await create('b', 1)
      await under.expire()
      const late = follow(resourceVersion)
      await expect.poll(() => late.ends).toEqual(['expired'])
      expect(late.events).toEqual([])
      const fresh = await listAll(store, 'IPPool')
      const current = follow(fresh.resourceVersion)
      await create('c', 2)
      await expect.poll(() => current.events.flat().map(told)).toEqual(['c'])
      current.close()
    })
  })
}

function pool(
  name: string,
  third = 0,
  resourceVersion?: string,
  disabled = false,
): ResourceOf<'IPPool'> {
  return newResource({
    kind: 'IPPool',
    metadata: {
      name,
      uid: '5a0d1a3c-5b6e-4e0b-9d0e-0b6f8a6f0c11',
      creationTimestamp: '2019-01-16T06:46:19Z',
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
    },
    spec: { cidr: `10.0.${third}.0/24`, disabled },
  })
}

const ENDPOINT = 'n-k8s-p-eth0'

function endpoint(namespace: string): ResourceOf<'WorkloadEndpoint'> {
  return newResource({
    kind: 'WorkloadEndpoint',
    metadata: { name: ENDPOINT, namespace },
    spec: { orchestrator: 'k8s', node: 'n', pod: 'p', endpoint: 'eth0', interfaceName: 'cali0' },
  })
}

function of<K extends 'IPPool' | 'WorkloadEndpoint'>({
  decoded,
}: StoredResource<K>): ResourceOf<K> {
  if ('problem' in decoded) throw new Error(decoded.problem.expected)
  return decoded.resource
}

function told(event: ResourceEvent<'IPPool'>): string {
  if (event.type === 'delete') return `deleted ${event.key.split('/').at(-1)}`
  return of(event.stored).metadata.name
}
