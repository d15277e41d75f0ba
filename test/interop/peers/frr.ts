import { writeFileSync } from 'node:fs'
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

export const frr: PeerDriver = {
  package: 'frr',
  title: 'FRR',
  lacks: { twoOctet: 'FRR cannot be made to do without four-octet AS numbers' },
  start,
}

function start(setup: PeerSetup, context: PeerContext): RunningPeer {
  const { folder, root } = context
  const env = peerEnvironment(root)
  const users = ['frr', 'frrvty'].map((name) => ({ name, home: folder }))
  const zserv = join(folder, 'zserv.api')
  const bfdctl = join(folder, 'bfdd.sock')
  /** A daemon that finds nobody at the socket of another goes on without it for good, so it waits. */
  const daemon = (name: string, sockets: readonly string[], ...args: string[]): void => {
    const config = join(folder, `${name}.conf`)
    writeFileSync(config, name === 'bgpd' ? configuration(setup) : '')
    const common = ['-f', config, '-i', join(folder, `${name}.pid`), '-z', zserv]
    const program = [join(root, 'usr/lib/frr', name), ...common, '--vty_socket', folder, '-P', '0']
    const waiting = sockets.map((path) => `until [ -S ${path} ]; do sleep 0.05; done; `).join('')
    const started = ['sh', '-c', `${waiting}exec "$@"`, 'sh', ...program, ...args]
    context.start(withUsers(folder, users, started), env)
  }
  // Without it vtysh asks PAM for a password, even from root.
  writeFileSync(join(folder, 'vtysh.conf'), 'username root nopassword\n')
  daemon('zebra', [])
  const hasBfd = setup.sessions.some((session) => session.bfd === true)
  if (hasBfd) daemon('bfdd', [zserv], '--bfdctl', bfdctl)
  daemon('bgpd', hasBfd ? [zserv, bfdctl] : [zserv], '-n')
  const vtysh = (...commands: string[]): Promise<string> => {
    const args = commands.flatMap((line) => ['-c', line])
    const program = [join(root, 'usr/bin/vtysh'), '--vty_socket', folder, '--config_dir', folder]
    return context.control(withUsers(folder, users, [...program, ...args]), env)
  }
  const find = (label: string): PeerSession =>
    setup.sessions.find((session) => session.label === label)!
  const table = (session: PeerSession): string => (session.family === 4 ? 'ipv4' : 'ipv6')
  return {
    async established() {
      const shown = JSON.parse(await vtysh('show bgp neighbors json')) as Record<
        string,
        { bgpState?: string }
      >
      const up = setup.sessions.filter(({ remote }) => shown[remote]?.bgpState === 'Established')
      return new Set(up.map(({ label }) => label))
    },
    async received(label) {
      const session = find(label)
      const all = `show bgp ${table(session)} unicast`
      const { routes } = JSON.parse(await vtysh(`${all} json`)) as { routes: object }
      const shown = await vtysh(...Object.keys(routes).map((prefix) => `${all} ${prefix} json`))
      // One JSON document a command, one after another.
      const documents = shown.split(/(?<=^\})\s*$/m).filter((text) => text.trim() !== '')
      return documents.flatMap((text) => readRoutes(JSON.parse(text) as FrrPrefix, session.remote))
    },
    async kept(label) {
      return (await this.received(label)).map((route) => route.prefix)
    },
    async refresh(label) {
      const session = find(label)
      await vtysh(`clear bgp ${table(session)} ${session.remote} soft in`)
    },
    async shutdown(label, text) {
      const line = `neighbor ${find(label).remote} shutdown message ${text}`
      await vtysh('configure terminal', `router bgp ${setup.as}`, line)
    },
    async describe(label) {
      const { remote, bfd } = find(label)
      const about = await vtysh(`show bgp neighbors ${remote} json`)
      return about + (bfd === true ? await vtysh('show bfd peers') : '')
    },
    crash: () => context.killAll(),
    stop: () => void context.killAll(),
  }
}

function configuration(setup: PeerSetup): string {
  const lines = [
    // First: a route map that comes after its use is applied only some seconds later.
    'route-map ORIGINATE permit 10',
    'set origin egp',
    `set metric ${ORIGINATED.med}`,
    `set community ${ORIGINATED.community.join(':')}`,
    `set large-community ${ORIGINATED.largeCommunity.join(':')}`,
    `set extcommunity rt ${ORIGINATED.routeTarget.join(':')}`,
    'exit',
    `router bgp ${setup.as}`,
    `bgp router-id ${setup.routerId}`,
    'no bgp ebgp-requires-policy',
    'no bgp network import-check',
    'no bgp default ipv4-unicast',
    'bgp graceful-restart',
    'bgp graceful-restart preserve-fw-state',
    'bgp graceful-restart restart-time 60',
  ]
  for (const session of setup.sessions) lines.push(...neighborLines(session))
  for (const family of [4, 6] as const) {
    lines.push(`address-family ipv${family} unicast`)
    lines.push(`network ${ORIGINATED[family]} route-map ORIGINATE`)
    for (const session of setup.sessions) {
      if (session.family === family) lines.push(...familyLines(session))
    }
    lines.push('exit-address-family')
  }
  return `${lines.join('\n')}\n`
}

function neighborLines(session: PeerSession): string[] {
  const line = (text: string): string => `neighbor ${session.remote} ${text}`
  const on = (flag: boolean | undefined, text: string): string[] =>
    flag === true ? [line(text)] : []
  return [
    line(`remote-as ${session.remoteAs}`),
    line(`update-source ${session.local}`),
    line('timers connect 1'),
    line('advertisement-interval 0'),
    ...on(session.passive, 'passive'),
    ...on(session.md5 !== undefined, `password ${session.md5}`),
    ...on(session.ttlSecurity, 'ttl-security hops 1'),
    ...on(session.bfd, 'bfd'),
    ...on(session.gracefulRestart === true, 'graceful-restart'),
    ...on(session.gracefulRestart !== true, 'graceful-restart-disable'),
  ]
}

function familyLines(session: PeerSession): string[] {
  const line = (text: string): string => `neighbor ${session.remote} ${text}`
  return [
    line('activate'),
    ...(session.addPaths === true ? [line('addpath-tx-all-paths')] : []),
    ...(session.reflectorClient === true ? [line('route-reflector-client')] : []),
  ]
}

interface FrrPath {
  readonly aspath?: { readonly string: string }
  readonly origin?: string
  readonly metric?: number
  readonly locPrf?: number
  readonly community?: { readonly string: string }
  readonly largeCommunity?: { readonly string: string }
  readonly extendedCommunity?: { readonly string: string }
  readonly atomicAggregate?: boolean
  readonly aggregatorAs?: number
  readonly aggregatorId?: string
  readonly originatorId?: string
  readonly clusterList?: { readonly list: readonly string[] }
  readonly nexthops?: readonly { readonly ip: string }[]
  readonly peer?: { readonly peerId: string }
}

interface FrrPrefix {
  readonly prefix: string
  readonly paths: readonly FrrPath[]
}

function readRoutes({ prefix, paths }: FrrPrefix, remote: string): SeenRoute[] {
  return paths.filter((path) => path.peer?.peerId === remote).map((path) => seenRoute(prefix, path))
}

function seenRoute(prefix: string, path: FrrPath): SeenRoute {
  const words = (text: string | undefined): string[] =>
    (text ?? '').split(' ').filter((word) => word !== '')
  const asPath = path.aspath?.string ?? ''
  return {
    prefix,
    nextHop: path.nexthops?.[0]?.ip ?? '',
    origin: (path.origin ?? 'incomplete').toLowerCase() as SeenRoute['origin'],
    asPath:
      asPath === 'Local' ? '' : asPath.replace(/\{[^}]*\}/g, (set) => set.replaceAll(',', ' ')),
    med: path.metric,
    localPreference: path.locPrf,
    communities: words(path.community?.string),
    largeCommunities: words(path.largeCommunity?.string),
    extendedCommunities: words(path.extendedCommunity?.string).map((text) => text.toLowerCase()),
    atomicAggregate: path.atomicAggregate === true,
    aggregator:
      path.aggregatorAs === undefined ? undefined : `${path.aggregatorAs} ${path.aggregatorId}`,
    originatorId: path.originatorId,
    clusterList: path.clusterList?.list ?? [],
  }
}
