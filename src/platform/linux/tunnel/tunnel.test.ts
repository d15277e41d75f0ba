import { execFileSync, spawnSync } from 'node:child_process'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { CapturedPacket, Route } from '../../../kernel/kernel.ts'
import { ip } from '../../../net/ip-address.ts'
import { mac } from '../../../net/mac-address.ts'
import { hostPrefix, prefix } from '../../../net/prefix.ts'
import type { TunnelDrop } from '../../../kernel/tunnel-drops.ts'
import type { LinuxKernel } from '../linux-kernel.ts'
import { createLinuxMachine, type LinuxMachine } from '../machine.ts'
import { until } from '../testing/until.ts'
import { createTunnel, guardTunnel, removeTunnel, readTunnelDrops } from './tunnel.ts'

const isRoot = process.getuid?.() === 0
if (!isRoot) console.log('Skipped: tests of tunnels need root')

/**
 *  pod 10.211.0.6 ─ node 1 172.16.170.128 ─ router ─ 172.16.2.1 node 2 ─ pod 10.211.3.4
 */
describe.skipIf(!isRoot)('a tunnel', () => {
  let machine: LinuxMachine
  const made: string[] = []
  let pod1: LinuxKernel
  let node1: LinuxKernel
  let router: LinuxKernel
  let node2: LinuxKernel
  let pod2: LinuxKernel

  beforeEach(() => {
    machine = createLinuxMachine()
    pod1 = namespace('p1')
    node1 = namespace('n1')
    router = namespace('r')
    node2 = namespace('n2')
    pod2 = namespace('p2')
    cable(pod1, 'eth0', '10.211.0.6/32', node1, 'cali1')
    cable(pod2, 'eth0', '10.211.3.4/32', node2, 'cali2')
    cable(node1, 'ens33', '172.16.170.128/24', router, 'net1', '172.16.170.1/24')
    cable(node2, 'ens33', '172.16.2.1/24', router, 'net2', '172.16.2.254/24')
    for (const [pod, node, own, host] of [
      [pod1, node1, '10.211.0.6/32', 'cali1'],
      [pod2, node2, '10.211.3.4/32', 'cali2'],
    ] as const) {
      route(pod, '169.254.1.1/32', 'eth0', undefined, { scope: 'link' })
      route(pod, '0.0.0.0/0', 'eth0', '169.254.1.1')
      node.writeSysctl(`ipv4.conf.${host}.proxy_arp`, '1')
      node.writeSysctl(`ipv4.neigh.${host}.proxy_delay`, '0')
      route(node, own, host, undefined, { scope: 'link' })
    }
    route(node1, '0.0.0.0/0', 'ens33', '172.16.170.1')
    route(node2, '0.0.0.0/0', 'ens33', '172.16.2.254')
    tunnel(node1, '172.16.170.128', '172.16.2.1', '10.211.0.1', '10.211.3.0/24')
    tunnel(node2, '172.16.2.1', '172.16.170.128', '10.211.3.1', '10.211.0.0/24')
  })

  afterEach(() => {
    for (const name of made.splice(0)) machine.deleteNamespace(name)
    machine.close()
  })

  function namespace(suffix: string): LinuxKernel {
    const name = `tn${process.pid}-${suffix}`
    const kernel = machine.createNamespace(name)
    made.push(name)
    kernel.changeLink(kernel.link('lo')!.index, { up: true })
    if (!suffix.startsWith('p')) {
      kernel.writeSysctl('ipv4.ip_forward', '1')
      // As nodes have it: what comes out of a tunnel must be routed back into it.
      kernel.writeSysctl('ipv4.conf.all.rp_filter', '1')
    }
    return kernel
  }

  function cable(
    near: LinuxKernel,
    nearName: string,
    nearAddress: string,
    far: LinuxKernel,
    farName: string,
    farAddress?: string,
  ): void {
    const peer = { name: farName, kernel: far }
    const { index } = near.createLink({ kind: 'veth', name: nearName, peer })
    near.changeLink(index, { up: true })
    far.changeLink(far.link(farName)!.index, { up: true })
    own(near, nearName, nearAddress)
    if (farAddress !== undefined) own(far, farName, farAddress)
  }

  function own(kernel: LinuxKernel, link: string, text: string): void {
    const [address, length] = text.split('/')
    kernel.addAddress({
      linkIndex: kernel.link(link)!.index,
      address: ip(address!),
      prefixLength: Number(length),
      scope: 'global',
    })
  }

  function route(
    kernel: LinuxKernel,
    destination: string,
    link: string,
    gateway?: string,
    more: Partial<Route> & { onlink?: true } = {},
  ): void {
    const { onlink, ...rest } = more
    const hop = {
      linkIndex: kernel.link(link)!.index,
      ...(gateway === undefined ? {} : { gateway: ip(gateway) }),
      ...(onlink === undefined ? {} : { onlink }),
    }
    kernel.addRoute({
      destination: prefix(destination),
      type: 'unicast',
      table: 254,
      protocol: 12,
      scope: 'global',
      priority: 0,
      nextHops: [hop],
      ...rest,
    })
  }

  function settings(local: string, ...nodes: string[]) {
    return { localAddress: ip(local), senders: nodes.map((node) => hostPrefix(ip(node))) }
  }

  function tunnel(
    node: LinuxKernel,
    local: string,
    other: string,
    address: string,
    block: string,
  ): void {
    const underlays = [node.link('ens33')!.index]
    const { index } = createTunnel(node, 'tunl0', { ...settings(local, other), underlays }, 1480)
    node.changeLink(index, { up: true })
    own(node, 'tunl0', `${address}/32`)
    route(node, block, 'tunl0', other, { onlink: true })
  }

  function ping(kernel: LinuxKernel, ...args: string[]): string {
    return spawnSync('ip', ['netns', 'exec', kernel.name, 'ping', '-n', ...args], {
      encoding: 'utf8',
    }).stdout
  }

  function listen(kernel: LinuxKernel, link: string): CapturedPacket[] {
    const packets: CapturedPacket[] = []
    const options = { linkIndex: kernel.link(link)!.index, snapOctets: 1600 }
    kernel.capture(options, (packet) => {
      if (packet.octets[0]! >> 4 === 4) packets.push(packet)
    })
    return packets
  }

  const describePacket = ({ direction, octets }: CapturedPacket): string => {
    const from = octets.subarray(12, 16).join('.')
    const to = octets.subarray(16, 20).join('.')
    const ttl = octets[8]!
    const inner = octets[9] === 4 ? ` (${describeInner(octets.subarray(20))})` : ''
    return `${direction} ${from} > ${to} ttl ${ttl}${inner}`
  }
  const describeInner = (octets: Uint8Array): string =>
    describePacket({ direction: 'in', octets, length: 0, atNanoseconds: 0n }).slice(3)

  it('carries the first packet of a pod to a pod in another subnet, and the answer', async () => {
    const [out1, out2] = [listen(node1, 'tunl0'), listen(node2, 'tunl0')]
    const [wire1, wire2] = [listen(node1, 'ens33'), listen(node2, 'ens33')]
    // One packet, nothing resolved yet: none may be lost.
    expect(ping(pod1, '-c', '1', '-W', '5', '10.211.3.4')).toContain('ttl=62')
    await until(() => out1.length >= 2 && wire1.length >= 2, 'the answer')
    const request = '10.211.0.6 > 10.211.3.4'
    const reply = '10.211.3.4 > 10.211.0.6'
    expect(out1.map(describePacket)).toEqual([`out ${request} ttl 63`, `in ${reply} ttl 63`])
    expect(out2.map(describePacket)).toEqual([`in ${request} ttl 63`, `out ${reply} ttl 63`])
    expect(wire1.map(describePacket)).toEqual([
      `out 172.16.170.128 > 172.16.2.1 ttl 63 (${request} ttl 63)`,
      `in 172.16.2.1 > 172.16.170.128 ttl 62 (${reply} ttl 63)`,
    ])
    expect(wire2.map(describePacket)).toEqual([
      `in 172.16.170.128 > 172.16.2.1 ttl 62 (${request} ttl 63)`,
      `out 172.16.2.1 > 172.16.170.128 ttl 63 (${reply} ttl 63)`,
    ])
  })

  it('loses none of many', () => {
    expect(ping(pod1, '-c', '200', '-i', '0.002', '-q', '10.211.3.4')).toContain(' 0% packet loss')
  })

  it('carries what fits and tells the size where it does not', () => {
    expect(ping(pod1, '-c', '1', '-M', 'do', '-s', '1452', '10.211.3.4')).toContain('ttl=62')
    expect(ping(pod1, '-c', '1', '-M', 'do', '-s', '1453', '10.211.3.4')).toContain('mtu = 1480')
  })

  it('carries what the node itself sends, from its tunnel address', () => {
    expect(ping(node1, '-c', '3', '-i', '0.2', '-W', '5', '10.211.3.4')).toContain('ttl=63')
  })

  /** What only the programs do; the kernel's own device takes packets from anyone. */
  function hasPrograms(): boolean {
    const has = node1.link('tunl0')!.kind !== 'ipip'
    if (!has) console.log('Skipped: this kernel has a tunnel of its own')
    return has
  }

  it('is set up again without a change, and keeps working', () => {
    const before = filters(node1)
    const underlays = [node1.link('ens33')!.index]
    createTunnel(node1, 'tunl0', { ...settings('172.16.170.128', '172.16.2.1'), underlays }, 1480)
    expect(filters(node1)).toBe(before)
    expect(ping(pod1, '-c', '1', '-W', '5', '10.211.3.4')).toContain('ttl=62')
  })

  it('takes nothing from who is no node', ({ skip }) => {
    if (!hasPrograms()) skip()
    const underlays = [node1.link('ens33')!.index]
    const nobody = { ...settings('172.16.170.128'), underlays }
    createTunnel(node1, 'tunl0', nobody, 1480)
    expect(ping(pod1, '-c', '1', '-W', '1', '10.211.3.4')).toContain('100% packet loss')
    createTunnel(node1, 'tunl0', { ...settings('172.16.170.128', '172.16.2.1'), underlays }, 1480)
    expect(ping(pod1, '-c', '1', '-W', '5', '10.211.3.4')).toContain('ttl=62')
  })

  it('leaves a frame to another MAC address to the stack, which drops it', async () => {
    const wire = listen(node2, 'ens33')
    const out = listen(node2, 'tunl0')
    const linkIndex = router.link('net2')!.index
    const entry = { linkIndex, address: ip('172.16.2.1'), state: 'permanent' } as const
    router.setNeighbor({ ...entry, macAddress: mac('66:66:66:66:66:66') })
    expect(ping(pod1, '-c', '1', '-W', '1', '10.211.3.4')).toContain('100% packet loss')
    await until(() => wire.length > 0, 'the frame at the far node')
    expect(out).toEqual([])
    router.setNeighbor({ ...entry, macAddress: node2.link('ens33')!.macAddress! })
    expect(ping(pod1, '-c', '1', '-W', '5', '10.211.3.4')).toContain('ttl=62')
  })

  it('drops what is no whole packet of IPv4, and what is hidden in one', async () => {
    expect(ping(pod1, '-c', '1', '-W', '5', '10.211.3.4')).toContain('ttl=62')
    const seen = listen(node2, 'tunl0')
    const inner = ipv4('10.211.0.6', '10.211.3.4', 17, new Uint8Array(8))
    const cases: Record<string, Uint8Array> = {
      'IPv6 inside': ipv4(
        '172.16.170.128',
        '172.16.2.1',
        4,
        Uint8Array.of(0x60, ...inner.slice(1)),
      ),
      'nothing inside': ipv4('172.16.170.128', '172.16.2.1', 4, new Uint8Array(0)),
      'a later fragment': ipv4('172.16.170.128', '172.16.2.1', 4, inner, 0x0010),
      'a first fragment': ipv4('172.16.170.128', '172.16.2.1', 4, inner, 0x2000),
    }
    const wire = listen(node2, 'ens33')
    const before = drops(node2)
    for (const packet of Object.values(cases)) node1.sendPacket(packet)
    const whole = ipv4('172.16.170.128', '172.16.2.1', 4, inner)
    node1.sendPacket(whole)
    await until(() => wire.length >= 5 && seen.length > 0, 'the packets')
    expect(seen.map(describePacket)).toEqual(['in 10.211.0.6 > 10.211.3.4 ttl 64'])
    if (!hasPrograms()) return
    const more = (drop: TunnelDrop): number => drops(node2)[drop]! - before[drop]!
    expect([more('malformed'), more('fragment')]).toEqual([2, 2])
  })

  it('takes marks of congestion in with it, and nothing that cannot bear them', async ({
    skip,
  }) => {
    if (!hasPrograms()) skip()
    expect(ping(pod1, '-c', '1', '-W', '5', '10.211.3.4')).toContain('ttl=62')
    const seen = listen(node2, 'tunl0')
    const marks: [outer: number, inner: number][] = [
      [0b11, 0b00], // congested, and the sender knows no marks
      [0b11, 0b10],
      [0b01, 0b10],
      [0b10, 0b11],
      [0b00, 0xb8 | 0b01],
    ]
    for (const [outer, inner] of marks) {
      const within = ipv4('10.211.0.6', '10.211.3.4', 17, new Uint8Array(8))
      within[1] = inner
      const packet = ipv4('172.16.170.128', '172.16.2.1', 4, withChecksum(within))
      packet[1] = outer
      node1.sendPacket(packet)
    }
    await until(() => seen.length >= 4, 'the packets')
    expect(seen.map(({ octets }) => octets[1])).toEqual([0b11, 0b01, 0b11, 0xb8 | 0b01])
    for (const { octets } of seen) expect(checksum(octets.subarray(0, 20))).toBe(0)
    expect(drops(node2)['congested']).toBe(1)
  })

  it('counts strangers’ packets, and goes on counting when it is set up again', ({ skip }) => {
    if (!hasPrograms()) skip()
    expect(ping(router, '-c', '1', '-W', '5', '172.16.2.1')).toContain('ttl=64')
    const inner = ipv4('10.211.0.6', '10.211.3.4', 17, new Uint8Array(8))
    for (let count = 0; count < 3; count++) {
      router.sendPacket(ipv4('172.16.2.254', '172.16.2.1', 4, inner))
    }
    expect(drops(node2)['stranger']).toBe(3)
    const underlays = [node2.link('ens33')!.index]
    const own = settings('172.16.2.1', '172.16.170.128')
    createTunnel(node2, 'tunl0', { ...own, underlays, localAddress: ip('172.16.2.9') }, 1480)
    createTunnel(node2, 'tunl0', { ...own, underlays }, 1480)
    expect(drops(node2)['stranger']).toBe(3)
  })

  it('guards a device of the kernel’s: strangers’ packets to the node are dropped, what passes through is not', async ({
    skip,
  }) => {
    if (!hasPrograms()) skip()
    removeTunnel(node2, 'tunl0')
    const uplink = node2.link('ens33')!
    const ends = { ...settings('172.16.2.1', '172.16.170.128'), underlays: [uplink.index] }
    guardTunnel(node2, ends)
    guardTunnel(node2, ends)
    const passed = listen(pod2, 'eth0')
    const inner = ipv4('10.211.0.6', '10.211.3.4', 17, new Uint8Array(8))
    node1.sendPacket(ipv4('172.16.170.128', '172.16.2.1', 4, inner))
    for (let count = 0; count < 3; count++) {
      router.sendPacket(ipv4('172.16.2.254', '172.16.2.1', 4, inner))
    }
    route(router, '10.211.3.4/32', 'net2', '172.16.2.1')
    router.sendPacket(ipv4('172.16.2.254', '10.211.3.4', 4, inner))
    await until(() => passed.some(({ octets }) => octets[9] === 4), 'what passes through')
    expect(readTunnelDrops(node2, uplink).get('stranger')).toBe(3)
  })

  it('passes large segments whole', async ({ skip }) => {
    if (!hasPrograms()) skip()
    const wire = listen(node1, 'ens33')
    pod2.tcp.listen({ family: 4, port: 5001 }, (connection) => {
      connection.handlers = { onData() {}, onClose() {} }
    })
    let connected = false
    const connection = pod1.tcp.connect(
      { remote: { address: ip('10.211.3.4'), port: 5001 } },
      { onConnect: () => (connected = true), onData() {}, onClose() {} },
    )
    await until(() => connected, 'the connection')
    const isWhole = ({ length }: CapturedPacket): boolean => length > 10_000
    connection.write(new Uint8Array(1 << 20))
    await until(() => wire.some(isWhole), 'a segment of more than the MTU')
    const { octets } = wire.find(isWhole)!
    expect(octets[9]).toBe(4)
  })

  it('is taken away without a trace', ({ skip }) => {
    if (!hasPrograms()) skip()
    removeTunnel(node1, 'tunl0')
    expect(node1.links().map(({ name }) => name)).toEqual(['lo', 'cali1', 'ens33'])
    expect(filters(node1, 'ens33')).not.toContain('tortie')
  })

  it('moves with its underlay', ({ skip }) => {
    if (!hasPrograms()) skip()
    const peer = { name: 'net3', kernel: router }
    const { index } = node1.createLink({ kind: 'veth', name: 'ens34', peer })
    const underlays = [index]
    createTunnel(node1, 'tunl0', { ...settings('172.16.170.128', '172.16.2.1'), underlays }, 1480)
    expect(filters(node1)).not.toContain('decapsulate')
    underlays.push(node1.link('ens33')!.index)
    createTunnel(node1, 'tunl0', { ...settings('172.16.170.128', '172.16.2.1'), underlays }, 1480)
    expect(filters(node1)).toContain('decapsulate 172.16.170.128')
    expect(ping(pod1, '-c', '1', '-W', '5', '10.211.3.4')).toContain('ttl=62')
  })

  it('needs an IPv4 address', ({ skip }) => {
    if (!hasPrograms()) skip()
    expect(() =>
      createTunnel(node1, 'tunl0', { localAddress: ip('fd00::1'), senders: [], underlays: [] }),
    ).toThrow('EAFNOSUPPORT')
  })

  it('carries TCP', async () => {
    let received = 0
    pod2.tcp.listen({ family: 4, port: 5001 }, (connection) => {
      connection.handlers = { onData: (octets) => (received += octets.length), onClose() {} }
    })
    const chunk = new Uint8Array(1 << 20)
    let connected = false
    const connection = pod1.tcp.connect(
      { remote: { address: ip('10.211.3.4'), port: 5001 } },
      { onConnect: () => (connected = true), onData() {}, onClose() {} },
    )
    await until(() => connected, 'the connection')
    for (let count = 0; count < 20; count++) connection.write(chunk)
    await until(() => received === 20 * chunk.length, 'all octets')
  })

  it('shows UDP and TCP to captures as well, while there are any', async () => {
    const socket = pod1.udp.bind({ family: 4, port: 4000 }, () => {})
    const heard: string[] = []
    pod2.udp.bind({ family: 4, port: 4000 }, ({ from, ttl }) =>
      heard.push(`${from.address} ${ttl}`),
    )
    const seen = listen(node1, 'tunl0')
    socket.send(new Uint8Array(10), { address: ip('10.211.3.4'), port: 4000 })
    await until(() => heard.length > 0 && seen.length > 0, 'the datagram')
    expect(heard).toEqual(['10.211.0.6 62'])
    expect(seen.map(describePacket)).toEqual(['out 10.211.0.6 > 10.211.3.4 ttl 63'])
  })

  function ipv4(
    source: string,
    destination: string,
    protocol: number,
    payload: Uint8Array,
    fragment = 0,
  ): Uint8Array {
    const octets = (text: string): number[] => text.split('.').map(Number)
    const length = 20 + payload.length
    const fixed = [0x45, 0, length >> 8, length & 255, 1, 2, fragment >> 8, fragment & 255]
    // The kernel fills in the checksum of what it is given to send.
    const rest = [64, protocol, 0, 0, ...octets(source), ...octets(destination)]
    return Uint8Array.of(...fixed, ...rest, ...payload)
  }

  function drops(node: LinuxKernel): Record<string, number> {
    return Object.fromEntries(readTunnelDrops(node, node.link('tunl0')!))
  }

  function checksum(header: Uint8Array): number {
    let sum = 0
    for (let at = 0; at < header.length; at += 2) sum += (header[at]! << 8) | header[at + 1]!
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16)
    return ~sum & 0xffff
  }

  function withChecksum(packet: Uint8Array): Uint8Array {
    packet.set([0, 0], 10)
    const sum = checksum(packet.subarray(0, 20))
    packet.set([sum >> 8, sum & 255], 10)
    return packet
  }

  function filters(node: LinuxKernel, ...links: string[]): string {
    return (links.length > 0 ? links : ['tunl0-inside', 'ens33'])
      .flatMap((link) => ['ingress', 'egress'].map((hook) => [link, hook]))
      .map(([link, hook]) =>
        execFileSync('tc', ['-n', node.name, 'filter', 'show', 'dev', link!, hook!], {
          encoding: 'utf8',
        }),
      )
      .join('')
  }
})
