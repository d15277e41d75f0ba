import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { VirtualClock } from '../lib/clock.ts'
import { silentLog } from '../lib/log.ts'
import { SeededRandom } from '../lib/random.ts'
import { prefix } from '../net/prefix.ts'
import { FaultyStore, type StoreFaults } from '../store/faulty-store.ts'
import { MemoryStore } from '../store/memory-store.ts'
import { Resources } from '../store/resources.ts'
import { StoreUnavailable } from '../store/store.ts'
import { Ipam } from './ipam.ts'
import { IpamError } from './ipam-error.ts'
import { RowIpamStore } from './row-ipam-store.ts'
import { inconsistencies } from './testing/inconsistencies.ts'
import { WAYS } from './testing/ways.ts'

const clock = new VirtualClock()

async function setUp(oneByOne: boolean, blockSize: number, cidr = '10.0.0.0/27') {
  const shared = new MemoryStore()
  const options = { clock, random: new SeededRandom(1), log: silentLog }
  const resources = new Resources({ store: shared, ...options })
  await resources.create({
    kind: 'IPPool',
    metadata: { name: 'pool' },
    spec: { cidr, blockSize, ipipMode: 'Always' },
  })
  const ipamWith = (faults: StoreFaults): Ipam => {
    const store = new FaultyStore(shared, clock)
    store.faults = faults
    return new Ipam({
      ...options,
      store: new RowIpamStore({ store, ...options, oneByOne }),
      resources,
    })
  }
  return { shared, ipamWith }
}

const request = (node: string, handle: string) =>
  ({ node, handle, attributes: { node }, family: 4, use: 'Workload' }) as const

/** A few steps of one allocator; the results are what it believes to have. */
async function work(ipam: Ipam, node: string, name: string, steps: readonly string[]) {
  const held = new Map<string, string[]>()
  for (const [at, step] of steps.entries()) {
    const handle = `${name}.${at}`
    try {
      if (step === 'assign' || step === 'two') {
        const got = await ipam.autoAssign({
          ...request(node, handle),
          count: step === 'two' ? 2 : 1,
        })
        held.set(
          handle,
          got.map(({ address }) => address),
        )
      } else if (step === 'tunnel') {
        const address = await ipam.ensureTunnelAddress({ node })
        held.set(`ipip-tunnel-addr-${node}`, [address!])
      } else if (step === 'release') {
        const [last] = [...held.keys()].filter((key) => key.startsWith(name)).slice(-1)
        if (last !== undefined) await ipam.releaseByHandle(last)
        if (last !== undefined) held.delete(last)
      } else {
        for (const { cidr } of await ipam.affinities(node)) {
          await ipam.releaseAffinity(node, cidr, { mustBeEmpty: step === 'leave if empty' })
        }
      }
    } catch (thrown) {
      if (!(thrown instanceof IpamError) || thrown.code === 'busy') throw thrown
    }
  }
  return held
}

const steps = fc.array(
  fc.constantFrom('assign', 'two', 'tunnel', 'release', 'leave', 'leave if empty'),
  { minLength: 1, maxLength: 5 },
)

describe.each(WAYS)('many allocators at once that change $way', ({ oneByOne }) => {
  it('give no address twice and lose none, in whatever order their calls arrive', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        fc.array(steps, { minLength: 2, maxLength: 5 }),
        fc.constantFrom(28, 30),
        async (scheduler, plans, blockSize) => {
          const { shared, ipamWith } = await setUp(oneByOne, blockSize)
          const before = ({ keys }: { keys: readonly string[] }): Promise<void> =>
            scheduler.schedule(Promise.resolve(), keys.join(' '))
          const results = Promise.all(
            plans.map((plan, at) => work(ipamWith({ before }), `server0${at % 2}`, `w${at}`, plan)),
          )
          const held = await scheduler.waitFor(results)
          expect(inconsistencies(shared)).toEqual([])
          const believed = new Map(held.flatMap((map) => [...map]))
          const stored = await ipamWith({}).allocations()
          const storedByHandle = new Map<string, string[]>()
          for (const { handle = '', address } of stored) {
            storedByHandle.set(handle, [...(storedByHandle.get(handle) ?? []), address])
          }
          const sorted = (map: Map<string, string[]>): unknown =>
            [...map]
              .map(([handle, addresses]) => `${handle}: ${addresses.toSorted().join(' ')}`)
              .toSorted()
          expect(sorted(storedByHandle)).toEqual(sorted(believed))
          const addresses = [...believed.values()].flat()
          expect(new Set(addresses).size).toBe(addresses.length)
        },
      ),
      { numRuns: 300 },
    )
  })

  it('fill a pool to the last address', async () => {
    const { shared, ipamWith } = await setUp(oneByOne, 28, '10.0.0.0/25')
    const given = await Promise.all(
      Array.from({ length: 128 }, (_, at) =>
        ipamWith({}).autoAssign(request(`server${at % 8}`, `h${at}`)),
      ),
    )
    expect(new Set(given.flat().map(({ address }) => address)).size).toBe(128)
    expect(inconsistencies(shared)).toEqual([])
    await expect(ipamWith({}).autoAssign(request('server0', 'more'))).rejects.toMatchObject({
      code: 'no-addresses',
    })
  })
})

describe.each(WAYS)('a process that dies at any write and changes $way', ({ oneByOne }) => {
  const script = async (ipam: Ipam): Promise<void> => {
    await ipam.ensureTunnelAddress({ node: 'server01' })
    await ipam.autoAssign({ ...request('server01', 'a'), count: 5 })
    await ipam.releaseAddresses([{ address: (await ipam.addressesOf('a'))[0]!.address }])
    await ipam.autoAssign(request('server01', 'b'))
    await ipam.releaseByHandle('a')
    await ipam.claimAffinity('server01', prefix('10.0.0.28/30'))
    await ipam.releaseAffinity('server01', prefix('10.0.0.28/30'))
    await ipam.releaseNode('server01')
  }

  /** Runs the script with a death at the write of that number; false if there were not so many. */
  async function die(at: number, when: 'before' | 'after', recover: (ipam: Ipam) => Promise<void>) {
    const { shared, ipamWith } = await setUp(oneByOne, 30)
    let writes = 0
    const fault = ({ operation }: { operation: string }): void => {
      if (operation === 'transact' && ++writes >= at) throw new StoreUnavailable('died')
    }
    const died = await script(ipamWith({ [when]: fault })).then(
      () => false,
      (thrown: unknown) => thrown instanceof StoreUnavailable,
    )
    expect(inconsistencies(shared, { died: oneByOne })).toEqual([])
    await recover(ipamWith({}))
    expect([...shared.rowsFrom('/calico/ipam/')].map(({ key }) => key)).toEqual([])
    return died
  }

  it.each(['before', 'after'] as const)(
    'leaves nothing that the next run cannot take up or clean up (%s its effect)',
    async (when) => {
      let at = 1
      while (await die(at, when, script)) at++
      expect(at).toBeGreaterThan(10)
      at = 1
      const cleanUp = async (ipam: Ipam): Promise<void> => {
        for (const handle of ['a', 'b']) await ipam.releaseByHandle(handle)
        await ipam.releaseNode('server01')
      }
      while (await die(at, when, cleanUp)) at++
    },
  )
})
