import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { peerEnvironment, withUsers } from '../../support/peer-packages.ts'
import {
  ORIGINATED,
  type PeerContext,
  type PeerDriver,
  type PeerSession,
  type PeerSetup,
  type RunningPeer,
  type SeenRoute,
} from '../peer.ts'

export const openbgpd: PeerDriver = {
  package: 'openbgpd',
  title: 'OpenBGPD',
  lacks: {
    refreshAsked:
      'OpenBGPD 7.7 refuses requests for routes, those of BIRD 2 too ("not negotiated")',
    enhancedRefresh: 'OpenBGPD 7.7 refuses those of enhanced route refresh as well',
    md5: 'OpenBGPD sets no key on the socket it listens on under Linux',
    restart: 'OpenBGPD helps others to restart, and does not restart gracefully itself',
    bfd: 'OpenBGPD has no BFD',
  },
  start,
}

function start(setup: PeerSetup, context: PeerContext): RunningPeer {
  const { folder, root } = context
  const env = peerEnvironment(root)
  const home = join(folder, 'empty')
  mkdirSync(home, { recursive: true })
  const socket = join(folder, 'bgpd.sock')
  const file = join(folder, 'bgpd.conf')
  writeFileSync(file, configuration(setup, socket))
  chmodSync(file, 0o600)
  const program = [join(root, 'usr/sbin/bgpd'), '-d', '-f', file]
  context.start(withUsers(folder, [{ name: '_openbgpd', home }], program), env)
  const bgpctl = (...args: string[]): Promise<string> =>
    context.control([join(root, 'usr/sbin/bgpctl'), '-s', socket, ...args], env)
  const find = (label: string): PeerSession =>
    setup.sessions.find((session) => session.label === label)!
  return {
    async established() {
      const shown = JSON.parse(await bgpctl('-j', 'show', 'neighbor')) as {
        neighbors: { remote_addr: string; state: string }[]
      }
      const up = shown.neighbors
        .filter(({ state }) => state === 'Established')
        .map(({ remote_addr: address }) => address)
      const sessions = setup.sessions.filter(({ remote }) => up.includes(remote))
      return new Set(sessions.map(({ label }) => label))
    },
    async received(label) {
      const { remote } = find(label)
      return readRoutes(await bgpctl('-j', 'show', 'rib', 'detail', 'neighbor', remote))
    },
    async kept(label) {
      return (await this.received(label)).map((route) => route.prefix)
    },
    async refresh(label) {
      await bgpctl('neighbor', find(label).remote, 'refresh')
    },
    async shutdown(label, text) {
      await bgpctl('neighbor', find(label).remote, 'down', text)
    },
    async describe(label) {
      return (await bgpctl('show', 'neighbor', find(label).remote)) + context.log()
    },
    crash: () => context.killAll(),
    stop: () => void context.killAll(),
  }
}

function configuration(setup: PeerSetup, socket: string): string {
  const set = [
    'origin egp',
    `med ${ORIGINATED.med}`,
    `community ${ORIGINATED.community.join(':')}`,
    `large-community ${ORIGINATED.largeCommunity.join(':')}`,
    `ext-community rt ${ORIGINATED.routeTarget.join(':')}`,
  ]
  const lines = [
    `AS ${setup.as}`,
    `router-id ${setup.routerId}`,
    `socket "${socket}"`,
    'fib-update no',
    'nexthop qualify via default',
    ...[...new Set(setup.sessions.map(({ local }) => local))].map((local) => `listen on ${local}`),
    `network ${ORIGINATED[4]} set { ${set.join(' ')} }`,
    `network ${ORIGINATED[6]} set { ${set.join(' ')} }`,
    ...setup.sessions.flatMap(neighborLines),
    'allow from any',
    'allow to any',
  ]
  return `${lines.join('\n')}\n`
}

function neighborLines(session: PeerSession): string[] {
  const on = (flag: boolean | undefined, ...lines: string[]): string[] =>
    flag === true ? lines : []
  return [
    `neighbor ${session.remote} {`,
    `remote-as ${session.remoteAs}`,
    `local-address ${session.local}`,
    // Said although it is the default: only what was said counts when a refresh comes.
    ...(session.family === 6
      ? ['announce IPv4 none', 'announce IPv6 unicast']
      : ['announce IPv4 unicast']),
    ...on(session.passive, 'passive'),
    ...on(session.md5 !== undefined, `tcp md5sig password ${session.md5}`),
    ...on(session.ttlSecurity, 'ttl-security yes'),
    ...on(session.reflectorClient, 'route-reflector'),
    ...on(session.twoOctet, 'announce as-4byte no'),
    ...on(session.addPaths, 'announce add-path recv yes', 'announce add-path send all'),
    ...on(session.gracefulRestart, 'announce restart yes'),
    '}',
  ]
}

interface OpenbgpdRoute {
  readonly prefix: string
  readonly aspath: string
  readonly exit_nexthop: string
  readonly true_nexthop: string
  readonly origin: string
  readonly metric: number
  readonly localpref: number
  readonly communities?: readonly string[]
  readonly large_communities?: readonly string[]
  readonly extended_communities?: readonly string[]
  readonly attributes?: readonly Record<string, unknown>[]
}

function readRoutes(shown: string): SeenRoute[] {
  const { rib = [] } = JSON.parse(shown) as { rib?: readonly OpenbgpdRoute[] }
  return rib.map((route) => {
    const attribute = (type: string): Record<string, unknown> | undefined =>
      route.attributes?.find((one) => one['type'] === type)
    const aggregator = attribute('Aggregator')
    return {
      prefix: route.prefix,
      nextHop: route.exit_nexthop,
      origin: route.origin.toLowerCase() as SeenRoute['origin'],
      asPath: route.aspath.replace(/\{\s*([^}]*?)\s*\}/g, '{$1}'),
      med: route.metric,
      localPreference: route.localpref,
      communities: route.communities ?? [],
      largeCommunities: route.large_communities ?? [],
      extendedCommunities: (route.extended_communities ?? []).map((one) => one.replace(' ', ':')),
      atomicAggregate: attribute('Atomic Aggregate') !== undefined,
      aggregator:
        aggregator === undefined
          ? undefined
          : `${String(aggregator['AS'])} ${String(aggregator['router_id'])}`,
      originatorId: attribute('Originator Id')?.['originator'] as string | undefined,
      clusterList: (attribute('Cluster Id List')?.['cluster_list'] as string[] | undefined) ?? [],
    }
  })
}
