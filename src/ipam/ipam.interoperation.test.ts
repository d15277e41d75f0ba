import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { VirtualClock } from '../lib/clock.ts'
import { silentLog } from '../lib/log.ts'
import { SeededRandom } from '../lib/random.ts'
import { prefix } from '../net/prefix.ts'
import { parseAffinityKey } from '../model/ipam-keys.ts'
import { FaultyStore } from '../store/faulty-store.ts'
import { MemoryStore } from '../store/memory-store.ts'
import { Resources } from '../store/resources.ts'
import type { Store } from '../store/store.ts'
import { Ipam } from './ipam.ts'
import { IpamError } from './ipam-error.ts'
import { RowIpamStore } from './row-ipam-store.ts'
import { nodeOf } from './block.ts'
import { WAYS } from './testing/ways.ts'
import { StepwiseAllocator } from './testing/stepwise-allocator.ts'

const BLOCKS = ['10.0.0.0/30', '10.0.0.4/30', '10.0.0.8/30', '10.0.0.12/30'].map(prefix)
const clock = new VirtualClock()

type Step = 'assign' | 'release' | 'leave'

/** What both kinds of allocator do, each in its way. */
interface Allocator {
  assign(handle: string): Promise<string | undefined>
  releaseByHandle(handle: string): Promise<unknown>
  leave(): Promise<void>
}

async function work(allocator: Allocator, name: string, steps: readonly Step[]) {
  const held = new Map<string, string>()
  for (const [at, step] of steps.entries()) {
    const handle = `${name}.${at}`
    if (step === 'leave') await allocator.leave()
    else if (step === 'assign') {
      const address = await allocator.assign(handle)
      if (address !== undefined) held.set(handle, address)
    } else {
      const last = [...held.keys()].at(-1)
      if (last === undefined) continue
      await allocator.releaseByHandle(last)
      held.delete(last)
    }
  }
  return held
}

describe.each(WAYS)(
  'beside allocators as Calico has them, IPAM that changes $way',
  ({ oneByOne }) => {
    it('no address is given twice or lost, whatever the order of the calls', async () => {
      const steps = fc.array(fc.constantFrom<Step>('assign', 'assign', 'release', 'leave'), {
        minLength: 1,
        maxLength: 5,
      })
      await fc.assert(
        fc.asyncProperty(
          fc.scheduler(),
          fc.array(fc.tuple(fc.boolean(), steps), { minLength: 2, maxLength: 5 }),
          async (scheduler, plans) => {
            const shared = new MemoryStore()
            const options = { clock, random: new SeededRandom(1), log: silentLog }
            const spec = { cidr: '10.0.0.0/28', blockSize: 30 }
            const resources = new Resources({ store: shared, ...options })
            await resources.create({ kind: 'IPPool', metadata: { name: 'p' }, spec })
            const ipamOver = (store: Store): Ipam =>
              new Ipam({
                ...options,
                store: new RowIpamStore({ store, ...options, oneByOne }),
                resources,
              })
            const make = (stepwise: boolean, node: string): Allocator => {
              const store = new FaultyStore(shared, clock)
              store.faults.before = ({ keys }) =>
                scheduler.schedule(
                  Promise.resolve(),
                  `${stepwise ? 'stepwise' : 'ours'} ${keys.join(' ')}`,
                )
              return stepwise ? stepwiseAllocator(store, node) : ours(ipamOver(store), node)
            }
            const all = Promise.all(
              plans.map(([stepwise, plan], at) =>
                work(make(stepwise, `node${at % 2}`), `${stepwise ? 's' : 'o'}${at}`, plan),
              ),
            )
            const held = new Map((await scheduler.waitFor(all)).flatMap((map) => [...map]))
            const ipam = ipamOver(shared)
            const stored = await ipam.allocations()
            expect(new Map(stored.map(({ handle, address }) => [handle, address]))).toEqual(held)
            expect(new Set(held.values()).size).toBe(held.size)
            await everyBlockCanBeFound(shared, ipam)
          },
        ),
        { numRuns: 300 },
      )
    })
  },
)

/** A block that says whose it is has a claim of that node; else that node would never use it again. */
async function everyBlockCanBeFound(shared: MemoryStore, ipam: Ipam): Promise<void> {
  const claims = [...shared.rowsFrom('/calico/ipam/v2/host/')].map(({ key }) =>
    parseAffinityKey(key)!,
  )
  for (const block of await ipam.blocks()) {
    const node = nodeOf(block)
    if (node === undefined) continue
    expect(claims).toContainEqual({ node, cidr: block.cidr })
  }
}

function ours(ipam: Ipam, node: string): Allocator {
  return {
    async assign(handle) {
      try {
        const request = { node, handle, attributes: { node }, family: 4, use: 'Workload' } as const
        return (await ipam.autoAssign(request))[0]!.address
      } catch (thrown) {
        if (thrown instanceof IpamError && thrown.code === 'no-addresses') return undefined
        throw thrown
      }
    },
    releaseByHandle: (handle) => ipam.releaseByHandle(handle),
    async leave() {
      for (const { cidr } of await ipam.affinities(node)) await ipam.releaseAffinity(node, cidr)
    },
  }
}

function stepwiseAllocator(store: FaultyStore, node: string): Allocator {
  const allocator = new StepwiseAllocator(store, node, BLOCKS)
  return {
    assign: (handle) => allocator.assign(handle),
    releaseByHandle: (handle) => allocator.releaseByHandle(handle),
    leave: () => allocator.releaseAffinities(),
  }
}
