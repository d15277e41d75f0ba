import fc from 'fast-check'
import { expect, it } from 'vitest'
import { VirtualClock } from '../lib/clock.ts'
import { messageOf } from '../lib/errors.ts'
import { silentLog } from '../lib/log.ts'
import { SeededRandom } from '../lib/random.ts'
import { prefix } from '../net/prefix.ts'
import { MemoryStore } from '../store/memory-store.ts'
import { Resources } from '../store/resources.ts'
import { Ipam } from './ipam.ts'
import { RowIpamStore } from './row-ipam-store.ts'

const NODES = ['server01', 'server02']

const scene = fc.record({
  pools: fc.uniqueArray(fc.integer({ min: 0, max: 3 }), { maxLength: 2 }),
  isDisabled: fc.boolean(),
  strictAffinity: fc.boolean(),
  maxBlocksPerHost: fc.constantFrom(0, 1),
  reserved: fc.constantFrom([], ['10.0.0.0/29'], ['10.0.0.1/32']),
  podCidrs: fc.constantFrom(undefined, ['10.9.0.0/29']),
  /** Which node asks for an address, one after another. */
  askers: fc.array(fc.constantFrom(...NODES), { maxLength: 20 }),
})

async function ipamOf({
  pools,
  isDisabled,
  reserved,
  ...rules
}: typeof scene extends fc.Arbitrary<infer Of> ? Of : never) {
  const options = {
    store: new MemoryStore(),
    clock: new VirtualClock(),
    random: new SeededRandom(1),
    log: silentLog,
  }
  const resources = new Resources(options)
  for (const at of pools) {
    const spec = { cidr: `10.0.${at}.0/29`, blockSize: 30, disabled: isDisabled }
    await resources.create({ kind: 'IPPool', metadata: { name: `pool${at}` }, spec })
  }
  if (reserved.length > 0) {
    const spec = { reservedCIDRs: reserved }
    await resources.create({ kind: 'IPReservation', metadata: { name: 'kept' }, spec })
  }
  const { strictAffinity, maxBlocksPerHost } = rules
  const spec = { strictAffinity: strictAffinity || maxBlocksPerHost > 0, maxBlocksPerHost }
  await resources.apply({ kind: 'IPAMConfiguration', metadata: { name: 'default' }, spec })
  return new Ipam({ ...options, store: new RowIpamStore(options), resources })
}

it('says beforehand whether an address would be found, whatever was given out', async () => {
  await fc.assert(
    fc.asyncProperty(scene, async (given) => {
      const ipam = await ipamOf(given)
      for (const [at, node] of given.askers.entries()) {
        const handle = `h${at}`
        const attributes = { node, namespace: 'default', pod: handle }
        const blocks = given.podCidrs?.map((cidr) => prefix(cidr))
        const request = { node, handle, attributes, family: 4, use: 'Workload' } as const
        const whole = blocks === undefined ? request : { ...request, node: NODES[0]!, blocks }
        const outcome = (call: Promise<unknown>) =>
          call.then(
            () => 'found',
            () => 'none',
          )
        const said = await outcome(ipam.assertAvailable(whole))
        const done = await ipam.autoAssign(whole).then(() => 'found', messageOf)
        expect([said, done]).toEqual(done === 'found' ? ['found', 'found'] : ['none', done])
      }
    }),
    { numRuns: 150 },
  )
})
