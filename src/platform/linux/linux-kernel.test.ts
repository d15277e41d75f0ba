import { Secret } from '../../lib/secret.ts'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readlinkSync, writeFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import koffi from 'koffi'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type KernelEvent, type Link, type Route, ROUTE_TABLE } from '../../kernel/kernel.ts'
import { debugSwitches } from '../../lib/debug-topics.ts'
import { silentLog } from '../../lib/log.ts'
import { ip } from '../../net/ip-address.ts'
import { mac } from '../../net/mac-address.ts'
import { prefix } from '../../net/prefix.ts'
import type { LinuxKernel } from './linux-kernel.ts'
import { createLinuxMachine, type LinuxMachine } from './machine.ts'
import { until } from './testing/until.ts'

const isRoot = process.getuid?.() === 0
if (!isRoot) console.log('Skipped: tests of the real kernel need root')

/** Lowers this process's limit of descriptors; answers what puts it back. */
function limitDescriptors(count: number): () => void {
  const RLIMIT_NOFILE = 7
  const library = koffi.load('libc.so.6')
  const get = library.func('int getrlimit(int, void *)')
  const set = library.func('int setrlimit(int, void *)')
  const before = Buffer.alloc(16)
  get(RLIMIT_NOFILE, before)
  const lower = Buffer.from(before)
  lower.writeBigUInt64LE(BigInt(count))
  set(RLIMIT_NOFILE, lower)
  return () => void set(RLIMIT_NOFILE, before)
}

describe.skipIf(!isRoot)('the real kernel', () => {
  let machine: LinuxMachine
  let a: LinuxKernel
  let b: LinuxKernel
  let home: string
  const nameA = `lk${process.pid}-a`
  const nameB = `lk${process.pid}-b`

  beforeEach(() => {
    home = readlinkSync('/proc/thread-self/ns/net')
    machine = createLinuxMachine()
    a = machine.createNamespace(nameA)
    b = machine.createNamespace(nameB)
  })
  afterEach(() => {
    machine.deleteNamespace(nameA)
    machine.deleteNamespace(nameB)
    machine.close()
    expect(readlinkSync('/proc/thread-self/ns/net')).toBe(home)
  })

  /** What Debian's ip says of the same namespace. */
  function witness<Row>(...args: string[]): Row[] {
    return JSON.parse(execFileSync('ip', ['-n', nameA, '-d', '-j', ...args], { encoding: 'utf8' }))
  }

  function cable(): Link {
    const { index } = a.createLink({
      kind: 'veth',
      name: 'cali123',
      mtu: 1450,
      macAddress: mac('ee:ee:ee:ee:ee:ee'),
      peer: { name: 'eth0', kernel: b },
    })
    a.changeLink(index, { up: true })
    b.changeLink(b.link('eth0')!.index, { up: true })
    return a.link('cali123')!
  }

  function route(destination: string, link: Link, more: Partial<Route> = {}): Route {
    return {
      destination: prefix(destination),
      type: 'unicast',
      table: ROUTE_TABLE.main,
      protocol: 12,
      scope: 'link',
      priority: 0,
      nextHops: [{ linkIndex: link.index }],
      ...more,
    }
  }

  it('makes namespaces that ip netns knows, and deletes those of ip netns', () => {
    const list = (): string =>
      execFileSync('ip', ['netns', 'list'], { encoding: 'utf8' }).replaceAll(/ \(id.*\)/g, '')
    expect(list().split('\n')).toEqual(expect.arrayContaining([nameA, nameB]))
    const foreign = `lk${process.pid}-c`
    execFileSync('ip', ['netns', 'add', foreign])
    expect(machine.openNamespace(foreign).link('lo')?.up).toBe(false)
    machine.deleteNamespace(foreign)
    expect(list().split('\n')).not.toContain(foreign)
  })

  it('makes what ip shows', () => {
    const link = cable()
    a.addAddress({
      linkIndex: link.index,
      address: ip('10.1.0.1'),
      prefixLength: 24,
      scope: 'global',
    })
    a.addRoute(route('10.211.0.6/32', link))
    a.addRoute(route('10.211.0.0/24', link, { type: 'blackhole', scope: 'global', nextHops: [] }))
    a.setNeighbor({
      linkIndex: link.index,
      address: ip('10.1.0.2'),
      macAddress: mac('02:00:00:00:00:02'),
      state: 'permanent',
    })
    expect(witness('link', 'show', 'cali123')).toMatchObject([
      {
        mtu: 1450,
        address: 'ee:ee:ee:ee:ee:ee',
        linkinfo: { info_kind: 'veth' },
        flags: expect.arrayContaining(['UP', 'LOWER_UP']),
      },
    ])
    expect(witness('addr', 'show', 'cali123')).toMatchObject([
      { addr_info: expect.arrayContaining([expect.objectContaining({ local: '10.1.0.1' })]) },
    ])
    expect(witness('route', 'show')).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ type: 'blackhole', dst: '10.211.0.0/24', protocol: 'bird' }),
        expect.objectContaining({ dst: '10.211.0.6', dev: 'cali123', scope: 'link' }),
      ]),
    )
    expect(witness('neigh', 'show')).toMatchObject([
      { dst: '10.1.0.2', lladdr: '02:00:00:00:00:02', state: ['PERMANENT'] },
    ])
  })

  it('reads what ip makes', () => {
    const link = cable()
    const run = (text: string): void => {
      execFileSync('ip', ['-n', nameA, ...text.split(' ')])
    }
    run('addr add 10.1.0.1/24 dev cali123')
    run('route add 10.2.0.0/16 via 10.1.0.2 mtu 1300 metric 9 proto static')
    run('route add 10.3.0.0/16 via 192.0.2.1 dev cali123 onlink table 4000')
    run('rule add from 10.1.0.0/24 fwmark 0x1/0xf table 4000 priority 50')
    expect(a.routes({ family: 4 })).toContainEqual(
      route('10.2.0.0/16', link, {
        protocol: 4,
        scope: 'global',
        priority: 9,
        mtu: 1300,
        nextHops: [{ linkIndex: link.index, gateway: ip('10.1.0.2') }],
      }),
    )
    expect(a.routes({ table: 4000 })).toMatchObject([
      { nextHops: [{ gateway: '192.0.2.1', onlink: true }] },
    ])
    expect(a.rules(4)).toContainEqual({
      family: 4,
      priority: 50,
      table: 4000,
      source: '10.1.0.0/24',
      mark: 1,
      markMask: 15,
    })
  })

  it('opens namespaces by the path of a process', async () => {
    const child = spawn('ip', ['netns', 'exec', nameA, 'sleep', '60'])
    await once(child, 'spawn')
    const own = readlinkSync('/proc/self/ns/net')
    const path = `/proc/${child.pid}/ns/net`
    // `ip` enters the namespace a moment after it was started.
    await until(() => readlinkSync(path) !== own, 'the process to enter its namespace')
    a.createLink({ kind: 'bridge', name: 'br7' })
    const kernel = machine.openNamespace(path)
    expect(kernel.name).toBe(path)
    expect(kernel.link('br7')?.kind).toBe('bridge')
    expect(machine.openNamespace(`/var/run/netns/${nameA}`).link('br7')?.kind).toBe('bridge')
    child.kill()
    await once(child, 'exit')
  })

  it("sees its own process's namespace", () => {
    const kernel = machine.openNamespace('/proc/self/ns/net')
    const shown = JSON.parse(execFileSync('ip', ['-j', 'link'], { encoding: 'utf8' }))
    const names = (shown as { ifname: string }[]).map(({ ifname }) => ifname)
    expect(kernel.links().map(({ name }) => name)).toEqual(expect.arrayContaining(names))
    expect(kernel.link('lo')?.up).toBe(true)
  })

  it("tells the kernel's own explanation of a refusal", () => {
    const link = cable()
    const nextHops = [{ linkIndex: link.index, gateway: ip('10.9.9.9') }]
    expect(() => a.addRoute(route('10.0.0.0/24', link, { scope: 'global', nextHops }))).toThrow(
      `Add route 10.0.0.0/24 via 10.9.9.9 dev ${link.index} on ${nameA}: ` +
        'Nexthop has invalid gateway: ENETUNREACH',
    )
    expect(() => a.createLink({ kind: 'bridge', name: 'a/b' })).toThrow(
      `Create link a/b (bridge) on ${nameA}`,
    )
    expect(() => a.createLink({ kind: 'tun', name: 'sixteen-octets-x' })).toThrow('EINVAL')
  })

  it('tells of what it asks of the kernel while that topic is on', () => {
    const told: unknown[] = []
    const topics = debugSwitches()
    const tell = (_: string, message: string, fields: object): number =>
      told.push([message, fields])
    const telling = createLinuxMachine({ ...silentLog, topics, tell })
    const kernel = telling.openNamespace(nameA)
    kernel.link('lo')
    expect(told).toEqual([])
    topics.netlink = true
    expect(kernel.link('absent')).toBe(undefined)
    telling.close()
    const request = `Look up link absent on ${nameA}`
    const refusal = { request, type: 18, errno: 'ENODEV', error: `${request}: ENODEV` }
    expect(told).toEqual([
      ['Request to the kernel', { request, type: 18, octets: expect.any(Number) as number }],
      ['Refused by the kernel', refusal],
    ])
  })

  it('lists 10,000 routes whole while others change them', async () => {
    const link = cable()
    for (let count = 0; count < 10_000; count++) {
      a.addRoute(route(`10.${100 + (count >> 8)}.${count & 255}.1/32`, link))
    }
    const batch = join(tmpdir(), `lk${process.pid}.batch`)
    const lines = Array.from({ length: 4000 }, (_, at) => {
      const change = `10.99.${(at >> 1) & 255}.0/24`
      return at % 2 === 0 ? `route add ${change} dev cali123` : `route del ${change} dev cali123`
    })
    writeFileSync(batch, `${lines.join('\n')}\n`)
    const child = spawn('ip', ['-n', nameA, '-batch', batch], { stdio: 'inherit' })
    let ended = false
    child.on('exit', () => (ended = true))
    let dumps = 0
    while (!ended) {
      const destinations = a.routes({ family: 4, protocol: 12 }).map((each) => each.destination)
      expect(destinations).toHaveLength(10_000)
      expect(new Set(destinations).size).toBe(10_000)
      dumps++
      await new Promise((resolve) => setImmediate(resolve))
    }
    rmSync(batch)
    expect(dumps).toBeGreaterThan(0)
  })

  it('lists addresses whole while others change them', async () => {
    const link = cable()
    for (let count = 0; count < 1000; count++) {
      const address = ip(`10.1.${count >> 8}.${count & 255}`)
      a.addAddress({ linkIndex: link.index, address, prefixLength: 32, scope: 'global' })
    }
    const batch = join(tmpdir(), `lk${process.pid}.batch`)
    const lines = Array.from({ length: 4000 }, (_, at) =>
      at % 2 === 0 ? 'addr add 10.2.0.1/32 dev lo' : 'addr del 10.2.0.1/32 dev lo',
    )
    writeFileSync(batch, `${lines.join('\n')}\n`)
    const child = spawn('ip', ['-n', nameA, '-batch', batch], { stdio: 'inherit' })
    let ended = false
    child.on('exit', () => (ended = true))
    while (!ended) {
      const own = a.addresses().filter(({ address }) => address.startsWith('10.1.'))
      expect(own).toHaveLength(1000)
      await new Promise((resolve) => setImmediate(resolve))
    }
    rmSync(batch)
  })

  it('says that notifications were lost', async () => {
    const link = cable()
    const events: KernelEvent[] = []
    a.watch((event) => events.push(event))
    // The event loop does not turn meanwhile, so the kernel's buffer fills.
    for (let count = 0; count < 40_000; count++) {
      a.addRoute(route('10.7.0.0/24', link))
      a.deleteRoute(route('10.7.0.0/24', link))
    }
    await until(() => events.some(({ kind }) => kind === 'overrun'), 'the overrun')
    // And goes on afterwards.
    const before = events.length
    a.addRoute(route('10.8.0.0/24', link))
    await until(
      () => events.slice(before).some((event) => JSON.stringify(event).includes('10.8.0.0/24')),
      'the next event',
    )
  })

  it('leaves no descriptor open', async () => {
    const descriptors = (): string[] => readdirSync('/proc/self/fd')
    const link = cable()
    a.addAddress({
      linkIndex: link.index,
      address: ip('10.1.0.1'),
      prefixLength: 24,
      scope: 'global',
    })
    a.changeLink(a.link('lo')!.index, { up: true })
    const before = descriptors()
    for (let round = 0; round < 20; round++) {
      const kernel = machine.openNamespace(nameA)
      kernel.links()
      kernel.watch(() => {})
      kernel.capture({ linkIndex: link.index }, () => {})
      const packet = new Uint8Array(20)
      packet.set([0x45, 0, 0, 20, 0, 0, 0, 0, 1, 253, 0, 0, 0, 0, 0, 0, 10, 1, 0, 9])
      kernel.sendPacket(packet)
      const remote = { address: ip('10.1.0.1'), port: 4000 }
      let accepted = 0
      kernel.tcp.listen({ family: 4, port: 4000 }, () => accepted++)
      kernel.tcp.connect({ remote }, { onData() {}, onClose() {} })
      await until(() => accepted === 1, 'the connection')
      kernel.tcp.connect({ remote: { ...remote, port: 4001 } }, { onData() {}, onClose() {} })
      kernel.udp.bind({ family: 4, port: 4000 }, () => {})
      expect(() => kernel.udp.bind({ family: 4, port: 4000 }, () => {})).toThrow('EADDRINUSE')
      expect(() => kernel.capture({ linkIndex: 4711 }, () => {})).toThrow('ENODEV')
      kernel.close()
      kernel.close()
    }
    // Node closes its sockets in the turn after.
    await until(() => descriptors().length <= before.length, 'descriptors to be closed')
  })

  it('takes keys for the neighbors of a whole prefix, and takes them off again', async () => {
    const link = cable()
    const far = b.link('eth0')!
    a.addAddress({
      linkIndex: link.index,
      address: ip('10.1.0.1'),
      prefixLength: 24,
      scope: 'global',
    })
    b.addAddress({
      linkIndex: far.index,
      address: ip('10.1.0.2'),
      prefixLength: 24,
      scope: 'global',
    })
    let accepted = 0
    const listener = b.tcp.listen({ family: 4, port: 179 }, () => accepted++)
    listener.setMd5Key(ip('10.1.0.0'), new Secret('secret'), 24)
    const remote = { address: ip('10.1.0.2'), port: 179 }
    const handlers = { onData() {}, onClose() {} }
    const pending = a.tcp.connect({ remote }, handlers)
    a.tcp.connect({ remote, md5Key: new Secret('secret'), interface: 'cali123' }, handlers)
    await until(() => accepted === 1, 'the connection with the key')
    pending.destroy()
    listener.setMd5Key(ip('10.1.0.0'), undefined, 24)
    listener.setMd5Key(ip('10.1.0.0'), undefined, 24)
    a.tcp.connect({ remote }, handlers)
    await until(() => accepted === 2, 'the connection without a key')
    expect(() => listener.setMd5Key(ip('10.1.0.1'), new Secret('x'.repeat(81)))).toThrow(
      '80 octets',
    )
  })

  it('takes connections again after there was no descriptor for one', async () => {
    a.changeLink(a.link('lo')!.index, { up: true })
    let accepted = 0
    a.tcp.listen({ family: 4, port: 4000 }, () => accepted++)
    const remote = { address: ip('127.0.0.1'), port: 4000 }
    const handlers = { onData() {}, onClose() {} }
    a.tcp.connect({ remote }, handlers)
    await until(() => accepted === 1, 'the first connection')
    a.tcp.connect({ remote }, handlers)
    // No descriptor is left, so that the waiting connection finds none.
    const restore = limitDescriptors(3)
    try {
      await new Promise((resolve) => setImmediate(resolve))
      await new Promise((resolve) => setImmediate(resolve))
      expect(accepted).toBe(1)
    } finally {
      restore()
    }
    await until(() => accepted === 2, 'the second connection')
  })

  it('goes on watching when memory is collected', async () => {
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    const link = cable()
    let count = 0
    a.watch(() => count++)
    for (let round = 0; round < 5; round++) {
      collect()
      await new Promise((resolve) => setImmediate(resolve))
    }
    const before = count
    a.addRoute(route('10.8.0.0/24', link))
    await until(() => count > before, 'the event')
  })

  it('refuses to work when closed', () => {
    a.close()
    expect(() => a.links()).toThrow(`The kernel of ${nameA} is closed`)
  })
})
