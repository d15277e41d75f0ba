import { describe, expect, it } from 'vitest'
import type { Bfd, BfdChange, BfdSessionConfig } from '../bgp/bfd/bfd.ts'
import { createSpeaker } from '../bgp/speaker.ts'
import type { SpeakerEvent } from '../bgp/status.ts'
import { MemoryNetwork } from '../bgp/testing/memory-tcp.ts'
import { SimulatedMachine } from '../kernel/sim/machine.ts'
import { type Kernel, ROUTE_TABLE } from '../kernel/kernel.ts'
import { VirtualClock } from '../lib/clock.ts'
import { silentLog } from '../lib/log.ts'
import { SeededRandom } from '../lib/random.ts'
import { ip } from '../net/ip-address.ts'
import { prefix } from '../net/prefix.ts'
import { BgpdDaemon } from './daemon.ts'
import { BGPD_ROUTE_PROTOCOL } from './kernel-routes.ts'
import { parseBgpdConfig } from './parse-config.ts'

/** BFD that does what a test says. */
function scriptedBfd() {
  const sessions = new Map<string, { config: BfdSessionConfig; tell(change: BfdChange): void }>()
  const bfd: Bfd = {
    add(config, onChange) {
      sessions.set(config.remote, { config, tell: onChange })
      return { status: () => ({}) as never, close: () => void sessions.delete(config.remote) }
    },
    sessions: () => [],
    dropped: new Map(),
    close: () => sessions.clear(),
  }
  return { bfd, sessions }
}

function lab() {
  const clock = new VirtualClock()
  const network = new MemoryNetwork(clock)
  const random = new SeededRandom(7)
  const daemon = (address: string, openKernel?: () => Kernel) => {
    const { bfd, sessions } = scriptedBfd()
    const speaker = createSpeaker({
      clock,
      random: random.fork(),
      tcp: network.host(ip(address)),
      bfd,
      log: silentLog,
    })
    const events: SpeakerEvent[] = []
    speaker.onEvent((event) => events.push(event))
    const made = new BgpdDaemon({
      speaker,
      bfd,
      clock,
      log: silentLog,
      openKernel: openKernel ?? (() => expect.unreachable('no kernel section')),
    })
    const apply = (yaml: string, options?: { restarting?: boolean }): void => {
      const base = `localAs: ${address === '10.0.0.1' ? 65001 : 65002}\nrouterId: ${address}\n`
      const listen = `listen: [{ address: ${address} }]\n`
      made.apply(parseBgpdConfig(base + listen + yaml, 'f.yaml', 'it stays'), options)
    }
    const routes = (): string[] =>
      [...speaker.routes({ bestOnly: true })].map((path) => path.prefix).sort()
    return { daemon: made, speaker, events, sessions, apply, routes }
  }
  return { clock, daemon }
}

const neighbor = (address: string, as: number, rest = 'import: accept, export: accept'): string =>
  `neighbors: [{ address: ${address}, remoteAs: ${as}, ${rest} }]\n`

describe('bgpd', () => {
  it('announces what its file says and takes in what the neighbor says', async () => {
    const { clock, daemon } = lab()
    const a = daemon('10.0.0.1')
    const b = daemon('10.0.0.2')
    a.apply(
      `${neighbor('10.0.0.2', 65002)}static: [{ prefix: 192.0.2.0/24, med: 7, communities: ["65001:9"] }]`,
    )
    b.apply(neighbor('10.0.0.1', 65001))
    await clock.advance(5_000)
    const [path] = b.speaker.paths(prefix('192.0.2.0/24'))
    expect(path).toMatchObject({
      nextHop: '10.0.0.1',
      attributes: { med: 7, communities: [(65001 * 65536 + 9) >>> 0] },
    })
  })

  it('gives and takes nothing without a policy (RFC 8212), unless told so', async () => {
    const { clock, daemon } = lab()
    const a = daemon('10.0.0.1')
    const b = daemon('10.0.0.2')
    const statics = 'static: [{ prefix: 192.0.2.0/24 }]'
    a.apply(neighbor('10.0.0.2', 65002, 'description: x') + statics)
    b.apply(neighbor('10.0.0.1', 65001))
    await clock.advance(5_000)
    expect(b.routes()).toEqual([])
    a.apply(`${neighbor('10.0.0.2', 65002, 'description: x') + statics}\nrequirePolicy: false`)
    await clock.advance(60_000)
    expect(b.routes()).toEqual(['192.0.2.0/24'])
  })

  it('changes only what differs when the file is read again', async () => {
    const { clock, daemon } = lab()
    const a = daemon('10.0.0.1')
    const b = daemon('10.0.0.2')
    const filters =
      'filters: { f: [{ action: Reject, cidr: 10.9.0.0/16, matchOperator: In }, { action: Accept }] }\n'
    const file = (statics: string, rest = ''): string =>
      `${neighbor('10.0.0.2', 65002, 'import: accept, export: [f]') + filters}static: [${statics}]\n${rest}`
    a.apply(file('{ prefix: 10.1.0.0/16 }, { prefix: 10.2.0.0/16 }, { prefix: 10.9.1.0/24 }'))
    b.apply(neighbor('10.0.0.1', 65001))
    await clock.advance(5_000)
    expect(b.routes()).toEqual(['10.1.0.0/16', '10.2.0.0/16'])
    const before = b.speaker.neighbors()[0]!
    const changes: string[] = []
    b.speaker.onBestPaths((batch) => changes.push(...batch.map((change) => change.prefix)))
    await clock.advance(100)
    changes.length = 0

    a.apply(file('{ prefix: 10.2.0.0/16 }, { prefix: 10.1.0.0/16 }, { prefix: 10.9.1.0/24 }'))
    await clock.advance(5_000)
    expect(changes).toEqual([])
    expect(b.speaker.neighbors()[0]!.updates).toEqual(before.updates)

    a.apply(file('{ prefix: 10.2.0.0/16, med: 5 }, { prefix: 10.3.0.0/16 }'))
    await clock.advance(5_000)
    expect(changes.sort()).toEqual(['10.1.0.0/16', '10.2.0.0/16', '10.3.0.0/16'])
    expect(b.routes()).toEqual(['10.2.0.0/16', '10.3.0.0/16'])
    expect(b.speaker.neighbors()[0]).toMatchObject({ flaps: 0, since: before.since })
  })

  it('stays as it is when the file cannot be', async () => {
    const { clock, daemon } = lab()
    const a = daemon('10.0.0.1')
    const b = daemon('10.0.0.2')
    a.apply(`${neighbor('10.0.0.2', 65002)}static: [{ prefix: 10.1.0.0/16 }]`)
    b.apply(neighbor('10.0.0.1', 65001))
    await clock.advance(5_000)
    expect(() => a.apply('static: [{ prefix: 10.1.0.0/33 }]')).toThrow(
      /f\.yaml:4:20: static\[0\]\.prefix/,
    )
    await clock.advance(5_000)
    expect(b.routes()).toEqual(['10.1.0.0/16'])
    expect(a.daemon.current?.neighbors).toHaveLength(1)
  })

  it('drops a neighbor that BFD finds dead, and only then', async () => {
    const { clock, daemon } = lab()
    const a = daemon('10.0.0.1')
    const b = daemon('10.0.0.2')
    const watched = neighbor('10.0.0.2', 65002, 'import: accept, bfd: { detectMultiplier: 5 }')
    a.apply(watched)
    b.apply(neighbor('10.0.0.1', 65001))
    await clock.advance(5_000)
    const session = a.sessions.get('10.0.0.2')!
    expect(session.config).toEqual({
      local: '10.0.0.1',
      remote: '10.0.0.2',
      multihop: false,
      detectMultiplier: 5,
    })
    session.tell({ up: false, failure: false, reason: 'AdminDown' })
    await clock.advance(10)
    expect(a.speaker.neighbors()[0]!.state).toBe('Established')
    a.apply(`${watched}historyPerRoute: 2`)
    expect(a.sessions.get('10.0.0.2')).toBe(session)
    session.tell({ up: false, failure: true, reason: 'Control Detection Time Expired' })
    await clock.advance(10)
    expect(a.speaker.neighbors()[0]!.state).not.toBe('Established')
    a.apply(neighbor('10.0.0.2', 65002))
    await clock.advance(60_000)
    expect(a.speaker.neighbors()[0]!.state).toBe('Established')
    expect(a.sessions.size).toBe(0)
  })
})

describe('kernel section of bgpd', () => {
  function withKernel() {
    const { clock, daemon } = lab()
    const machine = new SimulatedMachine({ clock, random: new SeededRandom(3) })
    const kernel = machine.createNamespace('router')
    const far = machine.createNamespace('neighbor')
    const link = kernel.createLink({
      kind: 'veth',
      name: 'eth0',
      peer: { name: 'eth0', kernel: far },
    })
    kernel.changeLink(link.index, { up: true })
    far.changeLink(far.link('eth0')!.index, { up: true })
    const address = { address: ip('10.0.0.1'), prefixLength: 24, scope: 'global' } as const
    kernel.addAddress({ linkIndex: link.index, ...address })
    const ours = (): string[] =>
      kernel
        .routes({ protocol: BGPD_ROUTE_PROTOCOL })
        .map(
          ({ destination, nextHops, priority }) =>
            `${destination} via ${nextHops[0]?.gateway} metric ${priority}`,
        )
        .sort()
    return { clock, daemon, kernel, link, ours, machine }
  }

  it('writes learned best paths, and takes them out when they go', async () => {
    const { clock, daemon, kernel, ours, link } = withKernel()
    const a = daemon('10.0.0.1', () => kernel)
    const b = daemon('10.0.0.2')
    const foreign = {
      destination: prefix('203.0.113.0/24'),
      type: 'unicast' as const,
      table: ROUTE_TABLE.main,
      protocol: 4,
      scope: 'link' as const,
      priority: 0,
      nextHops: [{ linkIndex: link.index }],
    }
    kernel.addRoute(foreign)
    a.apply(
      `${neighbor('10.0.0.2', 65002)}kernel: { metric: 30 }\nstatic: [{ prefix: 10.5.0.0/16 }]`,
    )
    b.apply(
      `${neighbor('10.0.0.1', 65001)}static: [{ prefix: 10.1.0.0/16 }, { prefix: 10.2.0.0/16 }]`,
    )
    await clock.advance(5_000)
    expect(ours()).toEqual([
      '10.1.0.0/16 via 10.0.0.2 metric 30',
      '10.2.0.0/16 via 10.0.0.2 metric 30',
    ])
    b.apply(`${neighbor('10.0.0.1', 65001)}static: [{ prefix: 10.1.0.0/16 }]`)
    await clock.advance(1_000)
    expect(ours()).toEqual(['10.1.0.0/16 via 10.0.0.2 metric 30'])
    a.apply(neighbor('10.0.0.2', 65002))
    await clock.advance(1_000)
    expect(ours()).toEqual([])
    expect(kernel.routes().some(({ protocol }) => protocol === 4)).toBe(true)
  })

  it('puts back a route that somebody took out', async () => {
    const { clock, daemon, kernel, ours } = withKernel()
    const a = daemon('10.0.0.1', () => kernel)
    const b = daemon('10.0.0.2')
    a.apply(`${neighbor('10.0.0.2', 65002)}kernel: {}`)
    b.apply(`${neighbor('10.0.0.1', 65001)}static: [{ prefix: 10.1.0.0/16 }]`)
    await clock.advance(2_000)
    kernel.deleteRoute(kernel.routes({ protocol: BGPD_ROUTE_PROTOCOL })[0]!)
    await clock.advance(10_000)
    expect(ours()).toEqual(['10.1.0.0/16 via 10.0.0.2 metric 20'])
  })

  it('writes a route when its next hop comes to be reached, and takes it out when it no longer is', async () => {
    const { clock, daemon, kernel, link, ours } = withKernel()
    const a = daemon('10.0.0.1', () => kernel)
    const b = daemon('10.0.0.2')
    a.apply(`${neighbor('10.0.0.2', 65002)}kernel: {}`)
    const keep = 'import: accept, export: accept, nextHop: keep'
    b.apply(
      `${neighbor('10.0.0.1', 65001, keep)}static: [{ prefix: 10.1.0.0/16, nextHop: 10.9.0.9 }]`,
    )
    await clock.advance(5_000)
    expect(ours()).toEqual([])
    const way = {
      destination: prefix('10.9.0.0/24'),
      type: 'unicast' as const,
      table: ROUTE_TABLE.main,
      protocol: 4,
      scope: 'global' as const,
      priority: 0,
      nextHops: [{ linkIndex: link.index, gateway: ip('10.0.0.2') }],
    }
    kernel.addRoute(way)
    await clock.advance(1_000)
    expect(ours()).toEqual(['10.1.0.0/16 via 10.0.0.2 metric 20'])
    kernel.deleteRoute(way)
    await clock.advance(1_000)
    expect(ours()).toEqual([])
  })

  it('keeps the routes of the daemon before it until neighbors have spoken', async () => {
    const { clock, daemon, kernel, ours, link } = withKernel()
    const left = (text: string): void =>
      kernel.addRoute({
        destination: prefix(text),
        type: 'unicast',
        table: ROUTE_TABLE.main,
        protocol: BGPD_ROUTE_PROTOCOL,
        scope: 'global',
        priority: 20,
        nextHops: [{ linkIndex: link.index, gateway: ip('10.0.0.2') }],
      })
    left('10.1.0.0/16')
    left('10.7.0.0/16')
    const a = daemon('10.0.0.1', () => kernel)
    const b = daemon('10.0.0.2')
    a.apply(`${neighbor('10.0.0.2', 65002)}kernel: {}`)
    await clock.advance(3_000)
    expect(ours()).toHaveLength(2)
    b.apply(`${neighbor('10.0.0.1', 65001)}static: [{ prefix: 10.1.0.0/16 }]`)
    await clock.advance(20_000)
    expect(a.events.map(({ kind }) => kind)).toContain('restartComplete')
    expect(ours()).toEqual(['10.1.0.0/16 via 10.0.0.2 metric 20'])
  })

  it('leaves the routes when it stops gracefully, and none when it stops', async () => {
    for (const graceful of [true, false]) {
      const { clock, daemon, machine, ours } = withKernel()
      const a = daemon('10.0.0.1', () => machine.openNamespace('router'))
      const b = daemon('10.0.0.2')
      a.apply(`${neighbor('10.0.0.2', 65002)}kernel: {}`)
      b.apply(`${neighbor('10.0.0.1', 65001)}static: [{ prefix: 10.1.0.0/16 }]`)
      await clock.advance(5_000)
      const stopping = a.daemon.stop({ graceful })
      await clock.advance(1_000)
      await stopping
      expect(ours()).toHaveLength(graceful ? 1 : 0)
    }
  })
})
