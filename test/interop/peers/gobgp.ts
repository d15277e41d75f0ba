import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { peerEnvironment } from '../../support/peer-packages.ts'
import {
  ORIGINATED,
  type PeerContext,
  type PeerDriver,
  type PeerSession,
  type PeerSetup,
  type RunningPeer,
  type SeenRoute,
} from '../peer.ts'

export const gobgp: PeerDriver = {
  package: 'gobgpd',
  title: 'GoBGP',
  lacks: {
    refreshGiven: 'GoBGP keeps what it has received, and never asks for it again',
    enhancedRefresh: 'GoBGP has no enhanced route refresh',
    twoOctet: 'GoBGP always offers four-octet AS numbers',
    bfd: 'GoBGP has no BFD',
  },
  start,
}

function start(setup: PeerSetup, context: PeerContext): RunningPeer {
  const { folder, root } = context
  const env = peerEnvironment(root)
  const file = join(folder, 'gobgpd.toml')
  writeFileSync(file, configuration(setup))
  const program = [join(root, 'usr/bin/gobgpd'), '-f', file, '--api-hosts', '127.0.0.1:50051']
  const link = async (state: 'up' | 'down'): Promise<void> => {
    const keepAddresses = 'echo 1 > /proc/sys/net/ipv6/conf/eth0/keep_addr_on_down'
    await context.control(['sh', '-c', keepAddresses], env)
    await context.control(['ip', 'link', 'set', 'eth0', state], env)
  }
  if (setup.restarted) {
    // Its routes come by its API: without them it would say End-of-RIB at once, and withdraw all by that.
    void link('down').then(() => context.start([...program, '-r'], env))
  } else context.start(program, env)
  const gobgp = (...args: string[]): Promise<string> =>
    context.control([join(root, 'usr/bin/gobgp'), ...args], env)
  const find = (label: string): PeerSession =>
    setup.sessions.find((session) => session.label === label)!
  let originating: Promise<void> | undefined
  return {
    async established() {
      originating ??= originate(gobgp).then(() => (setup.restarted ? link('up') : undefined))
      try {
        await originating
      } catch (error) {
        originating = undefined // its server was not up yet
        throw error
      }
      const shown = JSON.parse(await gobgp('neighbor', '-j')) as {
        state?: { neighbor_address?: string; session_state?: number }
      }[]
      const up = shown
        .filter(({ state }) => state?.session_state === 6)
        .map(({ state }) => state?.neighbor_address)
      const sessions = setup.sessions.filter(({ remote }) => up.includes(remote))
      return new Set(sessions.map(({ label }) => label))
    },
    async received(label) {
      const { remote, family } = find(label)
      const shown = await gobgp('neighbor', remote, 'adj-in', '-a', `ipv${family}`, '-j')
      return readRoutes(shown)
    },
    async kept(label) {
      // The table of a neighbor is not shown while it is down.
      const { remote, family } = find(label)
      const shown = await gobgp('global', 'rib', '-a', `ipv${family}`, '-j')
      const table = JSON.parse(shown || '{}') as Record<
        string,
        readonly { 'neighbor-ip'?: string }[]
      >
      const rows = Object.entries(table).filter(([, paths]) =>
        paths.some((path) => path['neighbor-ip'] === remote),
      )
      return rows.map(([prefix]) => prefix)
    },
    async refresh(label) {
      await gobgp('neighbor', find(label).remote, 'softresetin')
    },
    async shutdown(label, text) {
      await gobgp('neighbor', find(label).remote, 'shutdown', '--reason', text)
    },
    async describe(label) {
      return (await gobgp('neighbor', find(label).remote)) + context.log()
    },
    crash: () => context.killAll(),
    stop: () => void context.killAll(),
  }
}

async function originate(gobgp: (...args: string[]) => Promise<string>): Promise<void> {
  for (const family of [4, 6] as const) {
    const route = ['global', 'rib', 'add', ORIGINATED[family], '-a', `ipv${family}`]
    const attributes = [
      ['origin', 'egp'],
      ['med', String(ORIGINATED.med)],
      ['community', ORIGINATED.community.join(':')],
      ['rt', ORIGINATED.routeTarget.join(':')],
      ['large-community', ORIGINATED.largeCommunity.join(':')],
    ].flat()
    await gobgp(...route, ...attributes)
  }
}

function configuration(setup: PeerSetup): string {
  const addresses = setup.sessions.map(({ local }) => `"${local}"`)
  const lines = [
    '[global.config]',
    `as = ${setup.as}`,
    `router-id = "${setup.routerId}"`,
    `local-address-list = [${[...new Set(addresses)].join(', ')}]`,
  ]
  for (const session of setup.sessions) lines.push(...neighborLines(setup, session))
  return `${lines.join('\n')}\n`
}

function neighborLines(setup: PeerSetup, session: PeerSession): string[] {
  const on = (flag: boolean | undefined, ...lines: string[]): string[] =>
    flag === true ? lines : []
  return [
    '[[neighbors]]',
    '[neighbors.config]',
    `neighbor-address = "${session.remote}"`,
    `peer-as = ${session.remoteAs}`,
    ...on(session.md5 !== undefined, `auth-password = "${session.md5}"`),
    '[neighbors.timers.config]',
    'connect-retry = 1',
    'idle-hold-time-after-reset = 1',
    '[neighbors.transport.config]',
    `local-address = "${session.local}"`,
    `passive-mode = ${session.passive}`,
    ...on(
      session.ttlSecurity,
      '[neighbors.ttl-security.config]',
      'enabled = true',
      'ttl-min = 255',
    ),
    ...on(
      session.reflectorClient,
      '[neighbors.route-reflector.config]',
      'route-reflector-client = true',
      `route-reflector-cluster-id = "${setup.routerId}"`,
    ),
    ...on(
      session.gracefulRestart,
      '[neighbors.graceful-restart.config]',
      'enabled = true',
      'restart-time = 60',
    ),
    '[[neighbors.afi-safis]]',
    '[neighbors.afi-safis.config]',
    `afi-safi-name = "ipv${session.family}-unicast"`,
    ...on(
      session.gracefulRestart,
      '[neighbors.afi-safis.mp-graceful-restart.config]',
      'enabled = true',
    ),
    ...on(
      session.addPaths,
      '[neighbors.afi-safis.add-paths.config]',
      'receive = true',
      'send-max = 8',
    ),
  ]
}

/** A path attribute as GoBGP prints it: its type code and whatever belongs to it. */
interface GobgpAttribute {
  readonly type: number
  readonly value?: unknown
  readonly as_paths?: readonly { readonly segment_type: number; readonly asns: readonly number[] }[]
  readonly nexthop?: string
  readonly metric?: number
  readonly as?: number
  readonly address?: string
  readonly communities?: readonly number[]
}

interface GobgpPath {
  readonly nlri: { readonly prefix: string }
  readonly attrs: readonly GobgpAttribute[]
}

function readRoutes(shown: string): SeenRoute[] {
  const table = JSON.parse(shown || '{}') as Record<string, readonly GobgpPath[]> | GobgpPath[]
  return Object.values(table)
    .flat()
    .map(({ nlri, attrs }) => seenRoute(nlri.prefix, attrs))
}

const SEGMENTS: Readonly<Record<number, readonly [string, string]>> = { 1: ['{', '}'], 2: ['', ''] }

function seenRoute(prefix: string, attributes: readonly GobgpAttribute[]): SeenRoute {
  const of = (type: number): GobgpAttribute | undefined =>
    attributes.find((attribute) => attribute.type === type)
  const large = (of(32)?.value ?? []) as { ASN: number; LocalData1: number; LocalData2: number }[]
  const extended = (of(16)?.value ?? []) as { type: number; subtype: number; value: string }[]
  const aggregator = of(7)
  return {
    prefix,
    nextHop: of(3)?.nexthop ?? of(14)?.nexthop ?? '',
    origin: (['igp', 'egp', 'incomplete'] as const)[Number(of(1)?.value ?? 2)]!,
    asPath: (of(2)?.as_paths ?? [])
      .map(
        ({ segment_type: type, asns }) => SEGMENTS[type]![0] + asns.join(' ') + SEGMENTS[type]![1],
      )
      .join(' '),
    med: of(4)?.metric,
    localPreference: of(5)?.value as number | undefined,
    communities: (of(8)?.communities ?? []).map((one) => `${one >>> 16}:${one & 0xffff}`),
    largeCommunities: large.map((one) => `${one.ASN}:${one.LocalData1}:${one.LocalData2}`),
    extendedCommunities: extended.map(
      ({ subtype, value }) => `${{ 2: 'rt', 3: 'ro' }[subtype] ?? subtype}:${value}`,
    ),
    atomicAggregate: of(6) !== undefined,
    aggregator: aggregator === undefined ? undefined : `${aggregator.as} ${aggregator.address}`,
    originatorId: of(9)?.value as string | undefined,
    clusterList: (of(10)?.value ?? []) as string[],
  }
}
