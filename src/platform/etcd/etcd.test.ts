import { execFile, spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Clock } from '../../lib/clock.ts'
import { silentLog } from '../../lib/log.ts'
import { SeededRandom } from '../../lib/random.ts'
import { MemoryStore } from '../../store/memory-store.ts'
import { storeContract } from '../../store/store.contract.ts'
import { StoreUnavailable } from '../../store/store.ts'
import { EtcdStore } from './client.ts'
import { type EtcdServer, serveEtcd } from './server.ts'
import { programVersion, type RealEtcd, startEtcd } from './testing/real-etcd.ts'

const realClock: Clock = {
  now: () => performance.now(),
  wallTime: () => Date.now(),
  after(milliseconds, fire) {
    const timer = setTimeout(fire, milliseconds)
    return {
      cancel() {
        clearTimeout(timer)
      },
    }
  },
}

const connect = (endpoint: string, deadlineMilliseconds = 5000): EtcdStore =>
  new EtcdStore({
    endpoints: [endpoint],
    clock: realClock,
    random: new SeededRandom(1),
    log: silentLog,
    deadlineMilliseconds,
  })

const hasEtcd = programVersion('etcd', '--version') !== undefined
const hasEtcdctl = programVersion('etcdctl', 'version') !== undefined
if (!hasEtcd || !hasEtcdctl) {
  console.log("skipped: tests with Debian's etcd need the packages etcd-server and etcd-client")
}

/** One letter, proc(5): T is stopped. */
const stateOf = (path: string): string | undefined => readFileSync(path, 'utf8').split(') ')[1]?.[0]

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tortie-store-'))
})
afterAll(() => {
  rmSync(folder, { recursive: true, force: true })
})

const serve = (store: MemoryStore, clusterId = 1): Promise<EtcdServer> =>
  serveEtcd({ store, address: `unix:${join(folder, 's.sock')}`, clusterId, log: silentLog })

storeContract('a store in memory, served on a unix socket', async () => {
  const memory = new MemoryStore()
  const server = await serve(memory)
  const store = connect(server.address)
  return {
    store,
    compact: (revision) => memory.compact(revision),
    dispose: () => {
      store.close()
      server.close()
    },
  }
})

describe.skipIf(!hasEtcd)("with Debian's etcd", () => {
  let etcd: RealEtcd
  beforeAll(async () => {
    etcd = await startEtcd()
  })
  afterAll(() => etcd.stop())

  storeContract('etcd', () => {
    const store = connect(etcd.endpoint)
    return Promise.resolve({
      store,
      compact: (revision) => store.compact(revision),
      dispose: () => {
        store.close()
      },
    })
  })

  it('a server that stalls makes a call fail by its deadline', async () => {
    const store = connect(etcd.endpoint, 1000)
    await store.get('a')
    etcd.process.kill('SIGSTOP')
    try {
      // The signal takes a while to stop all threads.
      const tasks = `/proc/${etcd.process.pid}/task`
      const states = () => readdirSync(tasks).map((task) => stateOf(join(tasks, task, 'stat')))
      await expect.poll(() => states().every((state) => state === 'T')).toBe(true)
      await expect(store.get('a')).rejects.toBeInstanceOf(StoreUnavailable)
    } finally {
      etcd.process.kill('SIGCONT')
    }
    await expect
      .poll(
        () =>
          store.get('a').then(
            () => 'back',
            () => 'away',
          ),
        { timeout: 10_000 },
      )
      .toBe('back')
    store.close()
  })
})

describe('a served store', () => {
  let memory: MemoryStore
  let server: EtcdServer
  let store: EtcdStore
  beforeEach(async () => {
    memory = new MemoryStore()
    server = await serve(memory)
    store = connect(server.address)
  })
  afterEach(() => {
    store.close()
    server.close()
  })

  it('has a socket that only its owner may open, and leaves nothing beside it', () => {
    expect(statSync(join(folder, 's.sock')).mode & 0o777).toBe(0o600)
    expect(readdirSync(folder)).toEqual(['s.sock'])
    server.close()
    expect(readdirSync(folder)).toEqual([])
  })

  it('refuses a socket that is served already, and takes over a stale one', async () => {
    await expect(serve(new MemoryStore())).rejects.toThrow(/served by another process/)
    const path = join(folder, 's.sock')
    server.close()
    const die = `net.createServer().listen('${path}', () => process.kill(process.pid, 'SIGKILL'))`
    await new Promise((resolve) => spawn(process.execPath, ['-e', die]).once('exit', resolve))
    expect(statSync(path).isSocket()).toBe(true)
    server = await serve(memory)
    await expect(store.get('a')).resolves.toMatchObject({ row: undefined })
  })

  it('that is not there makes a call fail', async () => {
    server.close()
    await expect(store.get('a')).rejects.toBeInstanceOf(StoreUnavailable)
  })

  it('that comes back with its data lets a watch go on where it was', async () => {
    const seen: number[] = []
    const ends: string[] = []
    store.watch('', 0, {
      onEvents: (_, revision) => seen.push(revision),
      onEnd: (why) => ends.push(why),
    })
    await store.get('a')
    await expect
      .poll(() => {
        memory.commit([{ put: 'a', value: '' }])
        return seen.length
      })
      .toBeGreaterThan(0)
    server.close()
    memory.commit([{ put: 'missed', value: '' }])
    const missed = memory.revision
    server = await serve(memory)
    await expect.poll(() => seen.includes(missed), { timeout: 10_000 }).toBe(true)
    expect(seen).toEqual([...new Set(seen)].toSorted((a, b) => a - b))
    expect(ends).toEqual([])
  })

  it('that comes back empty ends a watch, so that the watcher lists anew', async () => {
    for (let at = 0; at < 10; at++) memory.commit([{ put: 'a', value: String(at) }])
    const ends: string[] = []
    const { revision } = await store.get('a')
    store.watch('', revision + 1, { onEvents() {}, onEnd: (why) => ends.push(why) })
    server.close()
    server = await serve(new MemoryStore(), 2)
    await expect.poll(() => ends, { timeout: 10_000 }).toEqual(['compacted'])
  })
})

describe.skipIf(!hasEtcdctl)('etcdctl on a served store', () => {
  let memory: MemoryStore
  let server: EtcdServer
  const environment = () => ({
    ...process.env,
    ETCDCTL_API: '3',
    ETCDCTL_ENDPOINTS: server.address,
  })
  const etcdctl = async (...words: string[]): Promise<string> =>
    (await promisify(execFile)('etcdctl', words, { env: environment() })).stdout
  beforeEach(async () => {
    memory = new MemoryStore()
    server = await serveEtcd({
      store: memory,
      address: '127.0.0.1:0',
      clusterId: 7,
      log: silentLog,
    })
  })
  afterEach(() => {
    server.close()
  })

  it('puts, gets, lists and deletes', async () => {
    expect(await etcdctl('put', '/a/1', 'one')).toBe('OK\n')
    await etcdctl('put', '/a/2', 'two')
    await etcdctl('put', '/b', 'three')
    expect(await etcdctl('get', '/a/1')).toBe('/a/1\none\n')
    expect(await etcdctl('get', '--prefix', '/a/', '--keys-only')).toBe('/a/1\n\n/a/2\n\n')
    expect(await etcdctl('get', '--prefix', '', '-w', 'fields')).toContain('"Count" : 3')
    expect(
      await etcdctl('get', '--from-key', '/a/2', '--order', 'DESCEND', '--print-value-only'),
    ).toBe('three\ntwo\n')
    expect(await etcdctl('get', '/a/1', '/b', '--limit', '1')).toBe('/a/1\none\n')
    expect(await etcdctl('del', '--prefix', '/a/', '--prev-kv')).toBe('2\n/a/1\none\n/a/2\ntwo\n')
    expect(memory.size).toBe(1)
  })

  it('does a transaction', async () => {
    memory.commit([{ put: 'k', value: 'v' }])
    const run = promisify(execFile)('etcdctl', ['txn'], { env: environment() })
    run.child.stdin!.end('value("k") = "v"\nmod("none") = "0"\n\nput k w\nget k\n\nget none\n\n')
    expect((await run).stdout).toBe('SUCCESS\n\nOK\n\nk\nw\n')
    const again = promisify(execFile)('etcdctl', ['txn'], { env: environment() })
    again.child.stdin!.end('version("k") > "5"\n\nput k x\n\nget k\n\n')
    expect((await again).stdout).toBe('FAILURE\n\nk\nw\n')
  })

  it('watches from a past revision and hears of compaction', async () => {
    memory.commit([{ put: '/w/a', value: '1' }])
    memory.commit([{ put: '/w/b', value: '2' }])
    const child = spawn('etcdctl', ['watch', '--prefix', '/w/', '--rev', '3', '--prev-kv'], {
      env: environment(),
    })
    let output = ''
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
    try {
      await expect.poll(() => output, { timeout: 5000 }).toBe('PUT\n/w/b\n2\n')
      memory.commit([{ delete: '/w/b' }])
      await expect.poll(() => output).toBe('PUT\n/w/b\n2\nDELETE\n/w/b\n2\n/w/b\n\n')
    } finally {
      child.kill('SIGKILL')
    }
    expect(await etcdctl('compaction', '4')).toContain('compacted revision 4')
    await expect(etcdctl('watch', '--prefix', '/w/', '--rev', '2')).rejects.toThrow(/compacted/)
    await expect(etcdctl('compaction', '4')).rejects.toThrow(/required revision has been compacted/)
  })

  it('reaches a unix socket by its name in the folder', async () => {
    memory.commit([{ put: 'k', value: 'v' }])
    const onSocket = await serve(memory)
    const words = ['--endpoints', 'unix://s.sock', 'get', 'k']
    const env = { ...process.env, ETCDCTL_API: '3' }
    const { stdout } = await promisify(execFile)('etcdctl', words, { cwd: folder, env })
    expect(stdout).toBe('k\nv\n')
    onSocket.close()
  })

  it('asks for the status', async () => {
    expect(await etcdctl('endpoint', 'status', '-w', 'fields')).toContain('"Revision" : 1')
    expect(await etcdctl('endpoint', 'health')).toBe('')
  })

  it('reads the past until it is compacted away', async () => {
    memory.commit([{ put: 'a', value: '1' }])
    memory.commit([{ put: 'a', value: '2' }])
    memory.commit([{ delete: 'a' }])
    expect(await etcdctl('get', 'a', '--rev', '2')).toBe('a\n1\n')
    expect(await etcdctl('get', '--prefix', '', '--rev', '3')).toBe('a\n2\n')
    expect(await etcdctl('get', 'a')).toBe('')
    await expect(etcdctl('get', 'a', '--rev', '9')).rejects.toThrow(/future revision/)
    await etcdctl('compaction', '3')
    await expect(etcdctl('get', 'a', '--rev', '2')).rejects.toThrow(/compacted/)
    expect(await etcdctl('get', 'a', '--rev', '3')).toBe('a\n2\n')
  })

  it('is refused what the store cannot do', async () => {
    await expect(etcdctl('lease', 'grant', '10')).rejects.toThrow(/Unimplemented|not implement/i)
    await expect(etcdctl('put', '', 'x')).rejects.toThrow(/key is not provided/)
  })
})
