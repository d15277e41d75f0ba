import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Ipam } from '../../src/ipam/ipam.ts'
import { RowIpamStore } from '../../src/ipam/row-ipam-store.ts'
import { silentLog } from '../../src/lib/log.ts'
import { prefix } from '../../src/net/prefix.ts'
import { EtcdStore } from '../../src/platform/etcd/client.ts'
import { serveEtcd } from '../../src/platform/etcd/server.ts'
import { startEtcd } from '../../src/platform/etcd/testing/real-etcd.ts'
import { systemClock as clock } from '../../src/platform/node/clock.ts'
import { systemRandom as random } from '../../src/platform/node/random.ts'
import { MemoryStore } from '../../src/store/memory-store.ts'
import { Resources } from '../../src/store/resources.ts'
import type { Store } from '../../src/store/store.ts'

// How long giving out one address takes, and how many a second, out of a block that the node owns:
// in memory, from a store served on a unix socket, from Debian's etcd (which writes to disk).
//
// usage: npm run bench -- ipam
const COUNT = 200

async function measure(name: string, store: Store): Promise<void> {
  const options = { store, clock, random, log: silentLog }
  const resources = new Resources(options)
  const spec = { cidr: '10.0.0.0/16', blockSize: 22 }
  await resources.create({ kind: 'IPPool', metadata: { name: 'p' }, spec })
  const ipam = new Ipam({ ...options, store: new RowIpamStore(options), resources })
  const request = { node: 'n', attributes: { node: 'n' }, family: 4, use: 'Workload' } as const
  const blocks = [prefix('10.0.0.0/22')]
  await ipam.claimAffinity('n', blocks[0]!)
  for (const [what, more] of [
    ['a pool', {}],
    ['podCIDRs', { blocks }],
  ] as const) {
    const times: number[] = []
    for (let at = 0; at < COUNT; at++) {
      const start = performance.now()
      await ipam.autoAssign({ ...request, ...more, handle: `${what}.${at}` })
      times.push(performance.now() - start)
    }
    times.sort((a, b) => a - b)
    const [median, late] = [times[COUNT >> 1]!, times[Math.floor(COUNT * 0.99)]!]
    const rate = 1000 / (times.reduce((sum, time) => sum + time, 0) / COUNT)
    console.log(
      `${name}, from ${what}: median ${median.toFixed(2)} ms, 99 % ${late.toFixed(2)} ms, ${rate.toFixed(0)}/s`,
    )
  }
  store.close()
}

await measure('memory', new MemoryStore())

const folder = mkdtempSync(join(tmpdir(), 'tortie-bench-'))
const address = `unix:${join(folder, 's.sock')}`
const server = await serveEtcd({ store: new MemoryStore(), address, clusterId: 1, log: silentLog })
await measure(
  'served memory',
  new EtcdStore({ endpoints: [address], clock, random, log: silentLog }),
)
server.close()
rmSync(folder, { recursive: true })

const etcd = await startEtcd()
await measure('etcd', new EtcdStore({ endpoints: [etcd.endpoint], clock, random, log: silentLog }))
await etcd.stop()
