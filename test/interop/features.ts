import { expect } from 'vitest'
import {
  formatAsPath,
  type LargeCommunity,
  type RouteAttributes,
} from '../../src/bgp/route-attributes.ts'
import { ip } from '../../src/net/ip-address.ts'
import { prefix } from '../../src/net/prefix.ts'
import { eventually } from '../support/command.ts'
import { type Feature, ORIGINATED, type SeenRoute } from './peer.ts'
import { ends, PEER_AS, type SessionLabel, SPEAKERS, type World } from './world.ts'

/** What Tortie announces to the peer with every attribute that an eBGP session carries. */
const ANNOUNCED = '203.0.113.0/24'
const ATTRIBUTES: Partial<RouteAttributes> = {
  origin: 'egp',
  asPath: [
    { kind: 'sequence', asns: [64_999, 4_200_000_123] },
    { kind: 'set', asns: [64_997, 64_998] },
  ],
  med: 50,
  communities: [(65_001 << 16) | 7, (65_001 << 16) | 8].map((one) => one >>> 0),
  extendedCommunities: ['0002fde900000009'],
  largeCommunities: [
    { globalAdministrator: 4_200_000_001, localData1: 1, localData2: 2 },
    { globalAdministrator: 65_001, localData1: 3, localData2: 4 },
  ],
  atomicAggregate: true,
  aggregator: { asn: 4_200_000_009, address: ip('192.0.2.9') },
}
const SHOWN = {
  origin: 'egp',
  asPath: '65001 64999 4200000123 {64997 64998}',
  med: 50,
  communities: ['65001:7', '65001:8'],
  extendedCommunities: ['rt:65001:9'],
  largeCommunities: ['65001:3:4', '4200000001:1:2'],
  atomicAggregate: true,
  aggregator: '4200000009 192.0.2.9',
} as const

const ANNOUNCED_6 = '2001:db8:1::/48'
const REFLECTED = '203.0.115.0/24'
const REFLECTED_BY_US = '203.0.116.0/24'
const LARGE = '203.0.117.0/24'
const SINGLE = '203.0.118.0/24'
const TWO_PATHS = '203.0.119.0/24'

const sorted = (texts: readonly string[]): string[] => [...texts].sort()

/** Sets have no order, neither those of ASes in a path nor those of communities. */
function comparable(
  route: SeenRoute,
): Omit<SeenRoute, 'prefix' | 'nextHop'> & { nextHop?: string } {
  const { prefix: _, nextHop: __, ...rest } = route
  return {
    ...rest,
    asPath: rest.asPath.replace(
      /\{([^}]*)\}/g,
      (_, set: string) => `{${sorted(set.trim().split(/[ ,]+/)).join(' ')}}`,
    ),
    communities: sorted(rest.communities),
    extendedCommunities: sorted(rest.extendedCommunities),
    largeCommunities: sorted(rest.largeCommunities),
  }
}

/** What Tortie holds, in the notation in which peers show it. */
function asShown(attributes: RouteAttributes): Partial<SeenRoute> {
  const { aggregator } = attributes
  return {
    origin: attributes.origin,
    asPath: formatAsPath(attributes.asPath),
    communities: sorted((attributes.communities ?? []).map(communityText)),
    extendedCommunities: sorted((attributes.extendedCommunities ?? []).map(routeTarget)),
    largeCommunities: sorted((attributes.largeCommunities ?? []).map(largeText)),
    atomicAggregate: attributes.atomicAggregate === true,
    aggregator: aggregator === undefined ? undefined : `${aggregator.asn} ${aggregator.address}`,
  }
}

function largeText({ globalAdministrator, localData1, localData2 }: LargeCommunity): string {
  return `${globalAdministrator}:${localData1}:${localData2}`
}

/** "64512:100", well-known ones too: no two daemons name them alike. */
const communityText = (community: number): string => `${community >>> 16}:${community & 0xffff}`

function routeTarget(hex: string): string {
  const value = BigInt(`0x${hex}`)
  if (value >> 48n !== 0x0002n) return hex
  return `rt:${(value >> 32n) & 0xffffn}:${value & 0xffffffffn}`
}

/** One function a feature; each throws when the feature fails. They run in the order of the table. */
export const CHECKS: Readonly<Record<Feature, (world: World) => Promise<void>>> = {
  active: (world) => world.established('active'),

  passive: (world) => world.established('passive'),

  async routesOut(world) {
    world.announce('external', ANNOUNCED, ATTRIBUTES)
    const seen = await world.shown('active', ANNOUNCED)
    expect(seen.nextHop).toBe(ends('active').own)
    expect(comparable(seen)).toMatchObject({
      ...SHOWN,
      largeCommunities: sorted(SHOWN.largeCommunities),
    })
  },

  async routesIn(world) {
    const { attributes } = await world.received('active', ORIGINATED[4])
    expect(attributes.nextHop).toBe(ends('active').peer)
    expect(attributes.med).toBe(ORIGINATED.med)
    expect(asShown(attributes)).toMatchObject({
      origin: 'egp',
      asPath: String(PEER_AS),
      communities: [ORIGINATED.community.join(':')],
      extendedCommunities: [`rt:${ORIGINATED.routeTarget.join(':')}`],
      largeCommunities: [ORIGINATED.largeCommunity.join(':')],
    })
  },

  async transit(world) {
    await world.established('onward')
    const { attributes } = await world.received('onward', ANNOUNCED)
    expect(asShown(attributes)).toEqual({
      origin: SHOWN.origin,
      asPath: `${PEER_AS} ${SHOWN.asPath}`,
      communities: SHOWN.communities,
      extendedCommunities: SHOWN.extendedCommunities,
      largeCommunities: sorted(SHOWN.largeCommunities),
      atomicAggregate: true,
      aggregator: SHOWN.aggregator,
    })
  },

  async ipv6(world) {
    await world.established('ipv6')
    world.announce('external', ANNOUNCED_6, { ...ATTRIBUTES, asPath: [] })
    const seen = await world.shown('ipv6', ANNOUNCED_6)
    expect(seen.nextHop).toBe(ends('ipv6').own)
    expect(comparable(seen)).toMatchObject({
      origin: 'egp',
      asPath: '65001',
      communities: SHOWN.communities,
      largeCommunities: sorted(SHOWN.largeCommunities),
    })
    const { attributes } = await world.received('ipv6', ORIGINATED[6])
    expect(attributes.nextHop).toBe(ends('ipv6').peer)
    expect(asShown(attributes)).toMatchObject({
      asPath: String(PEER_AS),
      communities: [ORIGINATED.community.join(':')],
    })
  },

  md5: (world) => carriesRoutes(world, 'md5'),
  md5Passive: (world) => carriesRoutes(world, 'md5Passive'),
  ttlSecurity: (world) => carriesRoutes(world, 'ttl'),
  ttlSecurityPassive: (world) => carriesRoutes(world, 'ttlPassive'),

  async refreshAsked(world) {
    await settled(world, 'received')
    const before = world.status('active').updates.received
    world.of('active').refresh(ip(ends('active').peer), 'in')
    await eventually('routes sent again by the peer', 10, () => {
      return world.status('active').updates.received > before
    })
  },

  async refreshGiven(world) {
    await settled(world, 'sent')
    const before = world.status('active').updates.sent
    await world.peer.refresh('active')
    await eventually('routes sent again by Tortie', 10, () => {
      return world.status('active').updates.sent > before
    })
    expect(world.status('active').state).toBe('Established')
  },

  async enhancedRefresh(world) {
    await world.established('active')
    world.announce('external', ANNOUNCED, ATTRIBUTES)
    await world.shown('active', ANNOUNCED)
    await world.received('active', ORIGINATED[4])
    expect(world.status('active').capabilities).toContain('enhanced route refresh')
    const from = ip(ends('active').peer)
    const seen: string[] = []
    const end = world.of('active').onEvent((event) => {
      if (event.kind === 'routeRefresh' && event.neighbor === from) seen.push(event.what)
    })
    world.of('active').refresh(from, 'in')
    await eventually(
      'BoRR and EoRR of the peer',
      15,
      () => seen.at(-1) === 'end',
      () => `heard: ${seen.join(', ')}`,
    )
    expect(seen).toEqual(['begin', 'end'])
    await world.received('active', ORIGINATED[4])
    await settled(world, 'sent')
    const before = world.status('active').updates.sent
    await world.peer.refresh('active')
    await eventually('the request of the peer', 15, () => seen.at(-1) === 'request')
    await eventually('routes sent again', 10, () => world.status('active').updates.sent > before)
    end()
    await settled(world, 'sent')
    await world.shown('active', ANNOUNCED)
    expect(world.status('active').state).toBe('Established')
  },

  async addPaths(world) {
    await world.established('paths')
    world.announce('external', TWO_PATHS)
    world.announce('far', TWO_PATHS)
    // Out: our own path and the one from the other speaker.
    await eventually(
      'two paths of one prefix at the peer',
      15,
      async () => {
        const seen = await world.peer.received('paths')
        const paths = seen
          .filter((route) => route.prefix === TWO_PATHS)
          .map((route) => route.asPath)
        return paths.includes('65002') && paths.includes('65002 65001')
      },
      () => JSON.stringify(world.status('paths'), undefined, 1),
    )
    if (world.driver.lacks.transit !== undefined) return
    // In: the peer has it by the sessions of both ASes.
    const from = ip(ends('paths').peer)
    await eventually('several paths of one prefix from the peer', 15, () => {
      const ids = world
        .speaker('far')
        .paths(prefix(ANNOUNCED))
        .filter((path) => path.from === from)
      return new Set(ids.map((path) => path.pathId)).size >= 2
    })
  },

  async reflected(world) {
    await Promise.all([world.established('client'), world.established('otherClient')])
    world.announce('client', REFLECTED, { ...ATTRIBUTES, localPreference: 150 })
    const { attributes } = await world.received('otherClient', REFLECTED)
    expect(attributes).toMatchObject({
      originatorId: SPEAKERS.client.routerId,
      localPreference: 150,
      med: 50,
      nextHop: ends('client').own,
    })
    expect(attributes.clusterList).toHaveLength(1)
  },

  async reflecting(world) {
    await world.established('reflector')
    world.announce('leaf', REFLECTED_BY_US, { med: 60, localPreference: 160 })
    const seen = await world.shown('reflector', REFLECTED_BY_US)
    expect(seen).toMatchObject({
      originatorId: SPEAKERS.leaf.routerId,
      med: 60,
      localPreference: 160,
      asPath: '',
    })
    // OpenBGPD shows its own identifier in front, before it reflects anything itself.
    expect(seen.clusterList.at(-1)).toBe(SPEAKERS.reflector.routerId)
  },

  async largeCommunities(world) {
    const seen = await world.shown('active', ANNOUNCED)
    expect(sorted(seen.largeCommunities)).toEqual(sorted(SHOWN.largeCommunities))
    const { attributes } = await world.received('active', ORIGINATED[4])
    expect(attributes.largeCommunities?.map(largeText)).toEqual([
      ORIGINATED.largeCommunity.join(':'),
    ])
  },

  async twoOctet(world) {
    await Promise.all([world.established('large'), world.established('otherLarge')])
    expect(world.status('large').capabilities.join()).not.toMatch(/four-octet/)
    world.announce('large', LARGE, {
      asPath: [{ kind: 'sequence', asns: [4_200_000_010, 64_996] }],
      aggregator: { asn: 4_200_000_009, address: ip('192.0.2.9') },
    })
    const { attributes } = await world.received('otherLarge', LARGE)
    expect(formatAsPath(attributes.asPath)).toBe(`${PEER_AS} 4200000001 4200000010 64996`)
    expect(attributes.aggregator).toEqual({ asn: 4_200_000_009, address: '192.0.2.9' })
  },

  async shutdownShown(world) {
    await world.peer.shutdown('passive', 'cable 7 is being moved')
    await eventually(
      'the shutdown message at Tortie',
      10,
      () => world.status('passive').shutdownCommunication === 'cable 7 is being moved',
      () => JSON.stringify(world.status('passive'), undefined, 1),
    )
  },

  async shutdownSent(world) {
    const configuration = world.configuration('external')
    const address = ip(ends('ttl').peer)
    world.speaker('external').configure({
      ...configuration,
      neighbors: configuration.neighbors.map((neighbor) =>
        neighbor.address === address
          ? { ...neighbor, shutdown: 'maintenance until noon' }
          : neighbor,
      ),
    })
    let last = ''
    await eventually(
      'the shutdown message at the peer',
      10,
      async () => {
        last = await world.peer.describe('ttl')
        return last.includes('maintenance until noon')
      },
      () => last.slice(-2000),
    )
    world.speaker('external').configure(configuration)
    await world.established('ttl')
  },

  async bfd(world) {
    await world.established('bfd')
    // A session comes up at a packet a second and agrees on more by a poll (RFC 5880 section 6.8.3).
    await eventually(
      'the BFD session at its full speed',
      15,
      () => world.bfdState('bfd') === 'Up' && world.bfdDetectionMilliseconds('bfd') < 1000,
      () => `${world.bfdState('bfd')}, ${world.bfdDetectionMilliseconds('bfd')} ms`,
    )
    world.testbed.freeze(true)
    try {
      await eventually(
        'the end of the session',
        5,
        () => world.status('bfd').state !== 'Established',
      )
    } finally {
      world.testbed.freeze(false)
    }
    // Its hold timer has not run out, as those of the other sessions have not.
    expect(world.status('active').state).toBe('Established')
    await world.established('bfd')
  },

  async helper(world) {
    await world.established('single')
    world.announce('single', SINGLE, { med: 70 })
    await world.shown('single', SINGLE)
    await world.speaker('single').stop({ graceful: true })
    await eventually('the peer to notice', 10, async () => {
      return !(await world.peer.established()).has('single')
    })
    expect(await world.peer.kept('single')).toContain(SINGLE)
    world.startSpeaker('single', { gracefulRestart: { restartTimeSeconds: 60, restarting: true } })
    world.announce('single', SINGLE, { med: 71 })
    await world.established('single')
    await eventually('the new route at the peer', 15, async () => {
      const seen = await world.peer.received('single')
      return seen.some((route) => route.prefix === SINGLE && route.med === 71)
    })
  },

  async restart(world) {
    await world.established('single')
    await world.received('single', ORIGINATED[4])
    const lost: string[] = []
    const end = world.speaker('single').onBestPaths((changes) => {
      for (const { prefix: text, paths } of changes) if (paths.length === 0) lost.push(text)
    })
    await world.peer.crash()
    await eventually('Tortie to notice', 10, () => world.status('single').state !== 'Established')
    const held = world.speaker('single').paths(prefix(ORIGINATED[4]))
    expect(held.map(({ stale, best }) => ({ stale, best }))).toEqual([{ stale: true, best: true }])
    await world.restartPeer()
    await world.established('single')
    await eventually('a fresh route from the peer', 20, () => {
      const [path] = world.speaker('single').paths(prefix(ORIGINATED[4]))
      return path !== undefined && !path.stale
    })
    end()
    expect(lost).not.toContain(ORIGINATED[4])
  },
}

async function carriesRoutes(world: World, label: SessionLabel): Promise<void> {
  await world.established(label)
  await world.received(label, ORIGINATED[4])
}

/** Waits until the number of UPDATEs of a session stands still for half a second. */
async function settled(world: World, direction: 'received' | 'sent'): Promise<void> {
  let last = -1
  let since = performance.now()
  await eventually('the session to be quiet', 10, () => {
    const now = world.status('active').updates[direction]
    if (now !== last) since = performance.now()
    last = now
    return performance.now() - since > 500
  })
}
