import { beforeEach, describe, expect, it } from 'vitest'
import { VirtualClock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import { SeededRandom } from '../lib/random.ts'
import { MemoryTextFile } from '../lib/text-file.ts'
import { silentLog } from '../lib/log.ts'
import { Follower, type FollowProblem } from './follower.ts'
import { LastGoodRows } from './last-good-rows.ts'
import { MemoryStore } from './memory-store.ts'
import type { Kind } from '../model/resource.ts'
import type { ResourceStore, StoredResource } from './resource-store.ts'
import { RowResourceStore } from './row-resource-store.ts'

const KEY = '/calico/resources/v3/projectcalico.org/ippools/pool'
const pool = (cidr: unknown): string =>
  JSON.stringify({
    kind: 'IPPool',
    apiVersion: 'projectcalico.org/v3',
    metadata: { name: 'pool' },
    spec: { cidr },
  })

class World {
  readonly clock = new VirtualClock()
  readonly store = new MemoryStore()
  readonly file = new MemoryTextFile()
  readonly warnings: string[] = []

  async put(value: string, key = KEY): Promise<void> {
    await this.store.transact({ compare: [], success: [{ put: key, value }] })
    await this.clock.advance(10)
  }

  async remove(): Promise<void> {
    await this.store.transact({ compare: [], success: [{ delete: KEY }] })
    await this.clock.advance(10)
  }

  /** A process that follows pools: what it has now. */
  async follow(): Promise<Followed> {
    const followed = new Followed(this)
    await this.clock.advance(10)
    return followed
  }

  get log(): Log {
    const warn = (message: string, fields: object = {}): void =>
      void this.warnings.push(`${message} ${JSON.stringify(fields)}`)
    return { ...silentLog, warn }
  }
}

class Followed {
  readonly pools = new Map<string, string>()
  problems: readonly FollowProblem[] = []
  readonly #follower: Follower<'IPPool'>
  readonly #lastGood: LastGoodRows

  constructor({ clock, store, file, log }: World) {
    this.#lastGood = new LastGoodRows({ file, clock, log })
    const random = new SeededRandom(1)
    const ports = {
      clock,
      store: make(store),
      random,
      log,
      lastGood: this.#lastGood,
    }
    this.#follower = new Follower(ports, ['IPPool'], {
      onChanges: (changes) => {
        for (const { type, resource } of changes) {
          const { name } = resource.metadata
          if (type === 'put') this.pools.set(name, resource.spec.cidr)
          else this.pools.delete(name)
        }
      },
      onProblems: (problems) => (this.problems = problems),
    })
  }

  /** As a process that is killed, a while after the last change. */
  async end(clock: VirtualClock): Promise<void> {
    await clock.advance(10_000)
    this.#follower.close()
  }
}

const BAD = [
  ['an unknown mode', pool('10.2.0.0/16').replace('"cidr"', '"ipipMode":"Sometimes","cidr"')],
  ['a wrong type', pool(7)],
  ['half of a document', pool('10.2.0.0/16').slice(0, 60)],
  ['an empty value', ''],
  ['nothing but nesting', '['.repeat(200_000)],
  ['a later version', pool('10.2.0.0/16').replace('/v3', '/v9')],
] as const

let make: (store: MemoryStore) => ResourceStore

/** Versions of which nobody can make a number, as those of a store that is not of rows may be. */
function withOpaqueVersions(rows: ResourceStore): ResourceStore {
  const opaque = <K extends Kind>(stored: StoredResource<K>): StoredResource<K> => ({
    key: stored.key,
    createdAt: `uid-${stored.createdAt}`,
    resourceVersion: `v${stored.resourceVersion}`,
    age: stored.age,
    saved: stored.saved,
    decoded: stored.decoded,
  })
  return {
    place: (kind, within) => rows.place(kind, within),
    restore(kind, saved) {
      const stored = rows.restore(kind, saved)
      return stored && opaque(stored)
    },
    async list(kind, options) {
      const { items, resourceVersion } = await rows.list(kind, options)
      return { items: items.map(opaque), resourceVersion: `v${resourceVersion}` }
    },
    watch: (kind, { after, within }, { onEvents, onEnd }) =>
      rows.watch(
        kind,
        { after: after.slice(1), within },
        {
          onEvents: (events, version) =>
            onEvents(
              events.map((event) =>
                event.type === 'put' ? { type: 'put', stored: opaque(event.stored) } : event,
              ),
              `v${version}`,
            ),
          onEnd,
        },
      ),
    get: rows.get.bind(rows),
    create: rows.create.bind(rows),
    update: rows.update.bind(rows),
    delete: rows.delete.bind(rows),
  }
}

describe.each([
  { over: 'rows', makeStore: (store: MemoryStore) => new RowResourceStore(store) },
  {
    over: 'versions that are no numbers',
    makeStore: (store: MemoryStore) => withOpaqueVersions(new RowResourceStore(store)),
  },
])('following $over', ({ makeStore }) => {
  beforeEach(() => {
    make = makeStore
  })

  describe.each(BAD)('a row that is %s', (_, bad) => {
    it('is left out where it never was good, named, logged once, and taken in when it is mended', async () => {
      const world = new World()
      const followed = await world.follow()
      await world.put(bad)
      expect(followed.pools.size).toBe(0)
      expect(followed.problems).toMatchObject([{ key: KEY, instead: 'nothing' }])
      expect(world.warnings.filter((line) => line.includes(KEY))).toHaveLength(1)
      await world.put(pool('10.1.0.0/16'))
      expect([...followed.pools.values()]).toEqual(['10.1.0.0/16'])
      expect(followed.problems).toEqual([])
    })

    it('stays as it was where it was good, until it is deleted', async () => {
      const world = new World()
      const followed = await world.follow()
      await world.put(pool('10.1.0.0/16'))
      await world.clock.advance(5000)
      await world.put(bad)
      const since = world.clock.wallTime() - 10
      await world.clock.advance(5000)
      await world.put(bad)
      expect([...followed.pools.values()]).toEqual(['10.1.0.0/16'])
      expect(followed.problems).toMatchObject([{ key: KEY, instead: 'last good', since }])
      expect(world.warnings.filter((line) => line.includes(KEY))).toHaveLength(1)
      await world.remove()
      expect(followed.pools.size).toBe(0)
      expect(followed.problems).toEqual([])
      await world.put(bad)
      expect(followed.pools.size).toBe(0)
      expect(followed.problems).toMatchObject([{ instead: 'nothing' }])
    })

    it('stays as it was over a restart, since when it did, but not if it was made anew meanwhile', async () => {
      const world = new World()
      const first = await world.follow()
      await world.put(pool('10.1.0.0/16'))
      await world.put(bad)
      const [before] = first.problems
      await first.end(world.clock)
      const second = await world.follow()
      expect([...second.pools.values()]).toEqual(['10.1.0.0/16'])
      expect(second.problems).toEqual([before])
      await second.end(world.clock)
      await world.remove()
      await world.put(bad)
      const third = await world.follow()
      expect(third.pools.size).toBe(0)
      expect(third.problems).toMatchObject([{ instead: 'nothing' }])
    })
  })
})
