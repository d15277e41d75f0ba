import { execFileSync } from 'node:child_process'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Route } from '../../kernel/kernel.ts'
import { ip } from '../../net/ip-address.ts'
import { prefix } from '../../net/prefix.ts'
import { createLinuxMachine, type LinuxMachine } from './machine.ts'
import { type LinuxKernel } from './linux-kernel.ts'

const isRoot = process.getuid?.() === 0
if (!isRoot) console.log('Skipped: tests of the real kernel need root')

const json = (...args: string[]): unknown =>
  JSON.parse(execFileSync('ip', ['-j', ...args], { encoding: 'utf8' }))

describe.skipIf(!isRoot)('the real kernel', () => {
  let machine: LinuxMachine
  let a: LinuxKernel
  let b: LinuxKernel
  const nameA = `tt${process.pid}a`
  const nameB = `tt${process.pid}b`

  beforeAll(() => {
    machine = createLinuxMachine()
    a = machine.createNamespace(nameA)
    b = machine.createNamespace(nameB)
  })
  afterAll(() => {
    machine.deleteNamespace(nameA)
    machine.deleteNamespace(nameB)
    machine.close()
  })

  it('makes namespaces that ip netns knows', () => {
    const listed = json('netns', 'list') as { name: string }[]
    expect(listed.map(({ name }) => name)).toEqual(expect.arrayContaining([nameA, nameB]))
    expect(() => machine.createNamespace(nameA)).toThrow(`Create namespace ${nameA}: EEXIST`)
  })

  it("tells the kernel's own explanation of a refusal", () => {
    const link = a.createLink({ kind: 'veth', name: 'veth0', peer: { name: 'eth0', kernel: b } })
    a.changeLink(link.index, { up: true })
    const route: Route = {
      destination: prefix('10.0.0.0/24'),
      type: 'unicast',
      table: 254,
      protocol: 4,
      scope: 'global',
      priority: 0,
      nextHops: [{ linkIndex: link.index, gateway: ip('10.9.9.9') }],
    }
    expect(() => a.addRoute(route)).toThrow(
      `Add route 10.0.0.0/24 via 10.9.9.9 dev ${link.index} on ${nameA}: ` +
        'Nexthop has invalid gateway: ENETUNREACH',
    )
  })
})
