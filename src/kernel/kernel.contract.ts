import { Secret } from '../lib/secret.ts'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { addressOctets, ip, type IpAddress } from '../net/ip-address.ts'
import { mac } from '../net/mac-address.ts'
import { prefix } from '../net/prefix.ts'
import type { TcpConnection } from '../net/transport.ts'
import {
  type CapturedPacket,
  type CaptureFilter,
  isKernelError,
  type Kernel,
  type KernelEvent,
  type Link,
  type Machine,
  type Route,
  ROUTE_PROTOCOL,
  ROUTE_TABLE,
} from './kernel.ts'

/** What the suite needs of an implementation. */
export interface ContractMachine {
  readonly machine: Machine
  /** Names of namespaces begin with it, so that suites which run at once do not meet. */
  readonly prefix: string
  /**
   * Lets time pass, real or virtual, until `condition` holds. Rejects, saying what was awaited, when it
   * does not within a few seconds.
   */
  until(condition: () => boolean, what: string): Promise<void>
  /** Why this kernel may lose what is sent first by a link that just came up, where it may. */
  readonly losesFirstPackets?: string
  done(): Promise<void> | void
}

/** What holds for every kernel behind the port. Runs on the real one and on the simulated one. */
export function kernelContract(
  name: string,
  makeMachine: () => Promise<ContractMachine> | ContractMachine,
): void {
  describe(`kernel contract: ${name}`, () => {
    let harness: ContractMachine
    let made: string[]

    beforeEach(async () => {
      harness = await makeMachine()
      made = []
    })
    afterEach(async () => {
      for (const namespace of made) {
        if (harness.machine.namespaces().includes(namespace)) {
          harness.machine.deleteNamespace(namespace)
        }
      }
      await harness.done()
    })

    const until = (condition: () => boolean, what: string): Promise<void> =>
      harness.until(condition, what)

    function namespace(suffix: string): Kernel {
      const full = `${harness.prefix}${suffix}`
      made.push(full)
      const kernel = harness.machine.createNamespace(full)
      kernel.changeLink(kernel.link('lo')!.index, { up: true })
      // A router asks for neighbors from its link-local address, which duplicate detection can hold
      // back for longer than the three seconds that a packet waits for an answer.
      kernel.writeSysctl('ipv6.conf.default.accept_dad', '0')
      return kernel
    }

    /** Two namespaces with a cable between them: left 10.1.0.1/24, right 10.1.0.2/24. */
    function pair(): { a: Kernel; b: Kernel; left: Link; right: Link } {
      const [a, b] = [namespace('a'), namespace('b')]
      const { near, far } = cable(a, 'left', b, 'right')
      address(a, near, '10.1.0.1', 24)
      address(b, far, '10.1.0.2', 24)
      return { a, b, left: near, right: far }
    }

    function line(): { a: Kernel; router: Kernel; b: Kernel } {
      const kernels = { a: namespace('a'), router: namespace('r'), b: namespace('b') }
      layLine(kernels)
      return kernels
    }

    describe('namespaces', () => {
      it('hold only lo, which is down, when new', () => {
        const kernel = harness.machine.createNamespace(`${harness.prefix}new`)
        made.push(`${harness.prefix}new`)
        // A kernel with the ipip module puts tunl0 into every namespace.
        expect(kernel.links().filter(({ kind }) => kind !== 'ipip')).toMatchObject([
          { name: 'lo', kind: 'loopback', up: false },
        ])
        expect(kernel.addresses()).toEqual([])
        expect(kernel.routes({ table: 0 })).toEqual([])
      })

      it('have an id by which one is known from another', () => {
        const [a, b] = [namespace('a'), namespace('b')]
        const again = harness.machine.openNamespace(harness.machine.namespacePath(a.name))
        expect(again.namespaceId()).toBe(a.namespaceId())
        expect(b.namespaceId()).not.toBe(a.namespaceId())
        again.close()
      })

      it('are listed, opened by name, and gone when deleted', () => {
        const kernel = namespace('a')
        kernel.createLink({ kind: 'bridge', name: 'br0' })
        const { machine } = harness
        expect(machine.namespaces()).toContain(kernel.name)
        const again = machine.openNamespace(kernel.name)
        expect(again.link('br0')).toMatchObject({ kind: 'bridge' })
        again.close()
        machine.deleteNamespace(kernel.name)
        expect(machine.namespaces()).not.toContain(kernel.name)
        expect(() => machine.openNamespace(kernel.name)).toThrow('ENOENT')
        expect(() => machine.deleteNamespace(kernel.name)).toThrow('ENOENT')
      })

      it('are opened by path', () => {
        const kernel = namespace('a')
        kernel.createLink({ kind: 'bridge', name: 'br0' })
        const again = harness.machine.openNamespace(harness.machine.namespacePath(kernel.name))
        expect(again.name).toBe(kernel.name)
        expect(again.link('br0')).toMatchObject({ kind: 'bridge' })
        again.close()
      })

      it('open nothing more once they are closed', () => {
        const { name } = namespace('a')
        const again = harness.machine.openNamespace(name)
        again.close()
        const listen = { family: 4, port: 0 } as const
        expect(() => again.tcp.listen(listen, () => {})).toThrow('is closed')
        expect(() => again.udp.bind(listen, () => {})).toThrow('is closed')
        expect(() => again.watch(() => {})).toThrow('is closed')
        expect(() => again.capture({ linkIndex: 1 }, () => {})).toThrow('is closed')
      })

      it('cannot be made twice', () => {
        const { name } = namespace('a')
        expect(() => harness.machine.createNamespace(name)).toThrow(`${name}: EEXIST`)
      })
    })

    describe('links', () => {
      it('come in veth pairs across namespaces', () => {
        const [a, b] = [namespace('a'), namespace('b')]
        const link = a.createLink({
          kind: 'veth',
          name: 'cali123',
          mtu: 1450,
          macAddress: mac('ee:ee:ee:ee:ee:ee'),
          peer: { name: 'eth0', kernel: b, macAddress: mac('52:2b:0a:d3:00:06') },
        })
        expect(link).toMatchObject({
          name: 'cali123',
          kind: 'veth',
          mtu: 1450,
          macAddress: 'ee:ee:ee:ee:ee:ee',
          up: false,
        })
        const peer = b.link('eth0')!
        expect(peer).toMatchObject({ kind: 'veth', mtu: 1450, macAddress: '52:2b:0a:d3:00:06' })
        expect(link.peerIndex).toBe(peer.index)
        expect(peer.peerIndex).toBe(link.index)
        expect(a.link('eth0')).toBeUndefined()
      })

      it('of a pair have carrier when both ends are up', () => {
        const [a, b] = [namespace('a'), namespace('b')]
        const { index } = a.createLink({ kind: 'veth', name: 'x', peer: { name: 'y', kernel: b } })
        a.changeLink(index, { up: true })
        expect(a.link('x')).toMatchObject({ up: true, carrier: false })
        b.changeLink(b.link('y')!.index, { up: true })
        expect(a.link('x')).toMatchObject({ up: true, carrier: true })
        b.changeLink(b.link('y')!.index, { up: false })
        expect(a.link('x')).toMatchObject({ up: true, carrier: false })
      })

      it('vanish in pairs', () => {
        const [a, b] = [namespace('a'), namespace('b')]
        a.createLink({ kind: 'veth', name: 'x', peer: { name: 'y', kernel: b } })
        b.deleteLink(b.link('y')!.index)
        expect(a.link('x')).toBeUndefined()
      })

      it('vanish with the namespace of the other end', async () => {
        const [a, b] = [namespace('a'), namespace('b')]
        a.createLink({ kind: 'veth', name: 'x', peer: { name: 'y', kernel: b } })
        harness.machine.deleteNamespace(b.name)
        await until(() => a.link('x') === undefined, 'the link to vanish')
      })

      it('refuse a name that is taken', () => {
        const a = namespace('a')
        a.createLink({ kind: 'bridge', name: 'br0' })
        expect(() => a.createLink({ kind: 'bridge', name: 'br0' })).toThrow('EEXIST')
        expect(() => a.createLink({ kind: 'veth', name: 'br0', peer: { name: 'y' } })).toThrow(
          'EEXIST',
        )
        expect(a.link('y')).toBeUndefined()
      })

      it('move to another namespace, renamed and up in one step, without their addresses', () => {
        const [a, b] = [namespace('a'), namespace('b')]
        const { index } = a.createLink({ kind: 'veth', name: 'x', peer: { name: 'y' } })
        a.changeLink(index, { up: true })
        a.addAddress({
          linkIndex: index,
          address: ip('10.1.0.1'),
          prefixLength: 24,
          scope: 'global',
        })
        a.changeLink(index, { kernel: b, name: 'eth0', up: true })
        expect(a.link('x')).toBeUndefined()
        expect(a.routes({ family: 4 })).toEqual([])
        expect(b.link('eth0')).toMatchObject({ kind: 'veth', up: true })
        expect(b.addresses().filter(({ address }) => address === '10.1.0.1')).toEqual([])
      })

      it('change name, MTU and MAC address', () => {
        const a = namespace('a')
        const { index } = a.createLink({ kind: 'veth', name: 'x', peer: { name: 'y' } })
        a.changeLink(index, { name: 'z', mtu: 1300, macAddress: mac('02:00:00:00:00:01') })
        expect(a.link('x')).toBeUndefined()
        expect(a.link('z')).toMatchObject({ index, mtu: 1300, macAddress: '02:00:00:00:00:01' })
      })

      it('take TCP segments as large as they are told, and no larger than they can cut', ({
        skip,
      }) => {
        const [a, b] = [namespace('a'), namespace('b')]
        const { index } = a.createLink({ kind: 'veth', name: 'x', peer: { name: 'y', kernel: b } })
        if (a.link('x')!.segmentOctets === undefined) return skip('this kernel has no BIG TCP')
        const both = () => [a.link('x')?.segmentOctets, b.link('y')?.segmentOctets]
        expect(both()).toEqual([65_536, 65_536])
        a.changeLink(index, { segmentOctets: 180_000 })
        expect(both()).toEqual([180_000, 65_536])
        expect(() => a.changeLink(index, { segmentOctets: 1_000_000 })).toThrow('EINVAL')
        expect(a.links().find((link) => link.name === 'x')?.segmentOctets).toBe(180_000)
      })

      it('join and leave a bridge', () => {
        const a = namespace('a')
        const bridge = a.createLink({ kind: 'bridge', name: 'br0' })
        const { index } = a.createLink({ kind: 'veth', name: 'x', peer: { name: 'y' } })
        a.changeLink(index, { masterIndex: bridge.index })
        expect(a.link('x')?.masterIndex).toBe(bridge.index)
        a.changeLink(index, { masterIndex: null })
        expect(a.link('x')?.masterIndex).toBeUndefined()
      })

      it('of kind tun have no link-layer address and stay without a process', () => {
        const a = namespace('a')
        const link = a.createLink({ kind: 'tun', name: 'tun0', mtu: 1480 })
        expect(link).toMatchObject({ name: 'tun0', kind: 'tun', mtu: 1480, macAddress: undefined })
        expect(a.link('tun0')).toEqual(link)
        expect(() => a.createLink({ kind: 'tun', name: 'tun0' })).toThrow('EEXIST')
        a.deleteLink(link.index)
        expect(a.link('tun0')).toBeUndefined()
      })

      it('that are not there are ENODEV', () => {
        const a = namespace('a')
        expect(() => a.deleteLink(4711)).toThrow('ENODEV')
        expect(() => a.changeLink(4711, { up: true })).toThrow('ENODEV')
        expect(() => a.capture({ linkIndex: 4711 }, () => {})).toThrow('ENODEV')
      })
    })

    describe('addresses', () => {
      it('bring a connected route and a local one', () => {
        const { a, left } = pair()
        expect(v4(a)).toEqual([
          expect.objectContaining({ address: '10.1.0.1', prefixLength: 24, scope: 'global' }),
        ])
        expect(a.routes({ family: 4 })).toEqual([
          {
            destination: '10.1.0.0/24',
            type: 'unicast',
            table: ROUTE_TABLE.main,
            protocol: ROUTE_PROTOCOL.kernel,
            scope: 'link',
            priority: 0,
            preferredSource: '10.1.0.1',
            nextHops: [{ linkIndex: left.index }],
          },
        ])
        const local = a.routes({ family: 4, table: ROUTE_TABLE.local })
        const named = local.map(({ type, destination }) => `${type} ${destination}`)
        expect(named).toEqual(
          expect.arrayContaining(['local 10.1.0.1/32', 'broadcast 10.1.0.255/32']),
        )
      })

      it('take their routes with them', () => {
        const { a, left } = pair()
        a.deleteAddress({
          linkIndex: left.index,
          address: ip('10.1.0.1'),
          prefixLength: 24,
          scope: 'global',
        })
        expect(v4(a)).toEqual([])
        expect(a.routes({ family: 4 })).toEqual([])
      })

      it('of one host bring no connected route', () => {
        const a = namespace('a')
        const tunnel = a.createLink({ kind: 'tun', name: 'tun0' })
        a.changeLink(tunnel.index, { up: true })
        address(a, tunnel, '10.211.0.1', 32)
        expect(a.routes({ family: 4 })).toEqual([])
        expect(a.lookupRoute({ destination: ip('10.211.0.1') }).type).toBe('local')
      })

      it('are refused twice, and on links and addresses that are not there', () => {
        const { a, left } = pair()
        const own = {
          linkIndex: left.index,
          address: ip('10.1.0.1'),
          prefixLength: 24,
          scope: 'global',
        } as const
        expect(() => a.addAddress(own)).toThrow('EEXIST')
        expect(() => a.addAddress({ ...own, linkIndex: 4711 })).toThrow('ENODEV')
        expect(() => a.deleteAddress({ ...own, address: ip('10.1.0.9') })).toThrow('EADDRNOTAVAIL')
      })

      it('are IPv6 as well', () => {
        const { a, left } = pair()
        address(a, left, 'fd00:1::1', 64)
        expect(a.addresses()).toContainEqual({
          linkIndex: left.index,
          address: 'fd00:1::1',
          prefixLength: 64,
          scope: 'global',
        })
        expect(a.routes({ family: 6 })).toContainEqual(
          expect.objectContaining({ destination: 'fd00:1::/64', priority: 256 }),
        )
      })
    })

    describe('routes', () => {
      it('are read as they were written', () => {
        const { a, left } = pair()
        const written: Route[] = [
          unicast('10.211.1.0/24', left, '10.1.0.2', { protocol: ROUTE_PROTOCOL.bird }),
          { ...unicast('10.211.0.6/32', left), scope: 'link' },
          blackhole('10.211.0.0/24'),
          { ...blackhole('10.3.0.0/16'), type: 'unreachable' },
          { ...blackhole('10.4.0.0/16'), type: 'prohibit' },
          { ...blackhole('10.5.0.0/16'), type: 'throw' },
          unicast('10.6.0.0/16', left, '10.1.0.2', { priority: 100, mtu: 1300 }),
          unicast('10.7.0.0/16', left, '10.1.0.2', { preferredSource: ip('10.1.0.1') }),
          unicast('10.8.0.0/16', left, '10.1.0.2', { table: 1000 }),
          unicast('0.0.0.0/0', left, '10.1.0.2'),
        ]
        for (const route of written) a.addRoute(route)
        const read = a.routes({ family: 4, table: 0 })
        for (const route of written) expect(read).toContainEqual(route)
        const main = a.routes({ family: 4 }).map(({ destination }) => destination)
        expect(main).toHaveLength(written.length)
        expect(a.routes({ table: 1000 })).toHaveLength(1)
        expect(a.routes({ table: 1001 })).toEqual([])
        const byProtocol = a.routes({ protocol: ROUTE_PROTOCOL.bird })
        expect(byProtocol).toHaveLength(5)
      })

      it('are deleted as they were read', () => {
        const { a, left } = pair()
        const route = unicast('10.9.0.0/16', left, '10.1.0.2', { priority: 7, mtu: 1400 })
        for (const each of [route, blackhole('10.211.0.0/24')]) {
          a.addRoute(each)
          a.deleteRoute(each)
          expect(() => a.deleteRoute(each)).toThrow('ESRCH')
        }
        expect(a.routes({ family: 4 })).toHaveLength(1)
      })

      it('of which only one has a destination, table and priority', () => {
        const { a, left } = pair()
        a.addRoute(blackhole('10.211.0.0/24'))
        expect(() => a.addRoute(blackhole('10.211.0.0/24'))).toThrow('EEXIST')
        a.addRoute(unicast('10.211.0.0/24', left, '10.1.0.2', { priority: 5 }))
        a.addRoute(unicast('10.211.0.0/24', left, '10.1.0.2', { table: 100 }))
      })

      it('are replaced in one step', async () => {
        const { a, left } = pair()
        a.addRoute(blackhole('10.211.1.0/24'))
        const events: KernelEvent[] = []
        const watching = a.watch((event) => events.push(event))
        const route = unicast('10.211.1.0/24', left, '10.1.0.2')
        a.replaceRoute(route)
        expect(a.routes({ family: 4 }).filter(to('10.211.1.0/24'))).toEqual([route])
        await until(() => events.some(({ kind }) => kind === 'route'), 'the route event')
        watching.close()
        // Nobody saw the destination without a route.
        const ofRoute = (event: KernelEvent): boolean =>
          event.kind === 'route' && to('10.211.1.0/24')(event.route)
        expect(events.filter(ofRoute)).toEqual([{ kind: 'route', change: 'set', route }])
      })

      it('are swapped, which leaves others of the same priority alone', async () => {
        const { a, left } = pair()
        const [before, after] = ['10.1.0.2', '10.1.0.3'].map((gateway) =>
          unicast('10.7.0.0/24', left, gateway, { protocol: ROUTE_PROTOCOL.bird }),
        )
        a.addRoute(before!)
        // The kernel's own row of a new address stands behind whatever is there.
        address(a, left, '10.7.0.1', 24)
        const rows = (): readonly Route[] => a.routes({ family: 4 }).filter(to('10.7.0.0/24'))
        const others = rows().filter(({ protocol }) => protocol !== ROUTE_PROTOCOL.bird)
        expect(others).toHaveLength(1)
        const events: KernelEvent[] = []
        const watching = a.watch((event) => events.push(event))
        a.swapRoute(before!, after!)
        expect(rows()).toHaveLength(2)
        expect(rows()).toEqual(expect.arrayContaining([after!, ...others]))
        expect(() => a.swapRoute(before!, after!)).toThrow('EEXIST')
        expect(rows()).toHaveLength(2)
        const told = (): KernelEvent[] =>
          events.filter((event) => event.kind === 'route' && to('10.7.0.0/24')(event.route))
        await until(() => told().length === 2, 'the events')
        watching.close()
        expect(told()).toEqual([
          { kind: 'route', change: 'set', route: after },
          { kind: 'route', change: 'removed', route: before },
        ])
      })

      it.each<[what: string, change: (route: Route) => Partial<Route>]>([
        ['MTU', () => ({ mtu: 600 })],
        ['trust', ({ nextHops: [hop] }) => ({ nextHops: [{ ...hop!, onlink: true }] })],
      ])('are swapped for others that differ in their %s alone, and back', (_, change) => {
        const { a, left } = pair()
        const route = unicast('10.7.0.0/24', left, '10.1.0.2')
        const other = { ...route, ...change(route) }
        const rows = (): readonly Route[] => a.routes({ family: 4 }).filter(to('10.7.0.0/24'))
        a.addRoute(route)
        a.swapRoute(route, other)
        expect(rows()).toEqual([other])
        a.swapRoute(other, route)
        expect(rows()).toEqual([route])
      })

      it('are deleted by their MTU where it is named', () => {
        const { a, left } = pair()
        const route = { ...unicast('10.7.0.0/24', left, '10.1.0.2'), mtu: 600 }
        a.addRoute(route)
        expect(() => a.deleteRoute({ ...route, mtu: 700 })).toThrow('ESRCH')
        const { mtu: _, ...unnamed } = route
        a.deleteRoute(unnamed)
        expect(a.routes({ family: 4 }).filter(to('10.7.0.0/24'))).toEqual([])
      })

      it('are swapped in IPv6 too', () => {
        const { a, left } = pair()
        address(a, left, 'fd00:1::1', 64)
        const [before, after] = ['fd00:1::2', 'fd00:1::3'].map((gateway) =>
          unicast('fd00:2::/64', left, gateway, { priority: 1024 }),
        )
        a.addRoute(before!)
        a.swapRoute(before!, after!)
        expect(a.routes({ family: 6 }).filter(to('fd00:2::/64'))).toEqual([after])
      })

      it('are added by replacing nothing', () => {
        const { a } = pair()
        a.replaceRoute(blackhole('10.211.0.0/24'))
        expect(a.routes({ family: 4 })).toContainEqual(blackhole('10.211.0.0/24'))
      })

      it('have several next hops with weights', () => {
        const { a, left } = pair()
        const route: Route = {
          ...unicast('10.20.0.0/16', left, '10.1.0.2'),
          nextHops: [
            { linkIndex: left.index, gateway: ip('10.1.0.2') },
            { linkIndex: left.index, gateway: ip('10.1.0.3'), weight: 3 },
          ],
        }
        a.addRoute(route)
        expect(a.routes({ family: 4 })).toContainEqual(route)
        a.deleteRoute(route)
        expect(a.routes({ family: 4 })).toHaveLength(1)
      })

      it('need a gateway on the link, unless told to believe it', () => {
        const { a, left } = pair()
        const route = unicast('10.20.0.0/16', left, '192.0.2.1')
        expect(() => a.addRoute(route)).toThrow(/Nexthop has invalid gateway: ENETUNREACH$/)
        const onlink: Route = {
          ...route,
          nextHops: [{ linkIndex: left.index, gateway: ip('192.0.2.1'), onlink: true }],
        }
        a.addRoute(onlink)
        expect(a.routes({ family: 4 })).toContainEqual(onlink)
      })

      it('go by a gateway that a link-scope route reaches', () => {
        const { a, left } = pair()
        a.addRoute({ ...unicast('169.254.1.1/32', left), scope: 'link' })
        a.addRoute(unicast('0.0.0.0/0', left, '169.254.1.1'))
        expect(a.lookupRoute({ destination: ip('8.8.8.8') })).toMatchObject({
          gateway: '169.254.1.1',
          linkIndex: left.index,
        })
      })

      it('go by an IPv6 gateway for IPv4', () => {
        const { a, left } = pair()
        address(a, left, 'fd00:1::1', 64)
        const route = unicast('10.30.0.0/16', left, 'fd00:1::2')
        a.addRoute(route)
        expect(a.routes({ family: 4 })).toContainEqual(route)
        expect(a.lookupRoute({ destination: ip('10.30.0.1') }).gateway).toBe('fd00:1::2')
      })

      it('need a link that is there and up', () => {
        const { a, left } = pair()
        expect(() =>
          a.addRoute({ ...unicast('10.20.0.0/16', left), nextHops: [{ linkIndex: 4711 }] }),
        ).toThrow('ENODEV')
        a.changeLink(left.index, { up: false })
        expect(() => a.addRoute({ ...unicast('10.20.0.0/16', left), scope: 'link' })).toThrow(
          'ENETDOWN',
        )
        expect(a.routes({ family: 4 })).toEqual([])
      })

      it('are IPv6 as well', () => {
        const { a, left } = pair()
        address(a, left, 'fd00:1::1', 64)
        const written: Route[] = [
          unicast('fd00:2::/64', left, 'fd00:1::2', { priority: 1024 }),
          { ...blackhole('fd00:3::/64'), priority: 1024 },
          {
            ...unicast('fd00:4::/64', left, undefined, { priority: 1024 }),
            nextHops: [
              { linkIndex: left.index, gateway: ip('fd00:1::2') },
              { linkIndex: left.index, gateway: ip('fd00:1::3') },
            ],
          },
        ]
        for (const route of written) a.addRoute(route)
        for (const route of written) expect(a.routes({ family: 6 })).toContainEqual(route)
        a.replaceRoute(unicast('fd00:3::/64', left, 'fd00:1::2', { priority: 1024 }))
        expect(a.routes({ family: 6 }).filter(to('fd00:3::/64'))).toHaveLength(1)
        a.deleteRoute(written[2]!)
        expect(a.routes({ family: 6 }).filter(to('fd00:4::/64'))).toEqual([])
      })
    })

    describe('route lookups', () => {
      it('are IPv6 as well', async () => {
        const { a, left } = pair()
        address(a, left, 'fd00:1::1', 64)
        a.addRoute(unicast('fd00:2::/64', left, 'fd00:1::2', { priority: 1024 }))
        a.addRoute({ ...blackhole('fd00:3::/64'), priority: 1024 })
        expect(a.lookupRoute({ destination: ip('fd00:2::9') })).toEqual({
          type: 'unicast',
          linkIndex: left.index,
          gateway: 'fd00:1::2',
          preferredSource: 'fd00:1::1',
          table: 254,
        })
        expect(a.lookupRoute({ destination: ip('fd00:1::2') })).toMatchObject({
          gateway: undefined,
          linkIndex: left.index,
        })
        // The kernel makes an address of IPv6 local by work that it puts off (addrconf_dad_work).
        const isLocal = () => a.lookupRoute({ destination: ip('fd00:1::1') }).type === 'local'
        await until(isLocal, 'the own address to be local')
        expect(() => a.lookupRoute({ destination: ip('fd00:3::9') })).toThrow('EINVAL')
        expect(() => a.lookupRoute({ destination: ip('fd00:4::9') })).toThrow('ENETUNREACH')
      })

      it('take the longest prefix', () => {
        const { a, left } = pair()
        a.addRoute(unicast('10.211.0.0/16', left, '10.1.0.2'))
        a.addRoute(blackhole('10.211.0.0/24'))
        a.addRoute({ ...unicast('10.211.0.6/32', left), scope: 'link' })
        expect(a.lookupRoute({ destination: ip('10.211.9.9') })).toEqual({
          type: 'unicast',
          linkIndex: left.index,
          gateway: '10.1.0.2',
          preferredSource: '10.1.0.1',
          table: ROUTE_TABLE.main,
        })
        expect(a.lookupRoute({ destination: ip('10.211.0.6') })).toMatchObject({
          gateway: undefined,
          linkIndex: left.index,
        })
        expect(() => a.lookupRoute({ destination: ip('10.211.0.7') })).toThrow('EINVAL')
      })

      it('are refused as the kernel refuses packets', () => {
        const { a } = pair()
        a.addRoute({ ...blackhole('10.3.0.0/16'), type: 'unreachable' })
        a.addRoute({ ...blackhole('10.4.0.0/16'), type: 'prohibit' })
        expect(() => a.lookupRoute({ destination: ip('10.3.0.1') })).toThrow('EHOSTUNREACH')
        expect(() => a.lookupRoute({ destination: ip('10.4.0.1') })).toThrow('EACCES')
        expect(() => a.lookupRoute({ destination: ip('8.8.8.8') })).toThrow('ENETUNREACH')
      })

      it('find own addresses in the local table', () => {
        const { a } = pair()
        const answer = a.lookupRoute({ destination: ip('10.1.0.1') })
        expect(answer).toMatchObject({ type: 'local', table: ROUTE_TABLE.local })
      })

      it('prefer the lower priority, and go on where a table throws', () => {
        const { a, left } = pair()
        a.addRoute(unicast('10.5.0.0/16', left, '10.1.0.3', { priority: 20 }))
        a.addRoute(unicast('10.5.0.0/16', left, '10.1.0.2', { priority: 10 }))
        expect(a.lookupRoute({ destination: ip('10.5.0.1') }).gateway).toBe('10.1.0.2')
        a.addRoute({ ...blackhole('10.5.0.0/16'), type: 'throw', table: 100 })
        a.addRule({ family: 4, priority: 1000, table: 100 })
        expect(a.lookupRoute({ destination: ip('10.5.0.1') }).table).toBe(ROUTE_TABLE.main)
      })

      it('of packets that come in need forwarding', () => {
        const { router } = line()
        const query = {
          destination: ip('10.2.0.1'),
          source: ip('10.1.0.1'),
          inputLinkIndex: router.link('to-a')!.index,
        }
        expect(router.lookupRoute(query).linkIndex).toBe(router.link('to-b')!.index)
        router.writeSysctl('ipv4.ip_forward', '0')
        expect(() => router.lookupRoute(query)).toThrow('EHOSTUNREACH')
      })
    })

    describe('rules', () => {
      it('begin with the three of every namespace', () => {
        expect(namespace('a').rules(4)).toEqual([
          { family: 4, priority: 0, table: 255 },
          { family: 4, priority: 32_766, table: 254 },
          { family: 4, priority: 32_767, table: 253 },
        ])
      })

      it('choose a table by source, mark and link', () => {
        const { a, left } = pair()
        const rules = [
          { family: 4, priority: 100, table: 100, source: prefix('10.1.0.1/32') },
          { family: 4, priority: 101, table: 101, mark: 0x10, markMask: 0xff },
          { family: 4, priority: 102, table: 1000, inputLink: 'left' },
          { family: 4, priority: 103, table: 1000, destination: prefix('10.99.0.0/16') },
        ] as const
        for (const rule of rules) a.addRule(rule)
        for (const rule of rules) expect(a.rules(4)).toContainEqual(rule)
        a.addRoute(unicast('10.50.0.0/16', left, '10.1.0.2', { table: 100 }))
        a.addRoute(unicast('10.50.0.0/16', left, '10.1.0.3', { table: 101 }))
        const destination = ip('10.50.0.1')
        expect(a.lookupRoute({ destination, source: ip('10.1.0.1') })).toMatchObject({
          gateway: '10.1.0.2',
          table: 100,
        })
        expect(a.lookupRoute({ destination, mark: 0x310 }).gateway).toBe('10.1.0.3')
        expect(() => a.lookupRoute({ destination, mark: 0x11 })).toThrow('ENETUNREACH')
        for (const rule of rules) a.deleteRule(rule)
        expect(a.rules(4)).toHaveLength(3)
        expect(() => a.deleteRule(rules[0])).toThrow('ENOENT')
      })
    })

    describe('sysctls', () => {
      it('belong to a namespace', () => {
        const [a, b] = [namespace('a'), namespace('b')]
        a.writeSysctl('ipv4.ip_forward', '1')
        b.writeSysctl('ipv4.ip_forward', '0')
        expect(a.readSysctl('ipv4.ip_forward')).toBe('1')
        expect(b.readSysctl('ipv4.ip_forward')).toBe('0')
      })

      it('of links come and go with them, dots in names and all', () => {
        const a = namespace('a')
        const { index } = a.createLink({ kind: 'veth', name: 'eth0.5', peer: { name: 'y' } })
        a.writeSysctl('ipv4.conf.eth0/5.proxy_arp', '1')
        expect(a.readSysctl('ipv4.conf.eth0/5.proxy_arp')).toBe('1')
        expect(a.readSysctl('ipv4.conf.y.proxy_arp')).toBe('0')
        a.deleteLink(index)
        expect(() => a.readSysctl('ipv4.conf.eth0/5.proxy_arp')).toThrow('ENOENT')
      })

      it('that are not there are ENOENT', () => {
        const a = namespace('a')
        expect(() => a.readSysctl('ipv4.no_such_thing')).toThrow('ENOENT')
        expect(() => a.writeSysctl('ipv4.no_such_thing', '1')).toThrow('ENOENT')
        expect(() => a.readSysctl('ipv4.conf.//.ip_forward')).toThrow('ENOENT')
        // The neighbor table is one for all namespaces, and set in the machine's first.
        expect(() => a.readSysctl('ipv4.neigh.default.gc_thresh3')).toThrow('ENOENT')
      })

      it('take no text for a number, and no number out of bounds', () => {
        const a = namespace('a')
        a.createLink({ kind: 'veth', name: 'x', peer: { name: 'y' } })
        for (const [path, values] of [
          ['ipv4.ip_default_ttl', ['abc', '0', '256', '-1']],
          ['ipv4.tcp_syn_retries', ['0', '128']],
          ['ipv4.icmp_ratelimit', ['-1']],
          ['ipv4.conf.x.proxy_arp', ['abc']],
          ['ipv4.ip_forward', ['yes']],
        ] as const) {
          const before = a.readSysctl(path)
          for (const value of values) {
            expect(() => a.writeSysctl(path, value), `${path} = ${value}`).toThrow('EINVAL')
          }
          expect(a.readSysctl(path)).toBe(before)
        }
        a.writeSysctl('ipv4.ip_default_ttl', '255')
        a.writeSysctl('ipv4.ip_default_ttl', '')
        expect(a.readSysctl('ipv4.ip_default_ttl')).toBe('255')
      })
    })

    describe('neighbors', () => {
      it('are kept as they are set', () => {
        const { a, left } = pair()
        const entry = {
          linkIndex: left.index,
          address: ip('10.1.0.9'),
          macAddress: mac('02:00:00:00:00:09'),
          state: 'permanent',
        } as const
        a.setNeighbor(entry)
        expect(a.neighbors()).toContainEqual(entry)
        a.setNeighbor({ ...entry, macAddress: mac('02:00:00:00:00:0a') })
        expect(a.neighbors().find(of('10.1.0.9'))?.macAddress).toBe('02:00:00:00:00:0a')
        a.deleteNeighbor(entry)
        expect(a.neighbors().find(of('10.1.0.9'))?.macAddress).toBeUndefined()
      })

      it('are resolved when a packet needs one', async () => {
        const { a, b, right } = pair()
        expect(a.neighbors().filter(of('10.1.0.2'))).toEqual([])
        a.sendPacket(echoRequest({ source: '10.1.0.1', destination: '10.1.0.2' }))
        await until(
          () => a.neighbors().some(isReachable('10.1.0.2')),
          'the neighbor to be resolved',
        )
        expect(a.neighbors().find(of('10.1.0.2'))?.macAddress).toBe(right.macAddress)
        // The asked learns the asker.
        await until(() => b.neighbors().some(of('10.1.0.1')), 'the asker to be learned')
      })

      it('that nobody answers for fail', async () => {
        const { a } = pair()
        a.sendPacket(echoRequest({ source: '10.1.0.1', destination: '10.1.0.77' }))
        expect(a.neighbors().find(of('10.1.0.77'))?.state).toBe('incomplete')
        await until(
          () => a.neighbors().find(of('10.1.0.77'))?.state === 'failed',
          'the neighbor to fail',
        )
      })

      it('answer only their own network where arp_ignore says so, and who has no address', async () => {
        const { a, b, left, right } = pair()
        b.writeSysctl('ipv4.conf.right.arp_ignore', '2')
        address(b, right, '10.9.0.2', 24)
        const way = unicast('10.9.0.2/32', left, undefined, { scope: 'link' })
        a.addRoute(way)
        const stateOf = (): string | undefined =>
          a.neighbors().find((each) => each.address === '10.9.0.2')?.state
        a.sendPacket(echoRequest({ source: '10.1.0.1', destination: '10.9.0.2' }))
        await until(() => stateOf() === 'failed', 'the neighbor to fail')
        a.deleteAddress({
          linkIndex: left.index,
          address: ip('10.1.0.1'),
          prefixLength: 24,
          scope: 'global',
        })
        // With the last address of the link its routes and neighbors go.
        a.addRoute(way)
        a.sendPacket(echoRequest({ source: '10.1.0.1', destination: '10.9.0.2' }))
        await until(() => stateOf() === 'reachable', 'the answer')
      })

      it('answer by proxy for what they have a route to', async () => {
        const { a: pod, b: host, left, right } = pair()
        const { near } = cable(host, 'uplink', namespace('c'), 'eth0')
        address(host, near, '172.16.170.128', 24)
        host.addRoute(unicast('0.0.0.0/0', near, '172.16.170.1'))
        host.writeSysctl('ipv4.ip_forward', '1')
        host.writeSysctl('ipv4.conf.right.proxy_arp', '1')
        // The kernel waits up to this many ticks before it answers for others.
        host.writeSysctl('ipv4.neigh.right.proxy_delay', '0')
        pod.addRoute({ ...unicast('169.254.1.1/32', left), scope: 'link' })
        pod.addRoute(unicast('0.0.0.0/0', left, '169.254.1.1'))
        pod.sendPacket(echoRequest({ source: '10.1.0.1', destination: '10.211.0.1' }))
        await until(
          () => pod.neighbors().some(isReachable('169.254.1.1')),
          'the gateway that exists nowhere to be resolved',
        )
        expect(pod.neighbors().find(of('169.254.1.1'))?.macAddress).toBe(right.macAddress)
      })
    })

    describe('packets', () => {
      it('are not lost however new the link is', async ({ skip }) => {
        if (harness.losesFirstPackets !== undefined) return skip(harness.losesFirstPackets)
        const [a, b] = [namespace('a'), namespace('b')]
        for (let at = 1; at <= 20; at++) {
          const own = { source: `10.1.${at}.1`, destination: `10.1.${at}.2` }
          const { index } = a.createLink({
            kind: 'veth',
            name: `x${at}`,
            peer: { name: `y${at}`, kernel: b },
          })
          const far = b.link(`y${at}`)!
          const seen = record(b, far, [own.source, own.destination])
          a.changeLink(index, { up: true })
          address(a, a.link(`x${at}`)!, own.source, 24)
          const { macAddress } = far
          const neighbor = { linkIndex: index, address: ip(own.destination), macAddress } as const
          a.setNeighbor({ ...neighbor, state: 'permanent' })
          b.changeLink(far.index, { up: true })
          a.sendPacket(echoRequest(own))
          await until(() => seen.icmp().length > 0, `the first packet of link ${at}`)
        }
      })

      it('are seen at both ends of a link, with the answer', async () => {
        const { a, b, left, right } = pair()
        const [atA, atB] = [record(a, left), record(b, right)]
        a.sendPacket(echoRequest({ source: '10.1.0.1', destination: '10.1.0.2', id: 77 }))
        await until(() => atA.icmp().length >= 2, 'request and answer at the source')
        expect(atA.icmp()).toEqual(['out request 64', 'in reply 64'])
        expect(atB.icmp()).toEqual(['in request 64', 'out reply 64'])
        const [out] = atA.packets
        expect(out?.length).toBe(28 + PAYLOAD.length)
        expect(out!.atNanoseconds > 0n).toBe(true)
        const [arrived] = atB.packets
        expect(arrived!.atNanoseconds >= out!.atNanoseconds).toBe(true)
        expect(atA.capture.lost).toBe(0)
        atA.capture.close()
        atB.capture.close()
      })

      it('lose one of their TTL at every router', async () => {
        const { a, router, b } = line()
        const points = [
          record(a, a.link('eth0')!),
          record(router, router.link('to-a')!),
          record(router, router.link('to-b')!),
          record(b, b.link('eth0')!),
        ]
        a.sendPacket(echoRequest({ source: '10.1.0.1', destination: '10.2.0.1' }))
        await until(() => points[0]!.icmp().length >= 2, 'the answer')
        expect(points.map((point) => point.icmp())).toEqual([
          ['out request 64', 'in reply 63'],
          ['in request 64', 'out reply 63'],
          ['out request 63', 'in reply 64'],
          ['in request 63', 'out reply 64'],
        ])
      })

      it('are told of when their TTL ends', async () => {
        const { a } = line()
        const seen = record(a, a.link('eth0')!)
        a.sendPacket(echoRequest({ source: '10.1.0.1', destination: '10.2.0.1', ttl: 1 }))
        await until(() => seen.icmp().length >= 2, 'the error')
        expect(seen.icmp()).toEqual(['out request 1', 'in time-exceeded 64'])
        expect(ipv4SourceOf(seen.packets[1]!.octets)).toBe('10.1.0.254')
      })

      it('are told of when there is no way on', async () => {
        const { a, router } = line()
        router.addRoute({ ...blackhole('10.3.0.0/16'), type: 'unreachable' })
        const seen = record(a, a.link('eth0')!)
        a.sendPacket(echoRequest({ source: '10.1.0.1', destination: '10.3.0.1' }))
        await until(() => seen.icmp().length >= 2, 'the error')
        expect(seen.icmp()).toEqual(['out request 64', 'in unreachable 64'])
      })

      it('end in a blackhole without a word', async () => {
        const { a, router } = line()
        router.addRoute(blackhole('10.3.0.0/16'))
        const seen = record(a, a.link('eth0')!)
        a.sendPacket(echoRequest({ source: '10.1.0.1', destination: '10.3.0.1' }))
        a.sendPacket(echoRequest({ source: '10.1.0.1', destination: '10.1.0.254' }))
        await until(() => seen.icmp().some((text) => text.includes('reply')), 'the other answer')
        expect(seen.icmp()).toEqual(['out request 64', 'out request 64', 'in reply 64'])
      })

      it('are not forwarded where forwarding is off', async () => {
        const { a, router, b } = line()
        router.writeSysctl('ipv4.ip_forward', '0')
        const far = record(b, b.link('eth0')!)
        const refused = (): number => router.counters().get('Ip.InAddrErrors') ?? Number.NaN
        const before = refused()
        a.sendPacket(echoRequest({ source: '10.1.0.1', destination: '10.2.0.1' }))
        await until(() => refused() === before + 1, 'the router to count the packet')
        expect(far.icmp()).toEqual([])
      })

      it('from an address that lies elsewhere are dropped under strict reverse path filtering', async () => {
        const { a, router, b } = line()
        router.writeSysctl('ipv4.conf.all.rp_filter', '1')
        const before = router.counters().get('TcpExt.IPReversePathFilter') ?? 0
        const far = record(b, b.link('eth0')!)
        a.sendPacket(echoRequest({ source: '10.2.0.99', destination: '10.2.0.1' }))
        await until(
          () => (router.counters().get('TcpExt.IPReversePathFilter') ?? 0) === before + 1,
          'the counter to rise',
        )
        expect(far.icmp()).toEqual([])
      })

      it('from an address that lies elsewhere pass without reverse path filtering', async () => {
        const { a, router, b } = line()
        router.writeSysctl('ipv4.conf.all.rp_filter', '0')
        router.writeSysctl('ipv4.conf.to-a.rp_filter', '0')
        const far = record(b, b.link('eth0')!)
        a.sendPacket(echoRequest({ source: '192.0.2.99', destination: '10.2.0.1' }))
        await until(() => far.icmp().length > 0, 'the packet at the far end')
        expect(far.icmp()[0]).toBe('in request 63')
      })

      it('are counted by the names of the kernel', async () => {
        const { a, router } = line()
        const counter = (name: string): number => router.counters().get(name) ?? Number.NaN
        const before = counter('Ip.ForwDatagrams')
        a.sendPacket(echoRequest({ source: '10.1.0.1', destination: '10.2.0.1' }))
        await until(() => counter('Ip.ForwDatagrams') === before + 2, 'both ways to be counted')
        const noRoutes = counter('IpExt.InNoRoutes')
        a.sendPacket(echoRequest({ source: '10.1.0.1', destination: '8.8.8.8' }))
        await until(
          () => counter('IpExt.InNoRoutes') === noRoutes + 1,
          'the missing route to count',
        )
      })

      it('are IPv6 as well: resolved, forwarded and answered', async () => {
        const { a, router, b } = line()
        for (const [kernel, link, own] of [
          [a, 'eth0', 'fd00:1::1'],
          [router, 'to-a', 'fd00:1::fe'],
          [router, 'to-b', 'fd00:2::fe'],
          [b, 'eth0', 'fd00:2::1'],
        ] as const) {
          address(kernel, kernel.link(link)!, own, 64)
        }
        router.writeSysctl('ipv6.conf.all.forwarding', '1')
        a.addRoute(unicast('fd00:2::/64', a.link('eth0')!, 'fd00:1::fe'))
        b.addRoute(unicast('fd00:1::/64', b.link('eth0')!, 'fd00:2::fe'))
        const near = record(a, a.link('eth0')!, ['fd00:1::1', 'fd00:2::1'])
        const far = record(b, b.link('eth0')!, ['fd00:2::1', 'fd00:1::1'])
        a.sendPacket(echoRequest6({ source: 'fd00:1::1', destination: 'fd00:2::1' }))
        await until(() => near.packets.length >= 2, 'the answer')
        expect(near.packets.map(describeIcmp6)).toEqual(['out request 64', 'in reply 63'])
        expect(far.packets.map(describeIcmp6)).toEqual(['in request 63', 'out reply 64'])
        expect(a.neighbors().find(of('fd00:1::fe'))?.macAddress).toBe(
          router.link('to-a')!.macAddress,
        )
      })

      it('pass a bridge', async () => {
        const [hub, a, b] = [namespace('hub'), namespace('a'), namespace('b')]
        const bridge = hub.createLink({ kind: 'bridge', name: 'br0' })
        hub.changeLink(bridge.index, { up: true })
        for (const [kernel, own] of [
          [a, '10.1.0.1'],
          [b, '10.1.0.2'],
        ] as const) {
          const { near, far } = cable(hub, `port-${own.at(-1)}`, kernel, 'eth0')
          hub.changeLink(near.index, { masterIndex: bridge.index })
          address(kernel, far, own, 24)
        }
        const seen = record(a, a.link('eth0')!)
        a.sendPacket(echoRequest({ source: '10.1.0.1', destination: '10.1.0.2' }))
        await until(() => seen.icmp().length >= 2, 'the answer')
        expect(seen.icmp()).toEqual(['out request 64', 'in reply 64'])
      })

      it('without a way out are refused', () => {
        const { a } = pair()
        const packet = echoRequest({ source: '10.1.0.1', destination: '8.8.8.8' })
        expect(() => a.sendPacket(packet)).toThrow('ENETUNREACH')
        expect(() => a.sendPacket(new Uint8Array(3))).toThrow('EINVAL')
      })
    })

    describe('IPIP tunnels', () => {
      it('lead to the gateway of the route, with the TTL of what they carry', async ({ skip }) => {
        const { a, router, b } = line()
        for (const [node, own, block, other] of [
          [a, '10.211.0.1', '10.211.3.0/24', '10.2.0.1'],
          [b, '10.211.3.1', '10.211.0.0/24', '10.1.0.1'],
        ] as const) {
          const tunnel = makeTunnel(node)
          if (tunnel === undefined) return skip('this kernel has no ipip module')
          node.changeLink(tunnel.index, { up: true })
          address(node, tunnel, own, 32)
          const nextHops = [{ linkIndex: tunnel.index, gateway: ip(other), onlink: true }]
          node.addRoute(unicast(block, tunnel, other, { nextHops }))
        }
        const [near, far] = [record(a, a.link('tunl0')!), record(b, b.link('tunl0')!)]
        const wire = record(router, router.link('to-b')!)
        const ends = { source: '10.211.0.1', destination: '10.211.3.1' }
        a.sendPacket(echoRequest({ ...ends, ttl: 40 }))
        await until(() => near.icmp().length >= 2, 'the answer')
        expect(near.icmp()).toEqual(['out request 40', 'in reply 64'])
        expect(far.icmp()).toEqual(['in request 40', 'out reply 64'])
        const [outer] = wire.packets.filter(({ octets }) => octets[9] === 4)
        expect(ipv4SourceOf(outer!.octets)).toBe('10.1.0.1')
        expect(outer!.octets[8]).toBe(39)
        expect(outer!.octets.subarray(20)).toEqual(near.packets[0]!.octets)
      })
    })

    describe('VXLAN tunnels', () => {
      it('are read back as they were made', () => {
        const { a, left } = pair()
        const made = a.createLink(vxlanSpec(left, '10.1.0.1'))
        const { mtu, macAddress, vxlan } = a.link('vxlan.test')!
        expect(made).toMatchObject({ kind: 'vxlan', up: false, macAddress })
        expect([mtu, macAddress, vxlan]).toEqual([
          left.mtu - 50,
          '66:00:00:00:00:01',
          {
            vni: 4096,
            port: 4789,
            localAddress: '10.1.0.1',
            parentIndex: left.index,
            learning: false,
          },
        ])
        expect(() => a.changeLink(made.index, { mtu: left.mtu - 49 })).toThrow('EINVAL')
        a.changeLink(made.index, { mtu: 1300 })
        expect(a.link('vxlan.test')?.mtu).toBe(1300)
        expect(() => a.createLink({ ...vxlanSpec(left, '10.1.0.1'), name: 'other' })).toThrow(
          'EEXIST',
        )
      })

      it('vanish with the link beneath', () => {
        const { a, left } = pair()
        a.createLink(vxlanSpec(left, '10.1.0.1'))
        a.deleteLink(left.index)
        expect(a.link('vxlan.test')).toBeUndefined()
      })

      it('keep which node a MAC address is behind, and tell of it', async () => {
        const { a, left } = pair()
        const { index } = a.createLink(vxlanSpec(left, '10.1.0.1'))
        const events: KernelEvent[] = []
        a.watch((event) => events.push(event))
        const entry = {
          linkIndex: index,
          macAddress: mac('66:00:00:00:00:02'),
          remoteAddress: ip('10.1.0.2'),
        }
        const other = { ...entry, macAddress: mac('66:00:00:00:00:03') }
        a.setForwardingEntry(entry)
        a.setForwardingEntry(other)
        a.setForwardingEntry({ ...entry, remoteAddress: ip('10.1.0.9') })
        const rows = a.forwardingEntries(index)
        expect(rows).toHaveLength(2)
        expect(rows).toContainEqual({ ...entry, remoteAddress: '10.1.0.9' })
        expect(rows).toContainEqual(other)
        expect(a.neighbors().filter(({ linkIndex }) => linkIndex === index)).toEqual([])
        a.deleteForwardingEntry(entry)
        expect(a.forwardingEntries(index)).toEqual([other])
        expect(a.forwardingEntries(left.index)).toEqual([])
        expect(() => a.deleteForwardingEntry(entry)).toThrow('ENOENT')
        expect(() => a.setForwardingEntry({ ...entry, linkIndex: 999 })).toThrow('ENODEV')
        const told = (): KernelEvent[] => events.filter(({ kind }) => kind === 'forwarding')
        await until(() => told().length >= 4, 'four changes')
        expect(told()[0]).toEqual({ kind: 'forwarding', change: 'set', entry })
        expect(told()[2]).toMatchObject({ change: 'set', entry: { remoteAddress: '10.1.0.9' } })
        expect(told()[3]).toMatchObject({
          change: 'removed',
          entry: { macAddress: entry.macAddress },
        })
        const ofIt = (event: KernelEvent): boolean =>
          event.kind === 'neighbor' && event.neighbor.linkIndex === index
        expect(events.filter(ofIt)).toEqual([])
      })

      it('carry packets in UDP to the node of the next hop', async () => {
        const { a, router, b } = line()
        const near = vxlanNode(a, a.link('eth0')!, '10.1.0.1', '10.211.0.1')
        const far = vxlanNode(b, b.link('eth0')!, '10.2.0.1', '10.211.3.1')
        joinVxlan(near, far)
        joinVxlan(far, near)
        const [out, back] = [record(a, near.link), record(b, far.link)]
        const wire = record(router, router.link('to-b')!)
        const ends = { source: '10.211.0.1', destination: '10.211.3.1' }
        a.sendPacket(echoRequest({ ...ends, ttl: 40 }))
        await until(() => out.icmp().length >= 2, 'the answer')
        expect(out.icmp()).toEqual(['out request 40', 'in reply 64'])
        expect(back.icmp()).toEqual(['in request 40', 'out reply 64'])
        const [outer] = wire.packets.filter(({ octets }) => octets[9] === 17)
        const { octets } = outer!
        expect(ipv4SourceOf(octets)).toBe('10.1.0.1')
        // A TTL of its own, whatever is inside; routers on the way take from it.
        expect(octets[8]).toBe(63)
        const view = new DataView(octets.buffer, octets.byteOffset)
        expect(view.getUint16(20)).toBeGreaterThanOrEqual(32_768)
        expect(view.getUint16(22)).toBe(4789)
        expect([view.getUint32(28), view.getUint32(32)]).toEqual([0x0800_0000, 4096 * 256])
        expect(octets.subarray(50)).toEqual(out.packets[0]!.octets)
      })

      it('pass a router with a smaller MTU in fragments, whatever the packet inside says', async () => {
        const { a, router, b } = line()
        const near = vxlanNode(a, a.link('eth0')!, '10.1.0.1', '10.211.0.1')
        const far = vxlanNode(b, b.link('eth0')!, '10.2.0.1', '10.211.3.1')
        joinVxlan(near, far)
        joinVxlan(far, near)
        router.changeLink(router.link('to-b')!.index, { mtu: 600 })
        b.changeLink(b.link('eth0')!.index, { mtu: 600 })
        const out = record(a, near.link)
        const wire = record(router, router.link('to-b')!)
        const request = echoRequest({
          source: '10.211.0.1',
          destination: '10.211.3.1',
          dataOctets: 1000,
        })
        request[6] = 0x40 // DF
        a.sendPacket(request)
        await until(() => out.icmp().length >= 2, 'the answer')
        expect(out.packets[1]!.length).toBe(request.length)
        const there = wire.packets.filter(({ direction }) => direction === 'out')
        // 1,028 octets and 30 of headers, in pieces of 576 behind 20 of the outer header each.
        expect(there.map(({ length }) => length)).toEqual([596, 502])
      })

      it('drop what is for a node that they do not know', async () => {
        const { a, router, b } = line()
        const near = vxlanNode(a, a.link('eth0')!, '10.1.0.1', '10.211.0.1')
        const far = vxlanNode(b, b.link('eth0')!, '10.2.0.1', '10.211.3.1')
        joinVxlan(near, far)
        joinVxlan(far, near)
        const strangers = a.forwardingEntries(near.link.index)
        for (const entry of strangers) a.deleteForwardingEntry(entry)
        const wire = record(router, router.link('to-a')!)
        const inside = record(a, near.link)
        a.sendPacket(echoRequest({ source: '10.211.0.1', destination: '10.211.3.1' }))
        await until(() => inside.icmp().length > 0, 'the packet on its way into the tunnel')
        for (const entry of strangers) a.setForwardingEntry(entry)
        a.sendPacket(echoRequest({ source: '10.211.0.1', destination: '10.211.3.1', ttl: 41 }))
        await until(() => inside.icmp().length > 2, 'the answer to the second')
        expect(inside.icmp()).toEqual(['out request 64', 'out request 41', 'in reply 64'])
        expect(wire.packets.filter(({ octets }) => octets[9] === 17)).toHaveLength(2)
      })

      it('take nothing of another network identifier', async () => {
        const { a, router, b } = line()
        const near = vxlanNode(a, a.link('eth0')!, '10.1.0.1', '10.211.0.1')
        const far = vxlanNode(b, b.link('eth0')!, '10.2.0.1', '10.211.3.1', { vni: 4097 })
        joinVxlan(near, far)
        joinVxlan(far, near)
        const inside = record(b, far.link)
        const wire = record(router, router.link('to-b')!)
        a.sendPacket(echoRequest({ source: '10.211.0.1', destination: '10.211.3.1' }))
        await until(() => wire.packets.length > 0, 'the packet on the wire')
        a.sendPacket(echoRequest({ source: '10.1.0.1', destination: '10.2.0.1' }))
        await until(() => wire.icmp().length >= 2, 'an answer that is sent later')
        expect(inside.packets.filter(({ direction }) => direction === 'in')).toEqual([])
      })
    })

    describe('captures', () => {
      it('keep only what lies between two addresses, either way round', async () => {
        const { a, left } = pair()
        const filtered = record(a, left, ['10.1.0.2', '10.1.0.1'])
        const all = record(a, left)
        a.writeSysctl('ipv4.icmp_echo_ignore_all', '0')
        a.sendPacket(echoRequest({ source: '10.1.0.99', destination: '10.1.0.2' }))
        a.sendPacket(echoRequest({ source: '10.1.0.1', destination: '10.1.0.2' }))
        await until(() => filtered.icmp().length >= 2, 'request and answer')
        expect(filtered.icmp()).toEqual(['out request 64', 'in reply 64'])
        expect(all.icmp().length).toBeGreaterThanOrEqual(3)
      })

      it('look inside one outer header', async () => {
        const { a, b, right } = pair()
        const filtered = record(b, right, ['10.211.0.6', '10.211.3.4'])
        const inner = echoRequest({ source: '10.211.0.6', destination: '10.211.3.4', ttl: 63 })
        const other = echoRequest({ source: '10.211.0.7', destination: '10.211.3.4', ttl: 63 })
        a.sendPacket(encapsulate('10.1.0.1', '10.1.0.2', other))
        a.sendPacket(encapsulate('10.1.0.1', '10.1.0.2', inner))
        await until(() => filtered.packets.length > 0, 'the packet inside')
        expect(filtered.packets).toHaveLength(1)
        expect(filtered.packets[0]!.octets.subarray(20)).toEqual(inner)
      })

      it.each([
        ['its own port', { port: 4789 }, {}],
        ['another port', { port: 8472 }, { vxlanPorts: [4789, 8472] }],
      ])('look inside VXLAN on %s', async (_, tunnel, options) => {
        const { a, b } = line()
        const near = vxlanNode(a, a.link('eth0')!, '10.1.0.1', '10.211.0.1', tunnel)
        const far = vxlanNode(b, b.link('eth0')!, '10.2.0.1', '10.211.3.1', tunnel)
        joinVxlan(near, far)
        joinVxlan(far, near)
        const addresses = [ip('10.211.0.1'), ip('10.211.3.1')] as const
        const echoData = echoRequest({ source: '10.1.0.1', destination: '10.2.0.1' }).slice(28, 36)
        const [between, echoes, elsewhere]: CapturedPacket[][] = [[], [], []]
        const listen = (filter: CaptureFilter, packets: CapturedPacket[]): void => {
          const linkIndex = b.link('eth0')!.index
          b.capture({ linkIndex, filter }, (packet) => packets.push(packet))
        }
        listen({ addresses, ...options }, between!)
        listen({ addresses: [ip('10.9.0.1'), ip('10.9.0.2')], echoData, ...options }, echoes!)
        listen({ addresses, vxlanPorts: [1234] }, elsewhere!)
        a.sendPacket(echoRequest({ source: '10.1.0.1', destination: '10.211.3.1' }))
        const request = { source: '10.211.0.1', destination: '10.211.3.1', ttl: 33 }
        a.sendPacket(echoRequest(request))
        await until(() => between!.length > 1 && echoes!.length > 3, 'requests and answers')
        expect(between!.map(({ octets }) => octets[58])).toEqual([33, 64])
        expect(elsewhere).toEqual([])
      })

      it('take ICMP errors that quote a packet between the two, if asked to', async () => {
        const { a, b, right } = pair()
        const addresses = [ip('10.211.0.6'), ip('10.211.3.4')] as const
        const [packets, without]: CapturedPacket[][] = [[], []]
        b.capture({ linkIndex: right.index, filter: { addresses, icmpErrors: true } }, (packet) =>
          packets!.push(packet),
        )
        b.capture({ linkIndex: right.index, filter: { addresses } }, (p) => without!.push(p))
        const about = echoRequest({ source: '10.211.3.4', destination: '10.211.0.6' })
        const other = echoRequest({ source: '10.211.3.9', destination: '10.211.0.6' })
        for (const [type, quoted] of [
          [3, other],
          [8, about],
          [3, about],
          [11, about],
        ] as const) {
          const payload = Uint8Array.of(type, 0, 0, 0, 0, 0, 0, 0, ...quoted)
          put16(payload, 2, internetChecksum(payload))
          a.sendPacket(ipv4({ source: '10.1.0.1', destination: '10.1.0.2', protocol: 1, payload }))
        }
        await until(() => packets!.length >= 2, 'the errors')
        expect(packets!.flatMap(describeIcmp)).toEqual(['in unreachable 64', 'in time-exceeded 64'])
        expect(without).toEqual([])
      })

      it('take echo messages by their data, whatever their addresses, if asked to', async () => {
        const { a, b, right } = pair()
        const addresses = [ip('10.211.0.6'), ip('10.211.3.4')] as const
        const packets: CapturedPacket[] = []
        const filter = { addresses, icmpErrors: true, echoData: PAYLOAD.subarray(0, 8) }
        b.capture({ linkIndex: right.index, filter }, (packet) => packets.push(packet))
        const marked = echoRequest({ source: '10.1.0.1', destination: '10.1.0.2', ttl: 61 })
        const between = { source: '10.1.0.1', destination: '10.1.0.2' }
        const other = ipv4({ ...between, protocol: 1, payload: new Uint8Array(24) })
        for (const packet of [
          other,
          encapsulate('10.1.0.1', '10.1.0.2', other),
          encapsulate('10.1.0.1', '10.1.0.2', marked),
          marked,
        ]) {
          a.sendPacket(packet)
        }
        await until(() => packets.length >= 3, 'both and an answer')
        expect(packets.map(({ octets }) => octets[9])).toEqual([4, 1, 1])
        expect(packets[0]!.octets.subarray(20)).toEqual(marked)
      })

      it('cut packets and tell their length', async () => {
        const { a, left } = pair()
        const packets: CapturedPacket[] = []
        // Only these: a link that comes up has IPv6 packets of its own to send.
        const filter = { addresses: [ip('10.1.0.1'), ip('10.1.0.2')] } as const
        a.capture({ linkIndex: left.index, snapOctets: 20, filter }, (packet) =>
          packets.push(packet),
        )
        a.sendPacket(echoRequest({ source: '10.1.0.1', destination: '10.1.0.2' }))
        await until(() => packets.length > 0, 'the packet')
        expect(packets[0]!.octets).toHaveLength(20)
        expect(packets[0]!.length).toBe(28 + PAYLOAD.length)
      })

      it('go on when their link was down in between', async () => {
        const { a, b, left, right } = pair()
        const seen = record(b, right)
        b.changeLink(right.index, { up: false })
        await until(() => !a.link('left')!.carrier, 'the loss of carrier')
        b.changeLink(right.index, { up: true })
        await until(() => a.link('left')!.carrier, 'carrier')
        a.setNeighbor({
          linkIndex: left.index,
          address: ip('10.1.0.2'),
          macAddress: right.macAddress,
          state: 'permanent',
        })
        await until(() => {
          a.sendPacket(echoRequest({ source: '10.1.0.1', destination: '10.1.0.2' }))
          return seen.icmp().length > 8
        }, 'packets, more than were read together with the news of the link')
      })

      it('are silent once closed', async () => {
        const { a, left } = pair()
        const [closed, open] = [record(a, left), record(a, left)]
        closed.capture.close()
        closed.capture.close()
        a.sendPacket(echoRequest({ source: '10.1.0.1', destination: '10.1.0.2' }))
        await until(() => open.icmp().length >= 2, 'the answer')
        expect(closed.packets).toEqual([])
      })
    })

    describe('notifications', () => {
      it('tell of links, addresses, routes, rules and neighbors, own doing included', async () => {
        const { a, left } = pair()
        const events: KernelEvent[] = []
        const watching = a.watch((event) => events.push(event))
        const link = a.createLink({ kind: 'bridge', name: 'br0' })
        const own = {
          linkIndex: left.index,
          address: ip('10.9.0.1'),
          prefixLength: 32,
          scope: 'global',
        } as const
        a.addAddress(own)
        a.addRoute(blackhole('10.211.0.0/24'))
        const rule = { family: 4, priority: 100, table: 100 } as const
        a.addRule(rule)
        const neighbor = {
          linkIndex: left.index,
          address: ip('10.1.0.9'),
          macAddress: mac('02:00:00:00:00:09'),
          state: 'permanent',
        } as const
        a.setNeighbor(neighbor)
        a.deleteRoute(blackhole('10.211.0.0/24'))
        a.deleteRule(rule)
        a.deleteAddress(own)
        a.deleteLink(link.index)
        const removed = (event: KernelEvent): boolean =>
          event.kind === 'link' && event.change === 'removed' && event.link.name === 'br0'
        await until(() => events.some(removed), 'the end of the link')
        watching.close()
        expect(events).toContainEqual(
          expect.objectContaining({
            kind: 'link',
            change: 'set',
            link: expect.objectContaining({ name: 'br0' }),
          }),
        )
        for (const change of ['set', 'removed'] as const) {
          expect(events).toContainEqual({ kind: 'address', change, address: own })
          expect(events).toContainEqual({
            kind: 'route',
            change,
            route: blackhole('10.211.0.0/24'),
          })
          expect(events).toContainEqual({ kind: 'rule', change, rule })
        }
        expect(events).toContainEqual({ kind: 'neighbor', change: 'set', neighbor })
      })

      it('tell of settings that decide where packets go', async () => {
        const { a, left } = pair()
        const events: KernelEvent[] = []
        a.watch((event) => events.push(event))
        a.writeSysctl(`ipv4.conf.${left.name}.proxy_arp`, '1')
        a.writeSysctl('ipv4.ip_forward', '1')
        const told = (linkIndex: number | undefined): boolean =>
          events.some((event) => event.kind === 'settings' && event.linkIndex === linkIndex)
        await until(() => told(left.index) && told(undefined), 'the settings')
      })

      it('tell of carrier', async () => {
        const { a, b, right } = pair()
        const events: KernelEvent[] = []
        a.watch((event) => events.push(event))
        b.changeLink(right.index, { up: false })
        await until(
          () => events.some((event) => event.kind === 'link' && !event.link.carrier),
          'the loss of carrier',
        )
      })

      it('come after the call, not within it, and stop when closed', async () => {
        const { a } = pair()
        const events: KernelEvent[] = []
        const watching = a.watch((event) => events.push(event))
        const other: KernelEvent[] = []
        a.watch((event) => other.push(event))
        a.addRoute(blackhole('10.211.0.0/24'))
        expect(events).toEqual([])
        watching.close()
        watching.close()
        await until(() => other.length > 0, 'the event')
        expect(events).toEqual([])
      })
    })

    describe('TCP', () => {
      it('carries octets between namespaces', async () => {
        const { a, b } = pair()
        const server = new Peer()
        const listener = b.tcp.listen({ family: 4, port: 179 }, (connection) =>
          server.own(connection),
        )
        expect(listener.port).toBe(179)
        const client = new Peer()
        client.own(
          a.tcp.connect(
            { remote: { address: ip('10.1.0.2'), port: 179 }, source: ip('10.1.0.1') },
            client,
          ),
        )
        await until(() => client.connected && server.connection !== undefined, 'the connection')
        expect(server.connection?.remote.address).toBe('10.1.0.1')
        expect(server.connection?.local).toEqual({ address: '10.1.0.2', port: 179 })
        expect(client.connection?.remote).toEqual({ address: '10.1.0.2', port: 179 })
        expect(client.connection?.local).toEqual(server.connection?.remote)
        client.connection!.write(text('hello'))
        await until(() => server.received === 'hello', 'the greeting')
        server.connection!.write(text('echo: '))
        server.connection!.write(text('hello'))
        await until(() => client.received === 'echo: hello', 'the echo')
        client.connection!.close()
        await until(
          () => server.closed.length > 0 && client.closed.length > 0,
          'both ends to close',
        )
        expect([server.closed.length, client.closed.length]).toEqual([1, 1])
        listener.close()
      })

      it('tells of refusal after the call', async () => {
        const { a } = pair()
        const client = new Peer()
        a.tcp.connect({ remote: { address: ip('10.1.0.2'), port: 179 } }, client)
        expect(client.closed).toEqual([])
        await until(() => client.closed.length > 0, 'the refusal')
        expect(client.closed[0]).toContain('ECONNREFUSED')
        expect(client.connected).toBe(false)
      })

      it('tells of no way after the call', async () => {
        const { a } = pair()
        const client = new Peer()
        a.tcp.connect({ remote: { address: ip('192.0.2.1'), port: 179 } }, client)
        expect(client.closed).toEqual([])
        await until(() => client.closed.length > 0, 'the failure')
        expect(client.closed[0]).toContain('ENETUNREACH')
      })

      it('says nothing more once destroyed, and the other end hears of it', async () => {
        const { client, server } = await connected(pair())
        client.connection!.destroy()
        await until(() => server.closed.length > 0, 'the other end to hear')
        expect(client.closed).toEqual([])
      })

      it('carries much, in order, and asks the writer to wait', async () => {
        const { client, server } = await connected(pair())
        const chunk = new Uint8Array(65_536)
        chunk.forEach((_, index) => (chunk[index] = index % 251))
        server.connection!.pause()
        let written = 0
        while (client.connection!.write(chunk)) written += chunk.length
        written += chunk.length
        expect(client.connection!.unsentOctets).toBeGreaterThan(0)
        server.connection!.resume()
        await until(() => client.drained > 0 && server.octets === written, 'all of it')
        expect(client.connection!.unsentOctets).toBe(0)
        expect(server.checksum).toBe(checksumOf(chunk, written))
      })

      it('refuses a port that is taken, naming it', () => {
        const { a } = pair()
        a.tcp.listen({ family: 4, port: 179 }, () => {})
        expect(() => a.tcp.listen({ family: 4, port: 179 }, () => {})).toThrow(/179.*EADDRINUSE/)
        expect(() =>
          a.tcp.listen({ family: 4, port: 179, address: ip('10.99.0.1') }, () => {}),
        ).toThrow(/10\.99\.0\.1.*EADDRNOTAVAIL/)
      })

      it('has one address or all of them at a port, and changes at once while connections stay', async () => {
        const { a, b } = pair()
        const server = new Peer()
        const all = b.tcp.listen({ family: 4, port: 179 }, (connection) => server.own(connection))
        const client = new Peer()
        client.own(a.tcp.connect({ remote: { address: ip('10.1.0.2'), port: 179 } }, client))
        await until(() => client.connected && server.connection !== undefined, 'the connection')
        const one = { family: 4, port: 179, address: ip('10.1.0.2') } as const
        expect(() => b.tcp.listen(one, () => {})).toThrow(/EADDRINUSE/)
        all.close()
        b.tcp.listen(one, () => {}).close()
        b.tcp.listen({ family: 4, port: 179 }, () => {}).close()
        client.connection!.write(text('hello'))
        await until(() => server.received === 'hello', 'the greeting')
      })

      it('carries IPv6 as well', async () => {
        const { a, b, left, right } = pair()
        address(a, left, 'fd00:1::1', 64)
        address(b, right, 'fd00:1::2', 64)
        const [client, server] = [new Peer(), new Peer()]
        b.tcp.listen({ family: 6, port: 179 }, (connection) => server.own(connection))
        const remote = { address: ip('fd00:1::2'), port: 179 }
        client.own(a.tcp.connect({ remote, source: ip('fd00:1::1') }, client))
        await until(() => client.connected && server.connection !== undefined, 'the connection')
        expect(server.connection?.remote.address).toBe('fd00:1::1')
      })

      it('connects only with the same MD5 key', async () => {
        const { a, b } = pair()
        const server = new Peer()
        const listener = b.tcp.listen({ family: 4, port: 179 }, (connection) =>
          server.own(connection),
        )
        listener.setMd5Key(ip('10.1.0.1'), new Secret('secret'))
        const remote = { address: ip('10.1.0.2'), port: 179 }
        const [wrong, right] = [new Peer(), new Peer()]
        const failing = a.tcp.connect({ remote, md5Key: new Secret('wrong') }, wrong)
        a.tcp.connect({ remote, md5Key: new Secret('secret') }, right)
        await until(() => right.connected, 'the connection with the right key')
        expect(wrong.connected).toBe(false)
        failing.destroy()
      })

      it('drops what comes with too low a TTL', async () => {
        const { a, b } = pair()
        b.tcp.listen({ family: 4, port: 179, minimumTtl: 255 }, () => {})
        const remote = { address: ip('10.1.0.2'), port: 179 }
        const [low, high] = [new Peer(), new Peer()]
        const failing = a.tcp.connect({ remote }, low)
        a.tcp.connect({ remote, ttl: 255 }, high)
        await until(() => high.connected, 'the connection with a TTL of 255')
        expect(low.connected).toBe(false)
        failing.destroy()
      })

      async function connected({ a, b }: { a: Kernel; b: Kernel }) {
        const [client, server] = [new Peer(), new Peer()]
        const remote = { address: ip('10.1.0.2'), port: 179 }
        b.tcp.listen({ family: 4, port: 179 }, (connection) => server.own(connection))
        client.own(a.tcp.connect({ remote }, client))
        await until(() => client.connected && server.connection !== undefined, 'the connection')
        return { client, server }
      }
    })

    describe('UDP', () => {
      it('carries datagrams and tells the TTL they came with', async () => {
        const { a, b } = pair()
        const received: { from: string; to: string; ttl: number; text: string }[] = []
        const server = b.udp.bind({ family: 4, port: 3784 }, ({ from, to, ttl, octets }) => {
          received.push({ from: from.address, to, ttl, text: new TextDecoder().decode(octets) })
        })
        const client = a.udp.bind({ family: 4, port: 49_152, ttl: 255 }, () => {})
        client.send(text('control'), { address: ip('10.1.0.2'), port: 3784 })
        await until(() => received.length > 0, 'the datagram')
        expect(received).toEqual([{ from: '10.1.0.1', to: '10.1.0.2', ttl: 255, text: 'control' }])
        expect(server.port).toBe(3784)
        client.close()
        server.close()
      })

      it('carries IPv6 datagrams as well', async () => {
        const { a, b, left, right } = pair()
        address(a, left, 'fd00:1::1', 64)
        address(b, right, 'fd00:1::2', 64)
        const received: string[] = []
        b.udp.bind({ family: 6, port: 3784 }, ({ from, to, ttl, octets }) => {
          received.push(`${from.address} ${to} ${ttl} ${new TextDecoder().decode(octets)}`)
        })
        const client = a.udp.bind({ family: 6, port: 49_152, ttl: 255 }, () => {})
        client.send(text('control'), { address: ip('fd00:1::2'), port: 3784 })
        await until(() => received.length > 0, 'the datagram')
        expect(received).toEqual(['fd00:1::1 fd00:1::2 255 control'])
      })

      it('answers what was refused with silence', async () => {
        const { a, b } = pair()
        const received: string[] = []
        const client = a.udp.bind({ family: 4, port: 49_152 }, ({ octets }) => {
          received.push(new TextDecoder().decode(octets))
        })
        client.send(text('nobody'), { address: ip('10.1.0.2'), port: 3784 })
        client.send(text('no way'), { address: ip('192.0.2.1'), port: 3784 })
        const server = b.udp.bind({ family: 4, port: 3785 }, ({ from }) =>
          server.send(text('here'), from),
        )
        await until(() => {
          client.send(text('hello'), { address: ip('10.1.0.2'), port: 3785 })
          return received.length > 0
        }, 'an answer')
        expect(received[0]).toBe('here')
      })

      it('refuses a port that is taken, naming it', () => {
        const { a } = pair()
        a.udp.bind({ family: 4, port: 3784 }, () => {})
        expect(() => a.udp.bind({ family: 4, port: 3784 }, () => {})).toThrow(/3784.*EADDRINUSE/)
      })
    })
  })
}

// Building blocks

/** Undefined where the kernel cannot. */
export function makeTunnel(kernel: Kernel): Link | undefined {
  try {
    return kernel.createLink({ kind: 'ipip', name: 'tunl0', mtu: 1480 })
  } catch (thrown) {
    if (isKernelError(thrown, 'EOPNOTSUPP')) return undefined
    throw thrown
  }
}

function vxlanSpec(
  parent: Link,
  localAddress: string,
  { vni = 4096, port = 4789 }: { readonly vni?: number; readonly port?: number } = {},
) {
  return {
    kind: 'vxlan',
    name: 'vxlan.test',
    macAddress: mac('66:00:00:00:00:01'),
    vxlan: {
      vni,
      port,
      localAddress: ip(localAddress),
      parentIndex: parent.index,
      learning: false,
    },
  } as const
}

interface VxlanNode {
  readonly kernel: Kernel
  readonly link: Link
  /** Outside and inside the tunnel. */
  readonly node: IpAddress
  readonly tunnel: IpAddress
}

/** A tunnel that is up, with an address of its own; its MAC address ends in the node's second octet. */
function vxlanNode(
  kernel: Kernel,
  parent: Link,
  node: string,
  tunnel: string,
  settings?: { readonly vni?: number; readonly port?: number },
): VxlanNode {
  const macAddress = mac(`66:00:00:00:01:0${node.split('.')[1]}`)
  const { index } = kernel.createLink({ ...vxlanSpec(parent, node, settings), macAddress })
  kernel.changeLink(index, { up: true })
  const link = kernel.link('vxlan.test')!
  address(kernel, link, tunnel, 32)
  return { kernel, link, node: ip(node), tunnel: ip(tunnel) }
}

/** What one node must know to reach another: forwarding entry, neighbor, route. */
function joinVxlan({ kernel, link }: VxlanNode, other: VxlanNode): void {
  const linkIndex = link.index
  const macAddress = other.link.macAddress!
  kernel.setForwardingEntry({ linkIndex, macAddress, remoteAddress: other.node })
  kernel.setNeighbor({ linkIndex, address: other.tunnel, macAddress, state: 'permanent' })
  const nextHops = [{ linkIndex, gateway: other.tunnel, onlink: true }]
  kernel.addRoute(unicast(`${other.tunnel}/32`, link, other.tunnel, { nextHops }))
}

export function cable(near: Kernel, nearName: string, far: Kernel, farName: string) {
  const { index } = near.createLink({
    kind: 'veth',
    name: nearName,
    peer: { name: farName, kernel: far },
  })
  near.changeLink(index, { up: true })
  far.changeLink(far.link(farName)!.index, { up: true })
  return { near: near.link(nearName)!, far: far.link(farName)! }
}

/** a (10.1.0.1) - router (10.1.0.254, 10.2.0.254) - b (10.2.0.1); the router forwards. */
export function layLine({ a, router, b }: Record<'a' | 'router' | 'b', Kernel>): void {
  const first = cable(a, 'eth0', router, 'to-a')
  const second = cable(b, 'eth0', router, 'to-b')
  address(a, first.near, '10.1.0.1', 24)
  address(router, first.far, '10.1.0.254', 24)
  address(router, second.far, '10.2.0.254', 24)
  address(b, second.near, '10.2.0.1', 24)
  router.writeSysctl('ipv4.ip_forward', '1')
  a.addRoute(unicast('0.0.0.0/0', first.near, '10.1.0.254'))
  b.addRoute(unicast('0.0.0.0/0', second.near, '10.2.0.254'))
}

export function address(kernel: Kernel, link: Link, own: string, prefixLength: number): void {
  kernel.addAddress({ linkIndex: link.index, address: ip(own), prefixLength, scope: 'global' })
}

export function unicast(
  destination: string,
  link: Link,
  gateway?: string,
  more: Partial<Route> = {},
): Route {
  return {
    destination: prefix(destination),
    type: 'unicast',
    table: ROUTE_TABLE.main,
    protocol: ROUTE_PROTOCOL.static,
    scope: 'global',
    priority: 0,
    nextHops: [
      { linkIndex: link.index, ...(gateway === undefined ? {} : { gateway: ip(gateway) }) },
    ],
    ...more,
  }
}

function blackhole(destination: string): Route {
  return {
    destination: prefix(destination),
    type: 'blackhole',
    table: ROUTE_TABLE.main,
    protocol: ROUTE_PROTOCOL.bird,
    scope: 'global',
    priority: 0,
    nextHops: [],
  }
}

const v4 = (kernel: Kernel) =>
  kernel.addresses().filter(({ address }) => !address.includes(':') && address !== '127.0.0.1')
const to = (destination: string) => (route: Route) => route.destination === destination
const of = (own: string) => (neighbor: { readonly address: IpAddress }) => neighbor.address === own
const isReachable = (own: string) => (neighbor: { address: IpAddress; state: string }) =>
  neighbor.address === own && neighbor.state === 'reachable'
const text = (value: string): Uint8Array => new TextEncoder().encode(value)

/** One end of a TCP connection that notes what happens to it. */
class Peer {
  connection: TcpConnection | undefined
  connected = false
  received = ''
  octets = 0
  checksum = 0
  drained = 0
  readonly closed: string[] = []

  own(connection: TcpConnection): void {
    this.connection = connection
    connection.handlers = this
  }
  onConnect(): void {
    this.connected = true
  }
  onData(octets: Uint8Array): void {
    this.checksum = addChecksum(this.checksum, this.octets, octets)
    this.octets += octets.length
    if (this.octets < 1000) this.received += new TextDecoder().decode(octets)
  }
  onDrain(): void {
    this.drained++
  }
  onClose(reason: string): void {
    this.closed.push(reason)
  }
}

/** Depends on the place of every octet. */
function addChecksum(sum: number, start: number, octets: Uint8Array): number {
  return octets.reduce((all, octet, at) => (all + octet * (((start + at) % 8191) + 1)) % 1e9, sum)
}

function checksumOf(chunk: Uint8Array, length: number): number {
  let sum = 0
  for (let start = 0; start < length; start += chunk.length) sum = addChecksum(sum, start, chunk)
  return sum
}

interface Recording {
  readonly packets: CapturedPacket[]
  readonly capture: { readonly lost: number; close(): void }
  /** "out request 64": direction, ICMP message, TTL. */
  icmp(): string[]
}

/** Listens to a link, to all or to what lies between two addresses; not to what IPv6 says of itself on a new link. */
export function record(
  kernel: Kernel,
  link: Link,
  addresses?: readonly [string, string],
): Recording {
  const packets: CapturedPacket[] = []
  const filter =
    addresses === undefined
      ? {}
      : { filter: { addresses: [ip(addresses[0]), ip(addresses[1])] as const } }
  const capture = kernel.capture({ linkIndex: link.index, ...filter }, (packet) => {
    if (!isOfIpv6Itself(packet)) packets.push(packet)
  })
  return { packets, capture, icmp: () => packets.flatMap(describeIcmp) }
}

/** Reports of multicast listeners, behind a hop-by-hop header (RFC 3810), and neighbor discovery (RFC 4861). */
function isOfIpv6Itself({ octets }: CapturedPacket): boolean {
  if (octets[0]! >> 4 !== 6) return false
  return octets[6] === 0 || (octets[6] === 58 && octets[40]! >= 130)
}

const ICMP_NAMES: Readonly<Record<number, string>> = {
  0: 'reply',
  3: 'unreachable',
  8: 'request',
  11: 'time-exceeded',
}

function describeIcmp({ direction, octets }: CapturedPacket): string[] {
  if (octets[0]! >> 4 !== 4 || octets[9] !== 1) return []
  const type = octets[(octets[0]! & 15) * 4]!
  return [`${direction} ${ICMP_NAMES[type] ?? type} ${octets[8]!}`]
}

function ipv4SourceOf(octets: Uint8Array): string {
  return octets.subarray(12, 16).join('.')
}

const PAYLOAD = text('kernel contract!')

export function echoRequest(options: {
  source: string
  destination: string
  ttl?: number
  id?: number
  /** Of the data; zeros behind the usual ones. */
  dataOctets?: number
}): Uint8Array {
  const icmp = new Uint8Array(8 + (options.dataOctets ?? PAYLOAD.length))
  icmp.set([8, 0, 0, 0, (options.id ?? 1) >> 8, (options.id ?? 1) & 255, 0, 1])
  icmp.set(PAYLOAD, 8)
  put16(icmp, 2, internetChecksum(icmp))
  return ipv4({ ...options, protocol: 1, payload: icmp })
}

export function encapsulate(source: string, destination: string, inner: Uint8Array): Uint8Array {
  return ipv4({ source, destination, protocol: 4, payload: inner })
}

export function ipv4(options: {
  source: string
  destination: string
  protocol: number
  payload: Uint8Array
  ttl?: number
}): Uint8Array {
  const packet = new Uint8Array(20 + options.payload.length)
  packet.set([0x45, 0, 0, 0, 0x12, 0x34, 0, 0, options.ttl ?? 64, options.protocol])
  put16(packet, 2, packet.length)
  packet.set(options.source.split('.').map(Number), 12)
  packet.set(options.destination.split('.').map(Number), 16)
  put16(packet, 10, internetChecksum(packet.subarray(0, 20)))
  packet.set(options.payload, 20)
  return packet
}

export function echoRequest6(options: { source: string; destination: string }): Uint8Array {
  const [source, destination] = [ip(options.source), ip(options.destination)].map(addressOctets)
  const icmp = Uint8Array.of(128, 0, 0, 0, 0, 1, 0, 1, ...PAYLOAD)
  // RFC 8200 section 8.1: the checksum covers addresses, length and protocol.
  const pseudo = Uint8Array.of(
    ...source!,
    ...destination!,
    0,
    0,
    0,
    icmp.length,
    0,
    0,
    0,
    58,
    ...icmp,
  )
  put16(icmp, 2, internetChecksum(pseudo))
  return Uint8Array.of(0x60, 0, 0, 0, 0, icmp.length, 58, 64, ...source!, ...destination!, ...icmp)
}

const ICMP6_NAMES: Readonly<Record<number, string>> = { 128: 'request', 129: 'reply' }

function describeIcmp6({ direction, octets }: CapturedPacket): string {
  return `${direction} ${ICMP6_NAMES[octets[40]!] ?? octets[40]} ${octets[7]!}`
}

export function put16(octets: Uint8Array, at: number, value: number): void {
  octets[at] = value >> 8
  octets[at + 1] = value & 255
}

/** RFC 1071. */
export function internetChecksum(octets: Uint8Array): number {
  let sum = 0
  for (let at = 0; at < octets.length; at += 2) sum += (octets[at]! << 8) | (octets[at + 1] ?? 0)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return ~sum & 0xffff
}
