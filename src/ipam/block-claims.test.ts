import { describe, expect, it } from 'vitest'
import { VirtualClock } from '../lib/clock.ts'
import { silentLog } from '../lib/log.ts'
import { SeededRandom } from '../lib/random.ts'
import { prefix } from '../net/prefix.ts'
import { affinityKey } from '../model/ipam-keys.ts'
import { MemoryStore } from '../store/memory-store.ts'
import { BlockClaims } from './block-claims.ts'
import { RowIpamStore } from './row-ipam-store.ts'
import { WAYS } from './testing/ways.ts'

const CIDR = prefix('10.0.0.0/30')

describe.each(WAYS)('claims on blocks that change $way', ({ oneByOne }) => {
  function setUp() {
    const memory = new MemoryStore()
    const ports = { clock: new VirtualClock(), random: new SeededRandom(1), log: silentLog }
    const store = new RowIpamStore({ store: memory, ...ports, oneByOne })
    const claims = new BlockClaims(store, ports.clock, ports.random)
    return { memory, store, claims }
  }

  it('are not released for who saw another state of the block', async () => {
    const { store, claims } = setUp()
    await claims.claim('a', CIDR, { adopt: false })
    const { sequenceNumber } = (await store.block(CIDR)).value!
    const seen = (number: bigint) =>
      claims.release('a', CIDR, { mustBeEmpty: true, sequenceNumber: number })
    await expect(seen(sequenceNumber - 1n)).rejects.toMatchObject({ code: 'not-empty' })
    expect(await store.affinity('a', CIDR)).toMatchObject({ state: 'confirmed' })
    await seen(sequenceNumber)
    expect((await store.block(CIDR)).value).toBeUndefined()
  })

  it('that somebody was about to release are confirmed again when they stay', async () => {
    const { memory, store, claims } = setUp()
    await claims.claim('a', CIDR, { adopt: false })
    const key = affinityKey('a', CIDR)
    memory.commit([{ put: key, value: '{"state":"pendingDeletion","deleted":false}' }])
    const options = { mustBeEmpty: true, sequenceNumber: 0n }
    await expect(claims.release('a', CIDR, options)).rejects.toMatchObject({ code: 'not-empty' })
    expect(await store.affinity('a', CIDR)).toMatchObject({ state: 'confirmed' })
  })

  it('that no affinity tells of are released all the same', async () => {
    const { memory, store, claims } = setUp()
    await claims.claim('a', CIDR, { adopt: false })
    memory.commit([{ delete: affinityKey('a', CIDR) }])
    await claims.release('a', CIDR, { mustBeEmpty: true })
    expect((await store.block(CIDR)).value).toBeUndefined()
  })
})
