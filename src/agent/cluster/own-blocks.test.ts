import { expect, it } from 'vitest'
import { settled, VirtualClock } from '../../lib/clock.ts'
import { silentLog } from '../../lib/log.ts'
import { SeededRandom } from '../../lib/random.ts'
import { Ipam } from '../../ipam/ipam.ts'
import { RowIpamStore } from '../../ipam/row-ipam-store.ts'
import { prefix } from '../../net/prefix.ts'
import { affinityKey } from '../../model/ipam-keys.ts'
import { MemoryStore } from '../../store/memory-store.ts'
import { Resources } from '../../store/resources.ts'
import { storeFeed } from './store-feed.ts'

const BLOCK = prefix('10.0.0.0/26')
const OTHER = prefix('10.0.0.64/26')

async function setUp() {
  const store = new MemoryStore()
  const ports = { store, clock: new VirtualClock(), random: new SeededRandom(1), log: silentLog }
  const resources = new Resources(ports)
  const ipam = new Ipam({ ...ports, store: new RowIpamStore(ports), resources })
  const told: unknown[] = []
  const follow = (node: string) =>
    storeFeed(resources, ipam).followBlocks(
      node,
      (blocks, problems) => {
        told.push([blocks.map(({ cidr }) => cidr), problems.map(({ resource }) => resource)])
      },
      () => {},
    )
  const confirm = (node: string) =>
    store.transact({
      compare: [],
      success: [{ put: affinityKey(node, BLOCK), value: '{"state":"confirmed"}' }],
    })
  return { ipam, told, follow, confirm }
}

it('leaves out a block that names another node, names it, and takes it when that is over', async () => {
  const { ipam, told, follow, confirm } = await setUp()
  await ipam.claimAffinity('a', BLOCK)
  await ipam.claimAffinity('b', OTHER)
  await confirm('b')
  const following = follow('b')
  await settled()
  expect(told.at(-1)).toEqual([[OTHER], ['BlockAffinity(b-10-0-0-0-26)']])
  await ipam.releaseAffinity('a', BLOCK)
  await settled()
  expect(told.at(-1)).toEqual([[BLOCK, OTHER], []])
  await ipam.claimAffinity('b', BLOCK)
  await settled()
  expect(told.at(-1)).toEqual([[BLOCK, OTHER], []])
  following.close()
  const length = told.length
  await ipam.releaseAffinity('b', BLOCK)
  await settled()
  expect(told).toHaveLength(length)
})

it('has a block that names this node, whoever else claims it', async () => {
  const { ipam, told, follow, confirm } = await setUp()
  await ipam.claimAffinity('a', BLOCK)
  await confirm('b')
  follow('a')
  await settled()
  expect(told.at(-1)).toEqual([[BLOCK], []])
})
