import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { address, cable, echoRequest, encapsulate } from '../../../kernel/kernel.contract.ts'
import { ip } from '../../../net/ip-address.ts'
import { prefix } from '../../../net/prefix.ts'
import type { LinuxKernel } from '../linux-kernel.ts'
import { createLinuxMachine, type LinuxMachine } from '../machine.ts'
import { until } from '../testing/until.ts'
import { guardTunnel, readTunnelDrops } from './tunnel.ts'

const isRoot = process.getuid?.() === 0
if (!isRoot) console.log('Skipped: guards of the kernel’s tunnel need root')

describe.skipIf(!isRoot)('a guard of the kernel’s tunnel', () => {
  let machine: LinuxMachine
  let node: LinuxKernel
  let other: LinuxKernel
  let link: number

  beforeEach(() => {
    machine = createLinuxMachine()
    ;[node, other] = ['n', 'o'].map((suffix) => {
      const kernel = machine.createNamespace(`guard${process.pid}${suffix}`)
      kernel.changeLink(kernel.link('lo')!.index, { up: true })
      return kernel
    }) as [LinuxKernel, LinuxKernel]
    const { near, far } = cable(node, 'eth0', other, 'eth0')
    link = near.index
    address(node, near, '10.1.0.1', 24)
    address(other, far, '10.1.0.2', 24)
    address(other, far, '10.1.0.3', 24)
  })
  afterEach(() => {
    for (const kernel of [node, other]) machine.deleteNamespace(kernel.name)
    machine.close()
  })

  const guard = (...senders: readonly string[]): void =>
    guardTunnel(node, {
      localAddress: ip('10.1.0.1'),
      underlays: [link],
      senders: senders.map(prefix),
    })
  const dropped = (): number | undefined =>
    readTunnelDrops(node, node.link('eth0')!).get('stranger')
  const received = (): number => node.counters().get('Ip.InReceives')!

  /** Sends packets, then a ping, whose answer says that all have come. Answers how many IP was given. */
  async function countReceived(...packets: readonly Uint8Array[]): Promise<number> {
    const before = received()
    let answers = 0
    const { index } = other.link('eth0')!
    const capture = other.capture({ linkIndex: index }, ({ direction, octets }) => {
      if (direction === 'in' && octets[9] === 1 && octets[20] === 0) answers++
    })
    for (const packet of packets) other.sendPacket(packet)
    other.sendPacket(echoRequest({ source: '10.1.0.2', destination: '10.1.0.1' }))
    await until(() => answers > 0, 'the answer')
    capture.close()
    return received() - before - 1
  }

  it('drops and counts IPIP from strangers, fragments included, and nothing else', async () => {
    const inner = echoRequest({ source: '10.9.0.1', destination: '10.9.0.2' })
    const fromNode = encapsulate('10.1.0.2', '10.1.0.1', inner)
    const fromStranger = encapsulate('10.1.0.3', '10.1.0.1', inner)
    const fragment = fromStranger.slice()
    fragment[6] = 0x20
    expect(await countReceived(fromNode, fromStranger, fragment)).toBe(3)
    expect(dropped()).toBeUndefined()
    guard('10.1.0.2/32')
    expect(await countReceived(fromNode, fromStranger, fragment)).toBe(1)
    expect(dropped()).toBe(2)
  })

  it('is told of nodes that come and go, and goes on counting', async () => {
    const packet = encapsulate('10.1.0.3', '10.1.0.1', new Uint8Array(20))
    guard('10.1.0.2/32')
    expect(await countReceived(packet)).toBe(0)
    guard('10.1.0.2/32', '10.1.0.3/32')
    expect(await countReceived(packet)).toBe(1)
    guard()
    expect(await countReceived(packet)).toBe(0)
    expect(dropped()).toBe(2)
  })

  it('is told of networks, also of one that a single sender lies in', async () => {
    const packets = ['10.1.0.2', '10.1.0.3'].map((source) =>
      encapsulate(source, '10.1.0.1', new Uint8Array(20)),
    )
    guard('10.1.0.2/31', '10.1.0.3/32', 'fd00::/8')
    expect(await countReceived(...packets)).toBe(2)
    guard('10.1.0.3/32')
    expect(await countReceived(...packets)).toBe(1)
    guard('10.1.0.0/31')
    expect(await countReceived(...packets)).toBe(0)
    guard('0.0.0.0/0')
    expect(await countReceived(...packets)).toBe(2)
    expect(dropped()).toBe(3)
  })
})
