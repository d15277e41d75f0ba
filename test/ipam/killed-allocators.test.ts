import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { build } from 'esbuild'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Ipam } from '../../src/ipam/ipam.ts'
import { RowIpamStore } from '../../src/ipam/row-ipam-store.ts'
import { inconsistencies } from '../../src/ipam/testing/inconsistencies.ts'
import { silentLog } from '../../src/lib/log.ts'
import { SeededRandom } from '../../src/lib/random.ts'
import { openEtcdStore } from '../../src/main/open-etcd-store.ts'
import { serveEtcd } from '../../src/platform/etcd/server.ts'
import { programVersion, startEtcd } from '../../src/platform/etcd/testing/real-etcd.ts'
import { systemClock } from '../../src/platform/node/clock.ts'
import { systemRandom } from '../../src/platform/node/random.ts'
import { MemoryStore } from '../../src/store/memory-store.ts'
import { HANDLE_PREFIX } from '../../src/model/ipam-keys.ts'
import { Resources } from '../../src/store/resources.ts'

const ALLOCATORS = 5
const ADDRESSES = 120
/** After which the allocators are ended, lest they outlive a test that fails. */
const DEADLINE_MILLISECONDS = 45_000
/** An allocator is killed each time that so many addresses more were given out. */
const KILLED_EVERY = 20

const hasEtcd = programVersion('etcd', '--version') !== undefined
if (!hasEtcd) console.log('skipped: allocators on etcd need the package etcd-server')

describe('allocators in processes of their own, killed at random', () => {
  let folder: string
  let program: string
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'tortie-ipam-'))
    program = join(folder, 'allocator.mjs')
    const shim =
      "import { createRequire as shim } from 'node:module'; const require = shim(import.meta.url);"
    await build({
      entryPoints: [join(import.meta.dirname, 'allocator.ts')],
      outfile: program,
      bundle: true,
      platform: 'node',
      format: 'esm',
      banner: { js: shim },
    })
  })
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true })
  })

  it.each(['at once', 'one by one'])(
    'on a served store, changing objects %s, give no address twice and lose none',
    async (way) => {
      const address = `unix:${join(folder, 's.sock')}`
      const server = await serveEtcd({
        store: new MemoryStore(),
        address,
        clusterId: 1,
        log: silentLog,
      })
      try {
        await fire(address, program, way)
      } finally {
        server.close()
      }
    },
  )

  it.skipIf(!hasEtcd).each(['at once', 'one by one'])(
    'on etcd, changing objects %s, give no address twice and lose none',
    async (way) => {
      const etcd = await startEtcd()
      try {
        await fire(etcd.endpoint, program, way)
      } finally {
        await etcd.stop()
      }
    },
  )
})

async function fire(address: string, program: string, way: string): Promise<void> {
  const store = await openEtcdStore(address)
  const options = { store, clock: systemClock, random: systemRandom, log: silentLog }
  // So few addresses that blocks are borrowed, too: 16 blocks of 8, most full of what the dead left.
  const spec = { cidr: '10.0.0.0/25', blockSize: 29 }
  const resources = new Resources(options)
  await resources.create({ kind: 'IPPool', metadata: { name: 'p' }, spec })
  const ipam = new Ipam({ ...options, store: new RowIpamStore(options), resources })

  const held = await runAllocators([program, address], way)

  const { rows, revision } = await store.list('/calico/ipam/')
  const died = way === 'one by one'
  expect(inconsistencies(MemoryStore.restore({ rows, revision }), { died })).toEqual([])
  const stored = await ipam.allocations()
  const byHandle = new Map(stored.map((allocation) => [allocation.handle, allocation.address]))
  expect(stored).toHaveLength(byHandle.size)
  // What an allocator was told that it has, it has; the rest it was not told of before it died.
  for (const [handle, told] of held)
    expect(`${handle} ${byHandle.get(handle)}`).toBe(`${handle} ${told}`)
  expect(new Set(held.values()).size).toBe(held.size)

  // Of those that died also what they had only counted.
  for (const { key } of (await store.list(HANDLE_PREFIX)).rows) {
    await ipam.releaseByHandle(key.slice(HANDLE_PREFIX.length))
  }
  for (let at = 0; at < ALLOCATORS; at++) await ipam.releaseNode(`node${at}`)
  expect((await store.list('/calico/ipam/')).rows).toEqual([])
  store.close()
}

/** Runs and kills allocators until enough was given out; what they still hold by what they said. */
async function runAllocators(words: readonly string[], way: string): Promise<Map<string, string>> {
  const random = new SeededRandom(1)
  const held = new Map<string, string>()
  const running: ChildProcess[] = []
  const ended: Promise<void>[] = []
  let given = 0
  let started = 0
  let failed = ''
  let enough: () => void
  const done = new Promise<void>((resolve) => (enough = resolve))

  function start(at: number): void {
    const own = [`node${at}`, `a${started++}`, way]
    const child = spawn(process.execPath, [...words, ...own], { stdio: ['ignore', 'pipe', 'pipe'] })
    running[at] = child
    child.stderr.on('data', (chunk: Buffer) => {
      failed += chunk.toString()
      enough()
    })
    const lines = createInterface(child.stdout)
    lines.on('line', receive)
    ended.push(new Promise((resolve) => child.once('close', () => resolve())))
  }

  function receive(line: string): void {
    const [handle = '', told = ''] = line.slice(1).split(' ')
    // A kill can cut the last line off; then the address counts as one that was not told.
    if (line.startsWith('-')) held.delete(handle)
    else if (line.startsWith('+')) held.set(handle, told)
    if (!line.startsWith('+') || ++given % KILLED_EVERY !== 0 || given > ADDRESSES) return
    const victim = random.below(ALLOCATORS)
    running[victim]!.kill('SIGKILL')
    if (given < ADDRESSES) start(victim)
    else enough()
  }

  for (let at = 0; at < ALLOCATORS; at++) start(at)
  const timeout = setTimeout(() => {
    failed += `only ${given} addresses were given out in time`
    enough()
  }, DEADLINE_MILLISECONDS)
  await done
  clearTimeout(timeout)
  for (const child of running) child.kill('SIGKILL')
  await Promise.all(ended)
  expect(failed).toBe('')
  return held
}
