import { Secret } from '../lib/secret.ts'
import { describe, expect, it } from 'vitest'
import { VirtualClock } from '../lib/clock.ts'
import { silentLog } from '../lib/log.ts'
import { SeededRandom } from '../lib/random.ts'
import { ip } from '../net/ip-address.ts'
import { prefix } from '../net/prefix.ts'
import type { TcpConnection, TcpConnectOptions, TcpStack } from '../net/transport.ts'
import type { NeighborConfig } from './config.ts'
import type { RoutePolicy } from './policy.ts'
import { createSpeaker } from './speaker.ts'
import { lab, stateOf } from './testing/lab.ts'
import { ScriptedNeighbor } from './testing/scripted-neighbor.ts'

/** What can be said of a neighbor, each by what becomes of it. */
const A = ip('10.0.0.1')
const B = ip('10.0.0.2')
const NET = prefix('10.211.1.0/24')
const SETTLE = 20_000
const acceptSome: RoutePolicy = () => ({ accept: true })

/** Connects of a speaker with one neighbor to which nothing answers, with the time of each. */
async function connects(neighbor: Partial<NeighborConfig>, milliseconds: number) {
  const clock = new VirtualClock()
  const seen: { readonly at: number; readonly options: TcpConnectOptions }[] = []
  const connection: TcpConnection = {
    handlers: { onData() {}, onClose() {} },
    local: { address: A, port: 1 },
    remote: { address: B, port: 179 },
    unsentOctets: 0,
    write: () => true,
    pause() {},
    resume() {},
    close() {},
    destroy() {},
  }
  const tcp: TcpStack = {
    listen: () => ({ port: 179, setMd5Key() {}, close() {} }),
    connect(options) {
      seen.push({ at: clock.now(), options })
      return connection
    },
  }
  const speaker = createSpeaker({ clock, random: new SeededRandom(1), tcp, log: silentLog })
  speaker.configure({
    localAs: 65001,
    routerId: A,
    listen: [],
    neighbors: [{ address: B, remoteAs: 65002, ...neighbor }],
  })
  await clock.advance(milliseconds)
  return seen
}

const optionsOf = async (neighbor: Partial<NeighborConfig>): Promise<TcpConnectOptions> =>
  (await connects(neighbor, 10))[0]!.options

describe('the connection to a neighbor', () => {
  it.each([
    ['is for the next hop only between ASes', {}, { ttl: 1 }],
    ['has the TTL of multihop', { multihopTtl: 3 }, { ttl: 3 }],
    [
      'has TTL 255 and a least TTL with GTSM',
      { ttlSecurityHops: 2 },
      { ttl: 255, minimumTtl: 254 },
    ],
    ['comes from the address that was said', { localAddress: A }, { source: A }],
    ['goes to the port that was said', { port: 1790 }, { remote: { address: B, port: 1790 } }],
    ['goes by the interface that was said', { interface: 'eth1' }, { interface: 'eth1' }],
    ['has the key of TCP MD5', { md5Key: 'secret' }, { md5Key: new Secret('secret') }],
  ] as const)('%s', async (_, neighbor, expected) => {
    expect(await optionsOf(neighbor)).toMatchObject(expected)
  })

  it('may go anywhere within an AS', async () => {
    expect(await optionsOf({ remoteAs: 65001 })).not.toHaveProperty('ttl')
  })

  it('is tried first after the delay, and again after the time between tries', async () => {
    const seen = await connects({ connectDelaySeconds: 3, connectRetrySeconds: 10 }, 20_000)
    expect(seen.length).toBeGreaterThanOrEqual(2)
    const [first, second] = seen.map(({ at }) => at / 1000)
    // Timers are shortened by up to a quarter (RFC 4271 section 10).
    expect(first).toBeGreaterThanOrEqual(2.25)
    expect(first).toBeLessThanOrEqual(3)
    expect(second! - first!).toBeGreaterThanOrEqual(7.5)
    expect(second! - first!).toBeLessThanOrEqual(10)
  })

  it('is never tried by a passive side', async () => {
    expect(await connects({ passive: true }, 100_000)).toEqual([])
  })
})

/** Two speakers of two ASes; `a` adds to what the first says of the second. */
async function session(
  a: Partial<NeighborConfig>,
  b: Partial<NeighborConfig> = {},
  localAs = 65002,
) {
  const world = lab()
  const left = world.router(A, {
    localAs: 65001,
    gracefulRestart: {},
    neighbors: [{ address: B, remoteAs: localAs, ...a }],
  })
  const right = world.router(B, {
    localAs,
    gracefulRestart: {},
    neighbors: [{ address: A, remoteAs: 65001, ...b }],
  })
  await world.clock.advance(SETTLE)
  return { ...world, left, right }
}

describe('a session with a neighbor', () => {
  it('has the lower hold time of both, and KEEPALIVEs when this side wants them', async () => {
    const { clock, left, right } = await session({ holdTimeSeconds: 30, keepaliveSeconds: 2 })
    const [status] = left.speaker.neighbors()
    expect(status).toMatchObject({ holdTimeSeconds: 30, keepaliveSeconds: 2 })
    const count = (): number => right.speaker.neighbors()[0]!.messages.received
    const before = count()
    await clock.advance(60_000)
    expect(count() - before).toBeGreaterThanOrEqual(30)
    expect(count() - before).toBeLessThanOrEqual(41)
  })

  it('has no timers at all with a hold time of zero', async () => {
    const { clock, left, right } = await session({ holdTimeSeconds: 0 })
    const before = right.speaker.neighbors()[0]!.messages.received
    await clock.advance(3_600_000)
    expect(right.speaker.neighbors()[0]!.messages.received).toBe(before)
    expect(stateOf(left, B)).toBe('Established')
  })

  it.each([
    ['treats a path that does not begin with the AS of the neighbor as withdrawn', {}, false],
    ['takes it where that was said, as from a route server', { enforceFirstAs: false }, true],
  ] as const)('%s', async (_, options, isTaken) => {
    const { clock, network, router } = lab()
    const { best, speaker } = router(A, {
      localAs: 65001,
      neighbors: [{ address: B, remoteAs: 65002, passive: true, ...options }],
    })
    const neighbor = new ScriptedNeighbor(network, A, B)
    await clock.advance(10)
    neighbor.open(65002, [
      { kind: 'multiprotocol', afi: 1, safi: 1 },
      { kind: 'fourOctetAs', asn: 65002 },
    ])
    const announce = (asn: number): Promise<void> => {
      const asPath = [{ kind: 'sequence' as const, asns: [asn] }]
      const attributes = { origin: 0, asPath, nextHop: B } as const
      neighbor.say({ kind: 'update', withdrawn: [], attributes, announced: [{ prefix: NET }] })
      return clock.advance(1000)
    }
    await announce(65002)
    expect(best.get(NET)).toBe(B)
    await announce(65009)
    expect(best.has(NET)).toBe(isTaken)
    expect(speaker.neighbors()[0]!.state).toBe('Established')
  })

  it('gives routes without LOCAL_PREF the one that was said', async () => {
    const { clock, left, right } = await session({ defaultLocalPreference: 250 })
    right.speaker.announce(NET)
    await clock.advance(1000)
    expect(left.speaker.paths(NET)[0]!.attributes.localPreference).toBe(250)
  })

  it('only tells of a prefix limit that warns', async () => {
    const { clock, left, right } = await session({ prefixLimit: { maximum: 1, action: 'warn' } })
    right.speaker.announce(NET)
    right.speaker.announce(prefix('10.211.2.0/24'))
    await clock.advance(1000)
    expect(left.events).toContainEqual({ kind: 'prefixLimit', neighbor: B, family: 4 })
    expect(stateOf(left, B)).toBe('Established')
    expect(left.best.size).toBe(2)
  })

  it.each([{}, { importPolicy: acceptSome }])(
    'takes no new prefixes beyond a limit that refuses, and keeps the session: %o',
    async (options) => {
      const limit = (maximum: number) => ({ maximum, action: 'refuse' }) as const
      const { clock, left, right } = await session({ prefixLimit: limit(2), ...options })
      const [first, second, third, fourth] = [1, 2, 3, 4].map((n) => prefix(`10.211.${n}.0/24`))
      for (const each of [first!, second!, third!]) right.speaker.announce(each)
      await clock.advance(1000)
      const family = () => left.speaker.neighbors()[0]!.families.find((one) => one.family === 4)
      expect([...left.best.keys()]).toEqual([first, second])
      expect(family()).toMatchObject({ received: 2, refused: 1 })
      right.speaker.announce(second!, { med: 5 })
      right.speaker.announce(fourth!)
      await clock.advance(1000)
      expect(left.speaker.paths(second!)[0]!.attributes.med).toBe(5)
      expect(family()).toMatchObject({ received: 2, refused: 2 })
      const told = left.events.filter(({ kind }) => kind === 'prefixLimit')
      expect(told).toEqual([{ kind: 'prefixLimit', neighbor: B, family: 4 }])
      right.speaker.withdraw(first!)
      right.speaker.announce(fourth!, { med: 1 })
      await clock.advance(1000)
      expect([...left.best.keys()].sort()).toEqual([second, fourth])
      expect(stateOf(left, B)).toBe('Established')
      const neighbors = [{ address: B, remoteAs: 65002, prefixLimit: limit(3), ...options }]
      left.speaker.configure({
        localAs: 65001,
        routerId: A,
        listen: [],
        gracefulRestart: {},
        neighbors,
      })
      await clock.advance(1000)
      expect(left.best.size).toBe(3)
      expect(family()).not.toHaveProperty('refused')
      expect(left.speaker.neighbors()[0]!.flaps).toBe(0)
    },
  )

  it('does without graceful restart where that was said', async () => {
    const { clock, left, network, right } = await session({ gracefulRestart: false })
    expect(left.speaker.neighbors()[0]!.gracefulRestart).toBe('none')
    right.speaker.announce(NET)
    await clock.advance(1000)
    expect(left.best.get(NET)).toBe(B)
    network.kill(B)
    await clock.advance(1000)
    expect(left.best.size).toBe(0)
  })
})
