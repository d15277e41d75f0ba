import { existsSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually } from '../support/command.ts'
import { canRunLabs } from '../lab/tortie.ts'
import { RuntimeHost, unpackedRoots } from './runtime-host.ts'

const what = 'containerd'
const roots = canRunLabs(what)
  ? unpackedRoots('containerd', 'containernetworking-plugins', 'iptables', 'busybox-static')
  : { missing: 'it needs a lab' }
if ('missing' in roots) console.log(`${what}: skipped, ${roots.missing}`)

/** Debian's containerd, whose `ctr run --cni` calls the plugin by Go's library. */
describe.skipIf('missing' in roots)('containers of containerd', () => {
  let host: RuntimeHost

  beforeAll(async () => {
    host = new RuntimeHost('ctr', roots, [])
    const socket = host.path('c.sock')
    host.start(
      'containerd',
      '--root',
      host.path('lib'),
      '--state',
      host.path('run'),
      '--address',
      socket,
    )
    await eventually('containerd', 5, () => existsSync(socket) && ctr('version').status === 0)
  })

  afterAll(async () => {
    for (const name of ['web1', 'web2']) end(name)
    await host.close()
  })

  const ctr = (...args: readonly string[]) => host.try('ctr', '-a', host.path('c.sock'), ...args)
  const start = (name: string): void => {
    const rootfs = host.path('rootfs')
    const { status, stderr } = ctr(
      'run',
      '-d',
      '--cni',
      '--rootfs',
      rootfs,
      name,
      '/bin/sleep',
      '600',
    )
    expect([status, stderr]).toEqual([0, ''])
  }
  const inside = (name: string, ...program: readonly string[]): string =>
    ctr('tasks', 'exec', '--exec-id', `x${Math.random()}`.replace('.', ''), name, ...program).stdout
  const end = (name: string): void => {
    ctr('tasks', 'kill', '-s', 'SIGKILL', name)
    ctr('tasks', 'delete', '-f', name)
    ctr('containers', 'delete', name)
  }

  it('talk to pods of other nodes, each for itself though their names begin alike', () => {
    start('web1')
    start('web2')
    for (const name of ['web1', 'web2']) {
      expect(inside(name, '/bin/ping', '-c1', '-W2', '10.211.1.4')).toContain('ttl=62')
    }
    expect(host.left().filter((each) => each.startsWith('cali'))).toHaveLength(2)
  })

  it('are taken away with the container that ends by itself', () => {
    const before = host.left()
    const { stdout, status } = ctr(
      'run',
      '--rm',
      '--cni',
      '--rootfs',
      host.path('rootfs'),
      'My_App.1',
      '/bin/ping',
      '-c1',
      '-W2',
      '10.211.1.4',
    )
    expect(stdout).toContain('ttl=62')
    expect(status).toBe(0)
    expect(host.left()).toEqual(before)
  })
})
