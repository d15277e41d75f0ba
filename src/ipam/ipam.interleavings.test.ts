import { describe, expect, it } from 'vitest'
import { VirtualClock } from '../lib/clock.ts'
import { silentLog } from '../lib/log.ts'
import { SeededRandom } from '../lib/random.ts'
import { prefix } from '../net/prefix.ts'
import { FaultyStore } from '../store/faulty-store.ts'
import { MemoryStore } from '../store/memory-store.ts'
import { Resources } from '../store/resources.ts'
import type { Row, Store } from '../store/store.ts'
import { Ipam } from './ipam.ts'
import { IpamError } from './ipam-error.ts'
import { RowIpamStore } from './row-ipam-store.ts'
import { inconsistencies } from './testing/inconsistencies.ts'
import { everyInterleaving } from './testing/interleavings.ts'
import { WAYS } from './testing/ways.ts'

/** Two blocks of two addresses. */
const POOL = { cidr: '10.0.0.0/30', blockSize: 31 }
const BLOCKS = ['10.0.0.0/31', '10.0.0.2/31'].map(prefix)
const CAPACITY = 4
/** More than the time for which an empty block is its owner's alone. */
const LATER_MILLISECONDS = 61_000

/** Of a scene in every order; enough for each of two to begin anew once or twice. */
const MOST_CALLS = 14

type Act = (ipam: Ipam) => Promise<unknown>

const request = (node: string, handle: string) =>
  ({ node, handle, attributes: { node }, family: 4, use: 'Workload' }) as const

const assign =
  (node: string, handle: string, count = 1): Act =>
  (ipam) =>
    ipam.autoAssign({ ...request(node, handle), count })
const claim =
  (node: string, block = 0): Act =>
  (ipam) =>
    ipam.claimAffinity(node, BLOCKS[block]!)
const leave =
  (node: string, block = 0, mustBeEmpty = false): Act =>
  (ipam) =>
    ipam.releaseAffinity(node, BLOCKS[block]!, { mustBeEmpty })
const release =
  (handle: string): Act =>
  (ipam) =>
    ipam.releaseByHandle(handle)
const tunnel =
  (node: string): Act =>
  (ipam) =>
    ipam.ensureTunnelAddress({ node })

/** What one process does at once. */
const both =
  (...acts: readonly Act[]): Act =>
  (ipam) =>
    Promise.all(acts.map((act) => act(ipam)))

/** What was before; what happens at the same time, of which the first may die. */
const SCENES: readonly {
  readonly name: string
  readonly before: readonly Act[]
  readonly acts: readonly Act[]
  /** Most blocks that node a then has. */
  readonly mostBlocks?: number
}[] = [
  {
    name: 'two nodes claim one block',
    before: [],
    acts: [claim('a'), claim('b')],
  },
  {
    name: 'two processes of a node claim one block',
    before: [],
    acts: [claim('a'), claim('a')],
  },
  {
    name: 'a block is claimed while it is released',
    before: [claim('a')],
    acts: [leave('a'), claim('b')],
  },
  {
    name: 'an owner takes an address of a block that another process releases',
    before: [claim('a')],
    acts: [leave('a', 0, true), assign('a', 'x')],
  },
  {
    name: 'an owner takes an address of a block that becomes nobody’s',
    before: [assign('a', 'x')],
    acts: [leave('a'), assign('a', 'y')],
  },
  {
    name: 'two processes release one block',
    before: [claim('a')],
    acts: [leave('a'), leave('a')],
  },
  {
    name: 'two processes of a node take addresses of one block',
    before: [claim('a')],
    acts: [assign('a', 'x'), assign('a', 'y')],
  },
  {
    name: 'an address is taken under a handle while all of the handle is released',
    before: [assign('a', 'x')],
    acts: [assign('a', 'x'), release('x')],
  },
  {
    name: 'the first address is taken under a handle while all of the handle is released',
    before: [claim('a')],
    acts: [assign('a', 'x'), release('x')],
  },
  {
    name: 'a process of a node claims a block that another one gives up',
    before: [],
    acts: [leave('a'), claim('a')],
  },
  {
    name: 'two processes of a node claim a block that its owner gives up',
    before: [claim('b')],
    acts: [leave('b'), claim('a'), claim('a')],
  },
  {
    name: 'two processes release one handle',
    before: [assign('a', 'x', 2)],
    acts: [release('x'), release('x')],
  },
  {
    name: 'the last address of a block that is nobody’s is released while it is claimed',
    before: [assign('a', 'x'), leave('a')],
    acts: [release('x'), claim('a')],
  },
  {
    name: 'a node takes an address of another while that node gives the block up',
    before: [claim('a', 1), assign('b', 'x', 2), assign('a', 'y')],
    acts: [leave('a', 1), assign('b', 'z')],
  },
  {
    name: 'two agents of a node keep its tunnel address',
    before: [claim('a')],
    acts: [tunnel('a'), tunnel('a')],
  },
  {
    name: 'a process gives two pods of a fresh node addresses at once',
    before: [],
    acts: [both(assign('a', 'x'), assign('a', 'y'))],
    mostBlocks: 1,
  },
  {
    name: 'a process gives two pods of a fresh node addresses while a block becomes free',
    before: [claim('b')],
    acts: [leave('b'), both(assign('a', 'x'), assign('a', 'y'))],
    mostBlocks: 1,
  },
  {
    name: 'a process gives a pod and the tunnel of a fresh node addresses at once',
    before: [],
    acts: [both(assign('a', 'x'), tunnel('a'))],
    mostBlocks: 1,
  },
]

describe.each(WAYS)('IPAM that changes $way, in every order of calls', ({ oneByOne }) => {
  const clock = new VirtualClock()
  const options = { clock, random: new SeededRandom(1), log: silentLog }

  const over = (store: Store, shared: Store): Ipam =>
    new Ipam({
      ...options,
      store: new RowIpamStore({ store, ...options, oneByOne }),
      resources: new Resources({ store: shared, ...options }),
    })

  /** As it is before the scene, made once. */
  async function prepare(before: readonly Act[]): Promise<{ rows: Row[]; revision: number }> {
    const shared = new MemoryStore()
    const resources = new Resources({ store: shared, ...options })
    const spec = { ...POOL, ipipMode: 'Always' as const }
    await resources.create({ kind: 'IPPool', metadata: { name: 'p' }, spec })
    for (const act of before) await act(over(shared, shared))
    return { rows: [...shared.rowsFrom('')], revision: shared.revision }
  }

  it.each(SCENES)('$name', async ({ before, acts, mostBlocks }) => {
    const start = await prepare(before)
    const plays = await everyInterleaving(
      () => {
        const shared = MemoryStore.restore(start)
        const results: unknown[] = []
        const actors = acts.map((act, at) => {
          const store = new FaultyStore(shared, clock)
          const work = async (): Promise<void> => {
            results.push(await act(over(store, shared)).catch(refused))
          }
          return { store, work, mortal: at === 0 }
        })
        return Promise.resolve({
          actors,
          check: async (died) => {
            await checkTunnels(shared, results)
            const owned = await over(shared, shared).affinities('a')
            expect(owned.length).toBeLessThanOrEqual(mostBlocks ?? BLOCKS.length)
            await check(shared, died)
          },
        })
      },
      { most: MOST_CALLS },
    )
    expect(plays).toBeGreaterThan(acts.length)
  })

  /** Who was told its tunnel address has it. */
  async function checkTunnels(shared: MemoryStore, results: readonly unknown[]): Promise<void> {
    const held = (await over(shared, shared).allocations()).map(({ address }) => address)
    for (const told of results) if (typeof told === 'string') expect(held).toContain(told)
  }

  async function check(shared: MemoryStore, died: boolean): Promise<void> {
    expect(inconsistencies(shared, { died })).toEqual([])
    await clock.advance(LATER_MILLISECONDS)
    const ipam = over(shared, shared)
    const held = await ipam.allocations()
    // Every address that nobody has can be had, by the node of the dead and by others.
    for (let at = held.length; at < CAPACITY; at++) {
      await ipam.autoAssign(request(at % 2 === 0 ? 'a' : 'c', `more${at}`))
    }
    const all = await ipam.allocations()
    expect(new Set(all.map(({ address }) => address)).size).toBe(CAPACITY)
    for (const { address } of held) expect(all.map((each) => each.address)).toContain(address)
    // And all of it can be taken back, without a trace.
    const handles = [...all.map(({ handle }) => handle!), 'x', 'y', 'z']
    for (const handle of handles) await ipam.releaseByHandle(handle)
    for (const node of ['a', 'b', 'c']) await ipam.releaseNode(node)
    expect([...shared.rowsFrom('/calico/ipam/')]).toEqual([])
  }
})

/** Another was faster: no failure, unless nobody was. */
function refused(thrown: unknown): void {
  if (!(thrown instanceof IpamError) || thrown.code === 'busy') throw thrown
}
