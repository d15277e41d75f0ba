import { describe, expect, it } from 'vitest'
import { VirtualClock } from '../../../lib/clock.ts'
import { SeededRandom } from '../../../lib/random.ts'
import { ip } from '../../../net/ip-address.ts'
import { mac } from '../../../net/mac-address.ts'
import { prefix } from '../../../net/prefix.ts'
import type { Kernel } from '../../kernel.ts'
import { SimulatedMachine } from '../machine.ts'
import type { CommandResult } from './command-result.ts'
import { runSimulatedCommand } from './run-command.ts'

/** Two hosts on a cable, left 10.0.0.1 and right 10.0.0.2. */
function twoHosts() {
  const clock = new VirtualClock()
  const machine = new SimulatedMachine({ clock, random: new SeededRandom(1) })
  const left = machine.createNamespace('left')
  const right = machine.createNamespace('right')
  const link = left.createLink({
    kind: 'veth',
    name: 'eth0',
    peer: { name: 'eth0', kernel: right },
  })
  for (const [kernel, address] of [
    [left, '10.0.0.1'],
    [right, '10.0.0.2'],
  ] as const) {
    const own = kernel.link('eth0')!
    kernel.changeLink(own.index, { up: true })
    kernel.addAddress({
      linkIndex: own.index,
      address: ip(address),
      prefixLength: 24,
      scope: 'global',
    })
  }
  left.addRoute({
    destination: prefix('10.1.0.0/16'),
    type: 'unicast',
    table: 254,
    protocol: 12,
    scope: 'global',
    priority: 0,
    nextHops: [{ linkIndex: link.index, gateway: ip('10.0.0.2') }],
  })
  const run = async (kernel: Kernel, line: string): Promise<CommandResult> => {
    let result: CommandResult | undefined
    void runSimulatedCommand(kernel, line.split(' '), clock).then((said) => (result = said))
    for (let tries = 0; result === undefined && tries < 1000; tries++) await clock.advance(100)
    return result!
  }
  return { left, right, run }
}

describe('the programs of a simulated machine', () => {
  it('print routes as iproute2 does', async () => {
    const { left, run } = twoHosts()
    const { stdout } = await run(left, 'ip route')
    expect(stdout.split('\n').map((line) => line.trim())).toEqual([
      '10.0.0.0/24 dev eth0 proto kernel scope link src 10.0.0.1',
      '10.1.0.0/16 via 10.0.0.2 dev eth0 proto bird',
      '',
    ])
    expect((await run(left, 'ip route get 10.1.2.3')).stdout).toContain(
      '10.1.2.3 via 10.0.0.2 dev eth0 src 10.0.0.1',
    )
  })

  it('print links, addresses and neighbors', async () => {
    const { left, right, run } = twoHosts()
    await run(left, 'ping -c 1 10.0.0.2')
    expect((await run(left, 'ip addr show eth0')).stdout).toMatch(
      /eth0@if\d+: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500[^]*inet 10\.0\.0\.1\/24 brd 10\.0\.0\.255 scope global eth0/,
    )
    const mac = right.link('eth0')!.macAddress
    expect((await run(left, 'ip neigh')).stdout).toContain(
      `10.0.0.2 dev eth0 lladdr ${mac} REACHABLE`,
    )
  })

  it('ping with replies, losses and errors', async () => {
    const { left, right, run } = twoHosts()
    const good = await run(left, 'ping -c 2 10.0.0.2')
    expect(good.stdout).toMatch(/64 bytes from 10\.0\.0\.2: icmp_seq=1 ttl=64 time=/)
    expect(good.stdout).toContain('2 packets transmitted, 2 received, 0% packet loss')
    expect(good.status).toBe(0)
    right.writeSysctl('ipv4.ip_forward', '1')
    expect((await run(left, 'ping -c 1 10.1.2.3')).stdout).toContain(
      'From 10.0.0.2 icmp_seq=1 Destination Net Unreachable',
    )
    const none = await run(left, 'ping -c 1 192.0.2.1')
    expect(none).toEqual({
      stdout: '',
      stderr: 'ping: connect: Network is unreachable\n',
      status: 2,
    })
  })

  it('ping with what does not fit, and count errors', async () => {
    const { left, run } = twoHosts()
    const long = await run(left, 'ping -c 1 -M do -s 1473 10.0.0.2')
    expect(long.stderr).toBe('ping: local error: message too long, mtu=1500\n')
    expect(long.stdout).toContain(
      '1 packets transmitted, 0 received, +1 errors, 100% packet loss, time 0ms\n',
    )
    expect((await run(left, 'ping -q -c 1 10.0.0.2')).stdout).not.toContain('bytes from')
  })

  it('speak IPv6', async () => {
    const { left, right, run } = twoHosts()
    for (const [kernel, address] of [
      [left, 'fd00::1'],
      [right, 'fd00::2'],
    ] as const) {
      const linkIndex = kernel.link('eth0')!.index
      kernel.addAddress({ linkIndex, address: ip(address), prefixLength: 64, scope: 'global' })
    }
    expect((await run(left, 'ping -6 -c 1 fd00::2')).stdout).toMatch(
      /^PING fd00::2\(fd00::2\) 56 data bytes\n64 bytes from fd00::2: icmp_seq=1 ttl=64 time=/,
    )
    expect((await run(left, 'ip -6 route')).stdout).toContain(
      'fd00::/64 dev eth0 proto kernel metric 256 pref medium\n',
    )
    expect((await run(left, 'ip -6 neigh show dev eth0')).stdout).toMatch(/^fd00::2 lladdr/m)
    expect((await run(left, 'ip -6 addr show dev eth0')).stdout).toContain(
      '    inet6 fd00::1/64 scope global \n       valid_lft forever preferred_lft forever\n',
    )
    expect((await run(left, 'traceroute -6 -n fd00::2')).stdout).toMatch(
      /^traceroute to fd00::2 \(fd00::2\), 30 hops max, 80 byte packets\n 1 {2}fd00::2 {2}[\d.]+ ms {2}[\d.]+ ms {2}[\d.]+ ms\n$/,
    )
    expect((await run(left, 'ping -4 fd00::2')).stderr).toContain('Address family')
  })

  it('trace the way by UDP and by echo requests', async () => {
    const { left, right, run } = twoHosts()
    right.writeSysctl('ipv4.ip_forward', '1')
    right.addAddress({
      linkIndex: right.link('eth0')!.index,
      address: ip('10.1.0.1'),
      prefixLength: 32,
      scope: 'global',
    })
    expect((await run(left, 'traceroute 10.1.0.1')).stdout).toMatch(
      /^traceroute to 10\.1\.0\.1 \(10\.1\.0\.1\), 30 hops max, 60 byte packets\n 1 {2}10\.1\.0\.1 \(10\.1\.0\.1\) {2}[^\n]*\n$/,
    )
    const echo = await run(left, 'traceroute -n -I -q 1 10.1.0.1')
    expect(echo.stdout).toMatch(/\n 1 {2}10\.1\.0\.1 {2}[\d.]+ ms\n$/)
    // No route there: the first hop says so, and that is the end.
    expect((await run(left, 'traceroute -n -q 1 10.1.9.9')).stdout).toMatch(
      /\n 1 {2}10\.0\.0\.2 {2}[\d.]+ ms\n 2 {2}10\.0\.0\.2 {2}[\d.]+ ms !N\n$|\n 1 {2}10\.0\.0\.2 {2}[\d.]+ ms !N\n$/,
    )
  })

  it('refuse what they do not know, and say what there is', async () => {
    const { left, run } = twoHosts()
    expect(await run(left, 'iptables -L')).toMatchObject({ status: 127 })
    expect((await run(left, 'ip frobnicate')).stderr).toContain('expected link, address, route')
    expect((await run(left, 'ping -c x 10.0.0.2')).stderr).toContain("invalid argument: '-c x'")
    expect((await run(left, 'ip link show eth9')).stderr).toBe('Device "eth9" does not exist.\n')
    expect((await run(left, 'sysctl net.ipv4.ip_forward')).stdout).toBe('net.ipv4.ip_forward = 0\n')
  })

  it('show VXLAN links and their forwarding databases', async () => {
    const { left, run } = twoHosts()
    const parentIndex = left.link('eth0')!.index
    const vxlan = {
      vni: 4096,
      port: 4789,
      localAddress: ip('10.0.0.1'),
      parentIndex,
      learning: false,
    }
    const { index } = left.createLink({ kind: 'vxlan', name: 'vxlan.calico', vxlan })
    const macAddress = mac('66:00:00:00:00:02')
    left.setForwardingEntry({ linkIndex: index, macAddress, remoteAddress: ip('10.0.0.2') })
    expect((await run(left, 'ip -d link show vxlan.calico')).stdout).toContain(
      '    vxlan id 4096 local 10.0.0.1 dev eth0 dstport 4789 nolearning\n',
    )
    expect(await run(left, 'bridge fdb show dev vxlan.calico')).toMatchObject({
      stdout: '66:00:00:00:00:02 dst 10.0.0.2 self permanent\n',
      status: 0,
    })
    expect((await run(left, 'bridge fdb')).stdout).toContain(' dev vxlan.calico dst 10.0.0.2 ')
    expect(await run(left, 'bridge vlan')).toMatchObject({ status: 1 })
  })

  it.each([
    ['ip link set eth0 mtu 1400', 'ip link show eth0', 'mtu 1400'],
    ['ip link set dev eth0 down', 'ip link show eth0', 'state DOWN'],
    ['ip address add 10.9.0.1/32 dev eth0', 'ip address show eth0', '10.9.0.1/32'],
    ['ip -6 address add fd00::1/128 dev eth0', 'ip -6 address show eth0', 'fd00::1/128'],
    [
      'ip route add 10.3.0.0/24 via 10.0.0.2 dev eth0 proto static metric 7',
      'ip route',
      '10.3.0.0/24 via 10.0.0.2 dev eth0 proto static metric 7',
    ],
    [
      'ip route replace 10.1.0.0/16 dev eth0 scope link',
      'ip route',
      '10.1.0.0/16 dev eth0 scope link',
    ],
    ['ip route replace unreachable 10.4.0.0/24', 'ip route', 'unreachable 10.4.0.0/24'],
    ['ip route replace default via 10.0.0.2 dev eth0', 'ip route', 'default via 10.0.0.2 dev eth0'],
    [
      'ip -6 route replace default via fe80::1 dev eth0',
      'ip -6 route',
      'default via fe80::1 dev eth0',
    ],
    [
      'ip neigh replace 10.0.0.9 lladdr 02:00:00:00:00:09 dev eth0 nud permanent',
      'ip neigh',
      '10.0.0.9 dev eth0 lladdr 02:00:00:00:00:09 PERMANENT',
    ],
  ])('change what is there: %s', async (change, view, expected) => {
    const { left, run } = twoHosts()
    expect(await run(left, change)).toEqual({ stdout: '', stderr: '', status: 0 })
    expect((await run(left, view)).stdout).toContain(expected)
  })

  it('take away what is there, once', async () => {
    const { left, run } = twoHosts()
    const rows = [
      ['ip route del 10.1.0.0/16 proto bird', 'No such process'],
      ['ip address del 10.0.0.1/24 dev eth0', ''],
    ] as const
    for (const [line, again] of rows) {
      expect((await run(left, line)).status).toBe(0)
      expect(await run(left, line)).toMatchObject({
        status: 2,
        stderr: expect.stringContaining(again),
      })
    }
    expect((await run(left, 'ip route')).stdout).toBe('')
  })

  it('refuse words that they do not understand, and change nothing', async () => {
    const { left, run } = twoHosts()
    const before = left.routes()
    for (const line of [
      'ip route add 10.5.0.0/24 dev eth0 frob',
      'ip route add 10.5.0.0/24 dev eth9',
    ]) {
      expect((await run(left, line)).status).not.toBe(0)
    }
    expect(left.routes()).toEqual(before)
  })
})
