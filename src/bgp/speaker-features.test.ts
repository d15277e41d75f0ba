import { describe, expect, it } from 'vitest'
import { ip, type IpAddress } from '../net/ip-address.ts'
import { prefix } from '../net/prefix.ts'
import type { NeighborConfig, SpeakerConfig } from './config.ts'
import { rejectAll, type RoutePolicy } from './policy.ts'
import { lab, type Router, stateOf } from './testing/lab.ts'

const A = ip('10.0.0.1')
const B = ip('10.0.0.2')
const C = ip('10.0.0.3')
const D = ip('10.0.0.4')
const NET = prefix('10.211.1.0/24')
const GRACEFUL = { gracefulRestart: { restartTimeSeconds: 60 } } as const
const SETTLE = 20_000

const to = (
  address: IpAddress,
  remoteAs: number,
  more: Partial<NeighborConfig> = {},
): NeighborConfig => ({ address, remoteAs, ...more })

const statusOf = ({ speaker }: Router, neighbor: string) =>
  speaker.neighbors().find(({ address }) => address === neighbor)!

/** Two routers with one session; `a` and `b` add to the neighbor on that side. */
function pair(
  options: {
    a?: Partial<NeighborConfig>
    b?: Partial<NeighborConfig>
    speakerA?: Partial<SpeakerConfig>
    speakerB?: Partial<SpeakerConfig>
    asB?: number
  } = {},
) {
  const world = lab()
  const asB = options.asB ?? 64512
  const configA = { ...options.speakerA, neighbors: [to(B, asB, options.a)] }
  const configB = { localAs: asB, ...options.speakerB, neighbors: [to(A, 64512, options.b)] }
  return { ...world, a: world.router(A, configA), b: world.router(B, configB), configA, configB }
}

/** What `configure` of a router of the lab is given. */
const whole = (address: IpAddress, config: Partial<SpeakerConfig>): SpeakerConfig => ({
  localAs: 64512,
  routerId: address,
  listen: [{ address, port: 179 }],
  neighbors: [],
  ...config,
})

describe('route reflection (RFC 4456)', () => {
  const star = (client: boolean) => {
    const world = lab()
    const spoke = { routeReflectorClient: client }
    const hub = world.router(A, {
      clusterId: ip('9.9.9.9'),
      neighbors: [to(B, 64512, spoke), to(C, 64512, spoke)],
    })
    const b = world.router(B, { neighbors: [to(A, 64512)] })
    const c = world.router(C, { neighbors: [to(A, 64512)] })
    b.speaker.announce(NET)
    return { ...world, hub, b, c }
  }

  it('passes routes between clients with originator, cluster list and the next hop as it was', async () => {
    const { clock, c } = star(true)
    await clock.advance(SETTLE)
    const [path] = c.speaker.paths(NET)
    expect(path).toMatchObject({
      nextHop: B,
      from: A,
      attributes: { originatorId: B, clusterList: ['9.9.9.9'], localPreference: 100 },
    })
  })

  it('passes nothing between neighbors that are no clients', async () => {
    const { clock, hub, c } = star(false)
    await clock.advance(SETTLE)
    expect(hub.best.get(NET)).toBe(B)
    expect(c.best.size).toBe(0)
  })

  it('refuses a route whose originator is the receiver', async () => {
    const world = lab()
    const client = { routeReflectorClient: true }
    world.router(A, { neighbors: [to(B, 64512, client), to(C, 64512, client)] })
    const c = world.router(C, { neighbors: [to(A, 64512, client), to(B, 64512, client)] })
    const b = world.router(B, { neighbors: [to(A, 64512, client), to(C, 64512, client)] })
    b.speaker.announce(NET)
    await world.clock.advance(SETTLE)
    expect(c.best.get(NET)).toBe(B)
    const [own, ...others] = b.speaker.paths(NET)
    expect(own).toMatchObject({ kind: 'own', best: true })
    for (const { ineligible } of others) expect(ineligible).toContain('originator')
  })
})

describe('what may be accepted', () => {
  it('refuses its own AS in the path, unless that is allowed', async () => {
    for (const allowOwnAs of [0, 1]) {
      const world = lab()
      const a = world.router(A, { localAs: 65001, neighbors: [to(B, 65002)] })
      world.router(B, { localAs: 65002, neighbors: [to(A, 65001), to(C, 65001)] })
      const c = world.router(C, { localAs: 65001, neighbors: [to(B, 65002, { allowOwnAs })] })
      a.speaker.announce(NET)
      await world.clock.advance(SETTLE)
      expect(c.best.size).toBe(allowOwnAs)
      const [path] = c.speaker.paths(NET)
      expect(path!.ineligible === undefined).toBe(allowOwnAs === 1)
    }
  })

  it('announces and accepts nothing over eBGP without policies where they are required (RFC 8212)', async () => {
    const { clock, a, b } = pair({ asB: 65002, speakerA: { requirePolicy: true } })
    a.speaker.announce(prefix('10.1.0.0/16'))
    b.speaker.announce(NET)
    await clock.advance(SETTLE)
    expect(b.best.has('10.1.0.0/16')).toBe(false)
    expect(a.best.has(NET)).toBe(false)
    expect(a.speaker.paths(NET)[0]!.ineligible).toContain('RFC 8212')
  })

  it('ends the session at the prefix limit, says so, and comes back after the time set', async () => {
    const { clock, a, b } = pair({ a: { prefixLimit: { maximum: 2, restartSeconds: 100 } } })
    await clock.advance(SETTLE)
    for (const third of [1, 2, 3]) b.speaker.announce(prefix(`10.211.${third}.0/24`))
    await clock.advance(1000)
    expect(stateOf(a, B)).toBe('Idle')
    expect(a.best.size).toBe(0)
    expect(a.events.some(({ kind }) => kind === 'prefixLimit')).toBe(true)
    expect(b.events).toContainEqual(
      expect.objectContaining({ reason: expect.stringContaining('maximumPrefixesReached') }),
    )
    b.speaker.withdraw(prefix('10.211.3.0/24'))
    await clock.advance(130_000)
    expect(stateOf(a, B)).toBe('Established')
  })

  it('refuses a neighbor of another AS than configured, with a reason for people', async () => {
    const { clock, a } = pair({ asB: 65002, speakerB: { localAs: 65003 } })
    await clock.advance(SETTLE)
    expect(stateOf(a, B)).not.toBe('Established')
    expect(statusOf(a, B).lastError).toContain('Expected AS 65002, the neighbor is AS 65003')
  })
})

describe('policies', () => {
  const tagging: RoutePolicy = ({ attributes }) => ({
    accept: true,
    attributes: { ...attributes, communities: [1], localPreference: 7 },
  })

  it('change attributes on import and export', async () => {
    const { clock, a, b } = pair({ a: { importPolicy: tagging }, b: { exportPolicy: tagging } })
    b.speaker.announce(NET)
    a.speaker.announce(prefix('10.1.0.0/16'))
    await clock.advance(SETTLE)
    const expected = { attributes: { communities: [1], localPreference: 7 } }
    expect(a.speaker.paths(NET)).toMatchObject([expected])
    expect(b.speaker.paths(prefix('10.1.0.0/16'))[0]!.attributes.communities).toBeUndefined()
  })

  it('take effect on a session that stays up, both ways', async () => {
    const { clock, a, b, configA } = pair()
    const change = (more: Partial<NeighborConfig>): void =>
      a.speaker.configure(whole(A, { ...configA, neighbors: [to(B, 64512, more)] }))
    b.speaker.announce(NET)
    a.speaker.announce(prefix('10.1.0.0/16'))
    await clock.advance(SETTLE)
    change({ importPolicy: rejectAll, exportPolicy: rejectAll })
    await clock.advance(100)
    expect([a.best.has(NET), b.best.has('10.1.0.0/16')]).toEqual([false, false])
    expect(a.speaker.paths(NET)[0]!.ineligible).toContain('import policy')
    change({ importPolicy: tagging })
    await clock.advance(100)
    expect(a.speaker.paths(NET)[0]).toMatchObject({ attributes: { localPreference: 7 } })
    expect(b.best.get('10.1.0.0/16')).toBe(A)
    expect(statusOf(a, B).flaps).toBe(0)
  })

  it('let in only what lies in the ranges of a neighbor, which may change on a session', async () => {
    const inside = { importRanges: [prefix('10.211.0.0/16'), prefix('fd00::/8')] }
    for (const importPolicy of [undefined, tagging]) {
      const policy = importPolicy === undefined ? {} : { importPolicy }
      const { clock, a, b, configA } = pair({ a: { ...inside, ...policy } })
      const texts = ['10.211.1.0/24', '10.211.0.0/16', '10.210.0.0/15', '0.0.0.0/0']
      for (const text of texts) b.speaker.announce(prefix(text))
      await clock.advance(SETTLE)
      const used = (): string[] => texts.filter((text) => a.best.has(text))
      expect(used()).toEqual(texts.slice(0, 2))
      expect(a.speaker.paths(prefix('0.0.0.0/0'))[0]!.ineligible).toContain('outside')
      expect(statusOf(a, B).families[0]).toMatchObject({ received: 4, accepted: 2 })
      a.speaker.configure(whole(A, { ...configA, neighbors: [to(B, 64512, policy)] }))
      await clock.advance(100)
      expect(used()).toEqual(texts)
      a.speaker.configure(
        whole(A, { ...configA, neighbors: [to(B, 64512, { ...inside, ...policy })] }),
      )
      await clock.advance(100)
      expect(used()).toEqual(texts.slice(0, 2))
      expect(statusOf(a, B).flaps).toBe(0)
    }
  })

  it('take no martian, whatever they say', async () => {
    for (const importPolicy of [undefined, tagging]) {
      const { clock, a, b } = pair({ a: importPolicy === undefined ? {} : { importPolicy } })
      const texts = ['127.0.0.0/8', '169.254.1.1/32', '240.0.0.0/4', '0.0.0.0/0']
      for (const text of texts) b.speaker.announce(prefix(text))
      await clock.advance(SETTLE)
      expect(texts.filter((text) => a.best.has(text))).toEqual(['0.0.0.0/0'])
      expect(a.speaker.paths(prefix('127.0.0.0/8'))[0]!.ineligible).toContain('RFC 7454')
    }
  })

  it('are asked again after a route refresh, and nothing is lost by it', async () => {
    const { clock, a, b } = pair()
    b.speaker.announce(NET)
    await clock.advance(SETTLE)
    const before = statusOf(b, A).updates.sent
    a.speaker.refresh(B, 'in')
    await clock.advance(100)
    expect(statusOf(b, A).updates.sent).toBeGreaterThan(before)
    expect(a.best.get(NET)).toBe(B)
  })
})

describe('configuration', () => {
  it('leaves sessions alone that it does not change', async () => {
    const { clock, a, configA } = pair()
    await clock.advance(SETTLE)
    const more = whole(A, { ...configA, neighbors: [...configA.neighbors, to(C, 64512)] })
    a.speaker.configure(more)
    await clock.advance(1000)
    expect(statusOf(a, B)).toMatchObject({ state: 'Established', flaps: 0 })
    expect(a.speaker.neighbors().map(({ address }) => address)).toEqual([B, C])
  })

  it('removes a neighbor with its routes, and says why', async () => {
    const { clock, a, b } = pair()
    b.speaker.announce(NET)
    await clock.advance(SETTLE)
    a.speaker.configure(whole(A, {}))
    await clock.advance(1000)
    expect(a.best.size).toBe(0)
    expect(a.speaker.neighbors()).toEqual([])
    expect(statusOf(b, A).lastError).toBeDefined()
    const reasons = b.events.map((event) => ('reason' in event ? event.reason : ''))
    expect(reasons.join()).toContain('peerDeconfigured')
  })

  it('shows the text of a neighbor that was shut down (RFC 9003)', async () => {
    const { clock, a, b, configA } = pair()
    await clock.advance(SETTLE)
    const shutdown = 'maintenance until 14:00'
    a.speaker.configure(whole(A, { ...configA, neighbors: [to(B, 64512, { shutdown })] }))
    await clock.advance(100)
    expect(statusOf(b, A).shutdownCommunication).toBe(shutdown)
    await clock.advance(60_000)
    expect(stateOf(a, B)).toBe('Idle')
  })

  it.each([
    [{ localAs: 0 }, 'localAs: expected a whole number from 1'],
    [{ neighbors: [to(B, 1), to(B, 1)] }, 'neighbor 10.0.0.2: configured twice'],
    [{ neighbors: [to(B, 1, { holdTimeSeconds: 2 })] }, 'holdTimeSeconds (or 0)'],
    [{ routerId: ip('0.0.0.0') }, 'routerId: expected'],
  ])('that is wrong changes nothing: %j', async (wrong, message) => {
    const { clock, a, configA } = pair()
    await clock.advance(SETTLE)
    expect(() => a.speaker.configure(whole(A, { ...configA, ...wrong }))).toThrow(message)
    await clock.advance(100)
    expect(stateOf(a, B)).toBe('Established')
  })
})

describe('several paths', () => {
  const diamond = (options: Partial<SpeakerConfig>, more: Partial<NeighborConfig> = {}) => {
    const world = lab()
    const top = world.router(A, {
      localAs: 65001,
      neighbors: [to(B, 65002), to(C, 65003)],
      ...options,
    })
    const left = world.router(B, { localAs: 65002, neighbors: [to(A, 65001), to(D, 65004)] })
    const right = world.router(C, { localAs: 65003, neighbors: [to(A, 65001), to(D, 65004)] })
    const bottom = world.router(D, {
      localAs: 65004,
      neighbors: [to(B, 65002, more), to(C, 65003, more)],
    })
    return { ...world, top, left, right, bottom }
  }

  it('are used at once when they are equal (ECMP)', async () => {
    const { clock, top, bottom, left } = diamond({ multipathMaximum: 4, multipathRelaxed: true })
    bottom.speaker.announce(NET)
    await clock.advance(SETTLE)
    expect(top.best.get(NET)).toBe(`${B}, ${C}`)
    expect(top.speaker.paths(NET)).toMatchObject([
      { best: true, reason: 'router id' },
      { best: false, multipath: true, reason: 'router id' },
    ])
    left.speaker.reset(D)
    await clock.advance(100)
    expect(top.best.get(NET)).toBe(C)
  })

  it('are told with the reason why one is better', async () => {
    const { clock, top, bottom } = diamond({}, {})
    bottom.speaker.announce(NET)
    await clock.advance(SETTLE)
    expect(top.best.get(NET)).toBe(B)
    expect(top.speaker.paths(NET)[1]).toMatchObject({ best: false, reason: 'router id' })
  })

  it('reach a neighbor with add-path, and go one by one (RFC 7911)', async () => {
    const world = lab()
    const hub = world.router(A, {
      neighbors: [
        to(B, 64512, { routeReflectorClient: true }),
        to(C, 64512, { routeReflectorClient: true }),
        to(D, 64512, { routeReflectorClient: true, addPaths: 'send' }),
      ],
    })
    const b = world.router(B, { neighbors: [to(A, 64512)] })
    const c = world.router(C, { neighbors: [to(A, 64512)] })
    const d = world.router(D, { neighbors: [to(A, 64512, { addPaths: 'receive' })] })
    b.speaker.announce(NET)
    c.speaker.announce(NET)
    await world.clock.advance(SETTLE)
    const nextHops = (): string[] => d.speaker.paths(NET).map(({ nextHop }) => nextHop)
    expect(nextHops().sort()).toEqual([B, C])
    expect(hub.speaker.paths(NET)).toHaveLength(2)
    b.speaker.withdraw(NET)
    await world.clock.advance(100)
    expect(nextHops()).toEqual([C])
    c.speaker.withdraw(NET)
    await world.clock.advance(100)
    expect(nextHops()).toEqual([])
  })
})

describe('the history of a route', () => {
  it('says what happened to it, the latest changes only', async () => {
    const { clock, a, b } = pair({ speakerA: { historyPerRoute: 4, ...GRACEFUL } })
    b.speaker.announce(NET)
    await clock.advance(SETTLE)
    const events = () => a.speaker.history(NET).map(({ event, from }) => [event, from])
    expect(events()).toEqual([
      ['received', B],
      ['best', B],
    ])
    expect(a.speaker.history(NET)[0]!.detail).toBe(`next hop ${B}`)
    b.speaker.withdraw(NET)
    await clock.advance(100)
    b.speaker.announce(NET)
    await clock.advance(100)
    expect(events()).toEqual([
      ['withdrawn', B],
      ['best', undefined],
      ['received', B],
      ['best', B],
    ])
  })

  it('is not kept unless asked for', async () => {
    const { clock, a, b } = pair()
    b.speaker.announce(NET)
    await clock.advance(SETTLE)
    expect(a.speaker.history(NET)).toEqual([])
  })
})

describe('neighbors from a range', () => {
  it('are accepted, counted and forgotten when they go', async () => {
    const world = lab()
    const a = world.router(A, {
      neighbors: [],
      dynamicNeighbors: [{ range: prefix('10.0.0.0/24'), maximum: 1 }],
    })
    const b = world.router(B, { localAs: 65002, neighbors: [to(A, 64512)] })
    await world.clock.advance(SETTLE)
    const c = world.router(C, { localAs: 65003, neighbors: [to(A, 64512)] })
    b.speaker.announce(NET)
    await world.clock.advance(SETTLE)
    expect(a.speaker.neighbors()).toMatchObject([
      { address: B, dynamic: true, remoteAs: 65002, state: 'Established', kind: 'external' },
    ])
    expect(stateOf(c, A)).not.toBe('Established')
    world.network.kill(B)
    await world.clock.advance(10_000)
    expect(a.best.size).toBe(0)
    expect(a.speaker.neighbors().map(({ address }) => address)).toEqual([C])
  })
})

describe('attributes between unlike speakers', () => {
  it('IPv4 routes go over an IPv6 session with IPv6 next hops (RFC 8950)', async () => {
    const world = lab()
    const [left, right] = [ip('fd00::1'), ip('fd00::2')]
    const both = { families: [4, 6], extendedNextHop: true } as const
    const a = world.router(left, { routerId: A, neighbors: [to(right, 64512, both)] })
    const b = world.router(right, { routerId: B, neighbors: [to(left, 64512, both)] })
    a.speaker.announce(NET)
    await world.clock.advance(SETTLE)
    expect(b.best.get(NET)).toBe('fd00::1')
    a.speaker.withdraw(NET)
    await world.clock.advance(100)
    expect(b.best.size).toBe(0)
  })

  it('IPv4 routes are not announced over IPv6 without that', async () => {
    const world = lab()
    const [left, right] = [ip('fd00::1'), ip('fd00::2')]
    const both = { families: [4, 6] } as const
    const a = world.router(left, { routerId: A, neighbors: [to(right, 64512, both)] })
    const b = world.router(right, { routerId: B, neighbors: [to(left, 64512, both)] })
    a.speaker.announce(NET)
    a.speaker.announce(prefix('fd00:10::/64'))
    await world.clock.advance(SETTLE)
    expect([...b.best.keys()]).toEqual(['fd00:10::/64'])
  })

  it('another AS is shown where local-as says so', async () => {
    const { clock, a, b } = pair({ asB: 65002, a: { localAs: 65009 }, b: { remoteAs: 65009 } })
    a.speaker.announce(NET)
    await clock.advance(SETTLE)
    expect(b.speaker.paths(NET)[0]!.attributes.asPath).toEqual([
      { kind: 'sequence', asns: [65009] },
    ])
  })

  it('next hop self and keep do as they say', async () => {
    const world = lab()
    world.router(A, { localAs: 65001, neighbors: [to(B, 64512)] }).speaker.announce(NET)
    world.router(B, {
      neighbors: [
        to(A, 65001),
        to(C, 64512, { nextHop: 'self' }),
        to(D, 65004, { nextHop: 'keep' }),
      ],
    })
    const c = world.router(C, { neighbors: [to(B, 64512)] })
    const d = world.router(D, { localAs: 65004, neighbors: [to(B, 64512)] })
    await world.clock.advance(SETTLE)
    expect([c.best.get(NET), d.best.get(NET)]).toEqual([B, A])
  })

  it('no-export and no-advertise are obeyed (RFC 1997)', async () => {
    const world = lab()
    const a = world.router(A, { neighbors: [to(B, 64512), to(C, 65003)] })
    const b = world.router(B, { neighbors: [to(A, 64512)] })
    const c = world.router(C, { localAs: 65003, neighbors: [to(A, 64512)] })
    a.speaker.announce(prefix('10.1.0.0/16'), { communities: [0xffffff01] })
    a.speaker.announce(prefix('10.2.0.0/16'), { communities: [0xffffff02] })
    await world.clock.advance(SETTLE)
    expect([...b.best.keys()]).toEqual(['10.1.0.0/16'])
    expect([...c.best.keys()]).toEqual([])
  })

  it('more attributes than fit a message of 4096 octets fit an extended one (RFC 8654)', async () => {
    const communities = Array.from({ length: 2000 }, (_, at) => at)
    for (const extendedMessages of [true, false]) {
      const { clock, a, b } = pair({ b: { extendedMessages } })
      a.speaker.announce(NET, { communities })
      await clock.advance(SETTLE)
      expect(b.best.size).toBe(extendedMessages ? 1 : 0)
      expect(stateOf(a, B)).toBe('Established')
    }
  })
})

describe('when a session ends', () => {
  it('for a dead neighbor told from outside, routes go at once', async () => {
    const { clock, a, b } = pair()
    b.speaker.announce(NET)
    await clock.advance(SETTLE)
    a.speaker.neighborDown(B, 'BFD')
    await clock.advance(10)
    expect(a.best.size).toBe(0)
    await clock.advance(SETTLE)
    expect(stateOf(a, B)).toBe('Established')
  })

  it('by a NOTIFICATION, routes are retained if both sides said so (RFC 8538)', async () => {
    for (const notification of [true, false]) {
      const graceful = { gracefulRestart: { restartTimeSeconds: 60, notification } }
      const { clock, a, b } = pair({ speakerA: graceful, speakerB: graceful })
      b.speaker.announce(NET)
      await clock.advance(SETTLE)
      b.speaker.reset(A)
      await clock.advance(50)
      expect(a.best.size).toBe(notification ? 1 : 0)
      await clock.advance(SETTLE)
      expect(a.speaker.paths(NET)).toMatchObject([{ stale: false }])
    }
  })

  it('without a word when it stops gracefully, so that neighbors retain routes', async () => {
    const { clock, a, b } = pair({ speakerA: GRACEFUL, speakerB: GRACEFUL })
    b.speaker.announce(NET)
    await clock.advance(SETTLE)
    const stopped = b.speaker.stop({ graceful: true })
    await clock.advance(1000)
    await stopped
    expect(a.speaker.paths(NET)).toMatchObject([{ stale: true, best: true }])
  })

  it('with Cease, Administrative Shutdown and its text when it stops', async () => {
    const { clock, a, b } = pair()
    await clock.advance(SETTLE)
    const stopped = b.speaker.stop({ communication: 'moving' })
    await clock.advance(1000)
    await stopped
    expect(statusOf(a, B).shutdownCommunication).toBe('moving')
  })

  it('for good, routes go at once though both retain routes over a NOTIFICATION (RFC 8538)', async () => {
    const graceful = { gracefulRestart: { restartTimeSeconds: 60, notification: true } }
    const { clock, a, b } = pair({ speakerA: graceful, speakerB: graceful })
    b.speaker.announce(NET)
    await clock.advance(SETTLE)
    expect(a.best.has(NET)).toBe(true)
    const stopped = b.speaker.stop({ communication: 'moving' })
    await clock.advance(1000)
    await stopped
    expect(a.best.has(NET)).toBe(false)
    expect(statusOf(a, B).shutdownCommunication).toBe('moving')
  })

  it('for long, routes are kept as a last resort where that was agreed (RFC 9494)', async () => {
    const world = lab()
    const long = { gracefulRestart: { restartTimeSeconds: 10, longLivedStaleSeconds: 1000 } }
    const a = world.router(A, { ...long, neighbors: [to(B, 64512), to(C, 64512)] })
    const b = world.router(B, { ...long, neighbors: [to(A, 64512)] })
    const c = world.router(C, { ...long, neighbors: [to(A, 64512)] })
    b.speaker.announce(NET, { localPreference: 200 })
    b.speaker.announce(prefix('10.211.2.0/24'), { communities: [0xffff0007] })
    c.speaker.announce(NET)
    await world.clock.advance(SETTLE)
    expect(a.best.get(NET)).toBe(B)
    world.network.kill(B)
    await world.clock.advance(9000)
    expect(a.best.get(NET)).toContain(B)
    await world.clock.advance(3000)
    expect(a.best.get(NET)).toBe(C)
    expect(a.best.has('10.211.2.0/24')).toBe(false)
    world.network.kill(C)
    await world.clock.advance(15_000)
    expect(a.speaker.paths(NET)[0]).toMatchObject({
      nextHop: B,
      stale: true,
      attributes: { communities: [0xffff0006] },
    })
    await world.clock.advance(1_000_000)
    expect([...a.best]).toEqual([])
  })

  it('because nothing is heard, the hold timer ends it and the neighbor is told', async () => {
    const { clock, network, a, b } = pair({ a: { holdTimeSeconds: 9 } })
    b.speaker.announce(NET)
    await clock.advance(SETTLE)
    network.cut(A, B)
    await clock.advance(12_000)
    expect(a.best.size).toBe(0)
    expect(statusOf(a, B).flaps).toBe(1)
    network.mend(A, B)
    await clock.advance(60_000)
    expect(a.best.get(NET)).toBe(B)
  })
})

describe('a restarting speaker', () => {
  it('gives up waiting for a neighbor that never comes, and says so', async () => {
    const world = lab()
    const a = world.router(A, {
      gracefulRestart: { restarting: true, selectionDeferralSeconds: 30 },
      neighbors: [to(B, 64512), to(C, 64512)],
    })
    const b = world.router(B, { ...GRACEFUL, neighbors: [to(A, 64512)] })
    b.speaker.announce(NET)
    await world.clock.advance(29_000)
    expect(a.best.size).toBe(0)
    await world.clock.advance(2000)
    expect(a.best.get(NET)).toBe(B)
    expect(a.events.at(-1)).toEqual({ kind: 'restartComplete', reason: 'timer' })
  })

  it('waits for nobody when it has no neighbors', async () => {
    const world = lab()
    const a = world.router(A, { gracefulRestart: { restarting: true }, neighbors: [] })
    a.speaker.announce(NET)
    await world.clock.advance(10)
    expect(a.events).toEqual([{ kind: 'restartComplete', reason: 'end of RIB' }])
    expect(a.best.has(NET)).toBe(true)
  })
})

describe('addresses to listen on', () => {
  const world = () => {
    const { clock, network, router } = lab()
    const config = { listen: [{ port: 179 }], neighbors: [to(B, 64512, { passive: true })] }
    const a = router(A, config)
    router(B, { neighbors: [to(A, 64512)] })
    const established = async (): Promise<boolean> => {
      await clock.advance(SETTLE)
      return stateOf(a, B) === 'Established'
    }
    /** Whether the neighbor, which alone connects, comes back. */
    const comesBack = async (): Promise<boolean> => {
      network.cut(A, B)
      await clock.advance(300_000)
      expect(stateOf(a, B)).not.toBe('Established')
      network.mend(A, B)
      return established()
    }
    return { a, config, established, comesBack }
  }

  it('change from all to one and back while neighbors stay', async () => {
    const { a, config, established, comesBack } = world()
    expect(await established()).toBe(true)
    for (const listen of [[{ address: A, port: 179 }], [{ port: 179 }]]) {
      a.speaker.configure(whole(A, { ...config, listen }))
      expect(await established()).toBe(true)
      expect(statusOf(a, B).flaps).toBe(0)
    }
    expect(await comesBack()).toBe(true)
  })

  it('stay as they are when one of them cannot be had', async () => {
    const { a, config, comesBack } = world()
    const listen = [
      { address: A, port: 179 },
      { address: A, port: 179 },
    ]
    expect(() => a.speaker.configure(whole(A, { ...config, listen }))).toThrow(/in use/)
    expect(await comesBack()).toBe(true)
  })
})
