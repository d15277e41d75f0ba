import { beforeEach, describe, expect, it } from 'vitest'
import type { Kernel } from '../../kernel/kernel.ts'
import { createSimulatedMachine } from '../../kernel/sim/machine.ts'
import { VirtualClock } from '../../lib/clock.ts'
import { silentLog } from '../../lib/log.ts'
import { SeededRandom } from '../../lib/random.ts'
import { newResource } from '../../model/parse-resource.ts'
import { ip } from '../../net/ip-address.ts'
import { mac } from '../../net/mac-address.ts'
import { ensureVxlanDevice, removeVxlanDevice } from './vxlan-device.ts'
import { VxlanPeers } from './vxlan-peers.ts'
import { type TunnelEnd, vtepMac, type VxlanDevice } from './vxlan-settings.ts'

const wanted: VxlanDevice = {
  mtu: 1450,
  vni: 4096,
  port: 4789,
  macAddress: mac('66:00:00:00:00:01'),
  address: ip('10.0.0.1'),
  localAddress: ip('192.0.2.1'),
}

let clock: VirtualClock
let kernel: Kernel
let uplink: number

beforeEach(() => {
  clock = new VirtualClock()
  const machine = createSimulatedMachine({ clock, random: new SeededRandom(1) })
  kernel = machine.createNamespace('node')
  const peer = { name: 'port', kernel: machine.createNamespace('lan') }
  uplink = kernel.createLink({ kind: 'veth', name: 'ens33', peer }).index
  kernel.changeLink(uplink, { up: true })
})

const ensure = (device = wanted) => ensureVxlanDevice(kernel, device, uplink, silentLog).link
const own = () =>
  kernel.addresses().flatMap(({ address }) => (address.startsWith('10.') ? address : []))

describe('vxlan.calico', () => {
  it('is made as it should be, and left alone when it is', async () => {
    expect(ensure()).toMatchObject({ kind: 'vxlan', mtu: 1450, up: true })
    expect(own()).toEqual(['10.0.0.1'])
    await clock.advance(10_000)
    const events: string[] = []
    kernel.watch(({ kind }) => events.push(kind))
    ensure()
    await clock.advance(10)
    expect(events).toEqual([])
  })

  it('follows what changes, made anew only where it must be', () => {
    const first = ensure()!
    const changed = { ...wanted, mtu: 1400, macAddress: mac('66:00:00:00:00:02') }
    expect(ensure({ ...changed, address: ip('10.0.0.9') })).toMatchObject({
      index: first.index,
      mtu: 1400,
      macAddress: '66:00:00:00:00:02',
    })
    expect(own()).toEqual(['10.0.0.9'])
    expect(ensure({ ...wanted, vni: 7 })).toMatchObject({ vxlan: { vni: 7 } })
    expect(kernel.link('vxlan.calico')!.index).not.toBe(first.index)
  })

  it('stays as it is where the kernel refuses its MTU, and is made all the same', () => {
    const keep = (mtu: number) => ensureVxlanDevice(kernel, { ...wanted, mtu }, uplink, silentLog)
    expect(keep(9000)).toMatchObject({
      link: { up: true, mtu: 1450 },
      refused: [expect.stringContaining('MTU 9000')],
    })
    expect(keep(1400)).toMatchObject({ link: { mtu: 1400 }, refused: [] })
    expect(keep(5)).toMatchObject({ link: { up: true, mtu: 1400 } })
    expect(keep(5).refused).toEqual([expect.stringContaining('MTU 5')])
  })

  it('goes when it is not needed, and is not missed twice', () => {
    ensure()
    removeVxlanDevice(kernel)
    expect(kernel.link('vxlan.calico')).toBeUndefined()
    removeVxlanDevice(kernel)
  })

  it('has the MAC address that the Node says, else one of the name, the same on every node', () => {
    expect(vtepMac('server01', undefined)).toBe('66:36:5c:54:4c:62')
    const spec = { vxlanTunnelMACAddr: '66:AA:00:00:00:01' }
    const node = newResource({ kind: 'Node', metadata: { name: 'server01' }, spec })
    expect(vtepMac('server01', node)).toBe('66:aa:00:00:00:01')
  })
})

describe('what is known of other nodes', () => {
  const end = (at: number): TunnelEnd => ({
    address: ip(`192.0.2.${at}`),
    tunnelAddress: ip(`10.0.${at}.1`),
    macAddress: mac(`66:00:00:00:00:0${at}`),
  })
  let peers: VxlanPeers
  let index: number

  beforeEach(() => {
    index = ensure()!.index
    peers = new VxlanPeers(kernel)
  })

  const settle = (): void => {
    peers.write()
    peers.sweep()
  }
  const known = () => [
    ...kernel.forwardingEntries(index).map((row) => `${row.macAddress} ${row.remoteAddress}`),
    ...kernel
      .neighbors()
      .filter(({ linkIndex, address }) => linkIndex === index && !address.includes(':'))
      .map((row) => `${row.address} ${row.macAddress} ${row.state}`),
  ]
  const rows = (at: number) => [
    `66:00:00:00:00:0${at} 192.0.2.${at}`,
    `10.0.${at}.1 66:00:00:00:00:0${at} permanent`,
  ]

  it('comes and goes with them', () => {
    peers.setDesired(index, [end(2), end(3)])
    settle()
    expect(known().toSorted()).toEqual([...rows(2), ...rows(3)].toSorted())
    peers.setDesired(index, [end(3), { ...end(4), tunnelAddress: undefined }])
    settle()
    expect(known().toSorted()).toEqual(rows(3).toSorted())
  })

  it('is found by an agent that starts, which removes strangers and writes nothing that is right', async () => {
    peers.setDesired(index, [end(2), end(3)])
    settle()
    await clock.advance(10)
    const events: unknown[] = []
    kernel.watch((event) => events.push(event))
    const next = new VxlanPeers(kernel)
    next.setDesired(index, [end(2)])
    next.write()
    next.sweep()
    await clock.advance(10)
    expect(events).toMatchObject([
      { kind: 'neighbor', neighbor: { address: '10.0.3.1' } },
      { kind: 'forwarding', change: 'removed', entry: { remoteAddress: '192.0.2.3' } },
    ])
  })

  it('is mended when it is taken away or changed', async () => {
    peers.setDesired(index, [end(2)])
    settle()
    await clock.advance(10)
    const mends: boolean[] = []
    kernel.watch((event) => {
      if (event.kind === 'neighbor' || event.kind === 'forwarding') mends.push(peers.observe(event))
    })
    const { macAddress } = end(2)
    kernel.deleteForwardingEntry({ linkIndex: index, macAddress })
    kernel.setNeighbor({
      linkIndex: index,
      address: ip('10.0.2.1'),
      macAddress: mac('66:00:00:00:00:99'),
      state: 'permanent',
    })
    await clock.advance(10)
    expect(mends).toEqual([true, true])
    settle()
    expect(known().toSorted()).toEqual(rows(2).toSorted())
  })
})
