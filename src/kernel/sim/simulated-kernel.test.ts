import { beforeEach, describe, expect, it } from 'vitest'
import { VirtualClock } from '../../lib/clock.ts'
import { SeededRandom } from '../../lib/random.ts'
import { ip, ipv4ToNumber } from '../../net/ip-address.ts'
import { prefix } from '../../net/prefix.ts'
import { describe as describeOctets } from '../../wire/packet/describe.ts'
import { dissect } from '../../wire/packet/dissect.ts'
import * as icmp from '../../wire/packet/icmp.ts'
import * as ipv4 from '../../wire/packet/ipv4.ts'
import type { Kernel, Link, Route } from '../kernel.ts'
import { oneRuleTable } from '../testing/one-rule-table.ts'
import { createSimulatedMachine, type SimulatedMachine } from './machine.ts'
import { Reachability } from './reachability.ts'

/**
 *   pod-a 10.211.0.6 -- host-a 172.16.1.1 -- router -- 172.16.2.1 host-b -- pod-b 10.211.1.4
 *
 * The hosts are in two networks and reach each other's pods through tunl0.
 */
describe('two hosts in two networks with a tunnel', () => {
  let clock: VirtualClock
  let machine: SimulatedMachine
  let podA: Kernel
  let hostA: Kernel
  let hostB: Kernel
  let podB: Kernel
  let router: Kernel

  beforeEach(() => {
    clock = new VirtualClock()
    machine = createSimulatedMachine({ clock, random: new SeededRandom(4) })
    ;[podA, hostA, router, hostB, podB] = ['pod-a', 'host-a', 'router', 'host-b', 'pod-b'].map(
      (name) => {
        const kernel = machine.createNamespace(name)
        kernel.changeLink(kernel.link('lo')!.index, { up: true })
        return kernel
      },
    ) as Kernel[] as [Kernel, Kernel, Kernel, Kernel, Kernel]
    for (const kernel of [hostA, router, hostB]) kernel.writeSysctl('ipv4.ip_forward', '1')
    cable(hostA, 'ens33', '172.16.1.1/24', router, 'eth0', '172.16.1.254/24')
    cable(hostB, 'ens33', '172.16.2.1/24', router, 'eth1', '172.16.2.254/24')
    route(hostA, '172.16.2.0/24', 'ens33', '172.16.1.254')
    route(hostB, '172.16.1.0/24', 'ens33', '172.16.2.254')
    attach(hostA, podA, '10.211.0.6')
    attach(hostB, podB, '10.211.1.4')
    tunnel(hostA, '10.211.0.1', '10.211.1.0/24', '172.16.2.1')
    tunnel(hostB, '10.211.1.1', '10.211.0.0/24', '172.16.1.1')
  })

  it('carries packets inside an outer header whose TTL is the inner one', async () => {
    const points = [
      record(podA, 'eth0'),
      record(hostA, 'cali'),
      record(hostA, 'tunl0'),
      record(hostA, 'ens33'),
      record(hostB, 'ens33'),
      record(hostB, 'tunl0'),
      record(podB, 'eth0'),
    ]
    podA.sendPacket(echo('10.211.0.6', '10.211.1.4'))
    await clock.advance(1000)
    expect(points.map((point) => point.lines())).toEqual([
      ['out 64 10.211.0.6 > 10.211.1.4', 'in 62 10.211.1.4 > 10.211.0.6'],
      ['in 64 10.211.0.6 > 10.211.1.4', 'out 62 10.211.1.4 > 10.211.0.6'],
      ['out 63 10.211.0.6 > 10.211.1.4', 'in 63 10.211.1.4 > 10.211.0.6'],
      [
        'out 63 172.16.1.1 > 172.16.2.1 (63 10.211.0.6 > 10.211.1.4)',
        'in 62 172.16.2.1 > 172.16.1.1 (63 10.211.1.4 > 10.211.0.6)',
      ],
      [
        'in 62 172.16.1.1 > 172.16.2.1 (63 10.211.0.6 > 10.211.1.4)',
        'out 63 172.16.2.1 > 172.16.1.1 (63 10.211.1.4 > 10.211.0.6)',
      ],
      ['in 63 10.211.0.6 > 10.211.1.4', 'out 63 10.211.1.4 > 10.211.0.6'],
      ['in 62 10.211.0.6 > 10.211.1.4', 'out 64 10.211.1.4 > 10.211.0.6'],
    ])
  })

  it('says "fragmentation needed" for what the tunnel cannot take', async () => {
    const seen = record(podA, 'eth0')
    podA.sendPacket(echo('10.211.0.6', '10.211.1.4', { payload: 1453, dontFragment: true }))
    podA.sendPacket(echo('10.211.0.6', '10.211.1.4', { payload: 1452, dontFragment: true }))
    await clock.advance(1000)
    const errors = seen.packets.map((each) => dissect(each.octets)?.payload)
    expect(errors).toContainEqual(expect.objectContaining({ type: 3, code: 4, mtu: 1480 }))
    expect(seen.lines().filter((line) => line.startsWith('in 62'))).toHaveLength(1)
  })

  it('fragments what may be fragmented, and puts it together again', async () => {
    const seen = record(podA, 'eth0')
    podA.sendPacket(echo('10.211.0.6', '10.211.1.4', { payload: 1472 }))
    await clock.advance(1000)
    const replies = seen.packets.filter(({ direction }) => direction === 'in')
    expect(replies).toHaveLength(2)
    expect(podB.counters().get('Ip.ReasmOKs')).toBe(1)
    expect(hostA.counters().get('Ip.FragOKs')).toBe(1)
  })

  it('loses what a network on the way drops of protocol 4, and only that', async () => {
    router.keepPacketFilter(oneRuleTable('forward', [{ kind: 'protocol', protocol: 4 }], 'drop'))
    const [pods, hosts] = [record(podB, 'eth0'), record(hostB, 'ens33')]
    podA.sendPacket(echo('10.211.0.6', '10.211.1.4'))
    hostA.sendPacket(echo('172.16.1.1', '172.16.2.1'))
    await clock.advance(1000)
    expect(pods.lines()).toEqual([])
    expect(hosts.lines()).toEqual([
      'in 63 172.16.1.1 > 172.16.2.1',
      'out 64 172.16.2.1 > 172.16.1.1',
    ])
    expect(router.packetFilterCounters('test').get('matched')?.packets).toBe(1)
  })

  it('answers "port unreachable" to tunnelled packets when its tunnel is down', async () => {
    hostB.changeLink(hostB.link('tunl0')!.index, { up: false })
    const seen = record(hostA, 'ens33')
    podA.sendPacket(echo('10.211.0.6', '10.211.1.4'))
    await clock.advance(1000)
    expect(seen.packets.map((each) => describeOctets(each.octets)).at(-1)).toContain(
      'ICMP port unreachable',
    )
  })

  it('hides pods behind the host where source NAT says so, replies included', async () => {
    const pods = { name: 'pods', key: ['ipv4'], elements: [prefix('10.211.0.0/24')] } as const
    const leaving = [
      { kind: 'set', set: 'pods', key: ['source'] },
      { kind: 'outputLink', link: 'ens33' },
    ] as const
    hostA.keepPacketFilter(oneRuleTable('postrouting', leaving, 'masquerade', [pods]))
    const [outside, pod] = [record(router, 'eth0'), record(podA, 'eth0')]
    podA.sendPacket(echo('10.211.0.6', '172.16.1.254'))
    await clock.advance(1000)
    expect(outside.lines()).toEqual([
      'in 63 172.16.1.1 > 172.16.1.254',
      'out 64 172.16.1.254 > 172.16.1.1',
    ])
    expect(pod.lines()).toEqual([
      'out 64 10.211.0.6 > 172.16.1.254',
      'in 63 172.16.1.254 > 10.211.0.6',
    ])
    expect(pod.packets.every(({ octets }) => isSound(octets))).toBe(true)
    expect(outside.packets.every(({ octets }) => isSound(octets))).toBe(true)
  })

  it('delays, loses and cuts what leaves by an end of a cable, and only there', async () => {
    const seen = record(hostA, 'ens33')
    hostA.sendPacket(echo('172.16.1.1', '172.16.1.254'))
    await clock.advance(100)
    machine.impair(hostA, 'ens33', { latencyMilliseconds: 30 })
    hostA.sendPacket(echo('172.16.1.1', '172.16.1.254'))
    await clock.advance(29)
    expect(seen.packets).toHaveLength(3)
    await clock.advance(2)
    expect(seen.packets).toHaveLength(4)
    machine.impair(hostA, 'ens33', { cut: true })
    hostA.sendPacket(echo('172.16.1.1', '172.16.1.254'))
    await clock.advance(1000)
    expect(seen.packets).toHaveLength(5)
    machine.impair(hostA, 'ens33', undefined)
    machine.impair(router, 'eth0', { loss: 1 })
    hostA.sendPacket(echo('172.16.1.1', '172.16.1.254'))
    await clock.advance(1000)
    expect(seen.packets).toHaveLength(6)
    expect(router.counters().get('Icmp.OutEchoReps')).toBe(3)
  })

  it('tells loops, blackholes and next hops that nobody has without a packet', () => {
    const walk = (destination: string) =>
      new Reachability([hostA, hostB, router]).walk(hostA, ip(destination))
    expect(walk('10.211.1.4')).toEqual({
      end: 'delivered',
      way: ['host-a', 'router', 'host-b', 'pod-b'],
    })
    hostB.addRoute({ ...base, destination: prefix('10.211.1.9/32'), type: 'blackhole' })
    expect(walk('10.211.1.9')).toEqual({ end: 'blackhole', way: ['host-a', 'router', 'host-b'] })
    route(hostA, '10.99.0.0/16', 'ens33', '172.16.1.254')
    route(router, '10.99.0.0/16', 'eth0', '172.16.1.1')
    expect(walk('10.99.0.1').end).toBe('loop')
    route(hostA, '10.98.0.0/16', 'ens33', '172.16.1.77')
    expect(walk('10.98.0.1').end).toBe('nobody')
    expect(walk('8.8.8.8').end).toBe('no route')
    router.deleteRoute(router.routes().find((row) => row.destination === '172.16.2.0/24')!)
    expect(walk('10.211.1.4')).toEqual({ end: 'no route', way: ['host-a', 'router'] })
    const intoItself = [{ linkIndex: hostA.link('tunl0')!.index }]
    hostA.addRoute({ ...base, destination: prefix('172.16.2.1/32'), nextHops: intoItself })
    expect(walk('10.211.1.4').end).toBe('loop')
  })

  it('lets a neighbour go from reachable to stale, and asks again when it is used', async () => {
    const stateOf = () => hostA.neighbors().find(({ address }) => address === '172.16.1.254')?.state
    hostA.sendPacket(echo('172.16.1.1', '172.16.1.254'))
    await clock.advance(100)
    expect(stateOf()).toBe('reachable')
    await clock.advance(60_000)
    expect(stateOf()).toBe('stale')
    hostA.sendPacket(echo('172.16.1.1', '172.16.1.254'))
    await clock.advance(100)
    expect(stateOf()).toBe('delay')
    await clock.advance(5000)
    expect(stateOf()).toBe('reachable')
    machine.impair(router, 'eth0', { cut: true })
    await clock.advance(60_000)
    hostA.sendPacket(echo('172.16.1.1', '172.16.1.254'))
    await clock.advance(5100)
    expect(stateOf()).toBe('probe')
    await clock.advance(3000)
    expect(stateOf()).toBe('failed')
  })
})

const base: Omit<Route, 'destination'> = {
  type: 'unicast',
  table: 254,
  protocol: 4,
  scope: 'global',
  priority: 0,
  nextHops: [],
}

function cable(a: Kernel, linkA: string, own: string, b: Kernel, linkB: string, other: string) {
  a.createLink({ kind: 'veth', name: linkA, peer: { name: linkB, kernel: b } })
  for (const [kernel, link, text] of [
    [a, linkA, own],
    [b, linkB, other],
  ] as const) {
    const { index } = kernel.link(link)!
    const [address, length] = text.split('/')
    const prefixLength = Number(length)
    kernel.addAddress({ linkIndex: index, address: ip(address!), prefixLength, scope: 'global' })
    kernel.changeLink(index, { up: true })
  }
}

function route(kernel: Kernel, destination: string, link: string, gateway?: string): void {
  const { index } = kernel.link(link)!
  kernel.addRoute({
    ...base,
    destination: prefix(destination),
    scope: gateway === undefined ? 'link' : 'global',
    nextHops: [{ linkIndex: index, ...(gateway === undefined ? {} : { gateway: ip(gateway) }) }],
  })
}

/** As Calico attaches a pod. */
function attach(host: Kernel, pod: Kernel, address: string): void {
  host.createLink({ kind: 'veth', name: 'cali', peer: { name: 'eth0', kernel: pod } })
  host.changeLink(host.link('cali')!.index, { up: true })
  const { index } = pod.link('eth0')!
  pod.changeLink(index, { up: true })
  pod.addAddress({ linkIndex: index, address: ip(address), prefixLength: 32, scope: 'global' })
  route(pod, '169.254.1.1/32', 'eth0')
  route(pod, '0.0.0.0/0', 'eth0', '169.254.1.1')
  route(host, `${address}/32`, 'cali')
  route(host, '169.254.1.1/32', 'lo')
  host.writeSysctl('ipv4.conf.cali.proxy_arp', '1')
  host.writeSysctl('ipv4.neigh.cali.proxy_delay', '0')
}

function tunnel(host: Kernel, own: string, block: string, gateway: string): void {
  const link: Link = host.createLink({ kind: 'ipip', name: 'tunl0' })
  host.changeLink(link.index, { up: true })
  host.addAddress({ linkIndex: link.index, address: ip(own), prefixLength: 32, scope: 'global' })
  host.addRoute({
    ...base,
    destination: prefix(block),
    nextHops: [{ linkIndex: link.index, gateway: ip(gateway), onlink: true }],
  })
}

function echo(
  source: string,
  destination: string,
  options: { payload?: number; dontFragment?: boolean } = {},
): Uint8Array {
  const body = new Uint8Array(options.payload ?? 56)
  return ipv4.encode(
    {
      source: ipv4ToNumber(ip(source)),
      destination: ipv4ToNumber(ip(destination)),
      protocol: 1,
      timeToLive: 64,
      identification: 7,
      dontFragment: options.dontFragment ?? false,
    },
    icmp.encode({ type: icmp.TYPE.echoRequest, code: 0, first: 1, second: 1, body }),
  )
}

function record(kernel: Kernel, link: string) {
  const packets: { direction: 'in' | 'out'; octets: Uint8Array }[] = []
  const { index } = kernel.link(link)!
  kernel.capture({ linkIndex: index, snapOctets: 2048 }, (packet) => packets.push(packet))
  const line = (octets: Uint8Array): string => {
    const packet = dissect(octets)!
    const inner = packet.payload.kind === 'ipip' ? packet.payload.inner : undefined
    const text = `${packet.timeToLive} ${packet.source} > ${packet.destination}`
    return inner === undefined
      ? text
      : `${text} (${inner.timeToLive} ${inner.source} > ${inner.destination})`
  }
  return { packets, lines: () => packets.map((each) => `${each.direction} ${line(each.octets)}`) }
}

function isSound(octets: Uint8Array): boolean {
  const packet = dissect(octets)!
  return (
    packet.headerChecksumValid === true &&
    packet.payload.kind === 'icmp' &&
    packet.payload.checksumValid === true
  )
}
