import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { peerEnvironment } from '../../support/peer-packages.ts'
import {
  AS_TRANS,
  ORIGINATED,
  type PeerContext,
  type PeerDriver,
  type PeerSession,
  type PeerSetup,
  type RunningPeer,
  type SeenRoute,
} from '../peer.ts'

/** BIRD 1.6 is one daemon per family, BIRD 2 one for both with channels. */
type Generation = 1 | 2

export const bird: PeerDriver = {
  package: 'bird',
  title: 'BIRD 1.6',
  lacks: {
    shutdownSent: 'BIRD 1.6 shows only the code of a NOTIFICATION',
    shutdownShown: 'BIRD 1.6 sends no shutdown message',
    bfd: 'not asked for: BIRD 2 and FRR are the witnesses of BFD',
  },
  start: (setup, context) => startBird(1, setup, context),
}

export const bird2: PeerDriver = {
  package: 'bird2',
  title: 'BIRD 2',
  lacks: {},
  start: (setup, context) => startBird(2, setup, context),
}

function startBird(generation: Generation, setup: PeerSetup, context: PeerContext): RunningPeer {
  const env = peerEnvironment(context.root)
  const families: readonly (4 | 6)[] = generation === 1 ? [4, 6] : [4]
  const socketOf = (family: 4 | 6): string => join(context.folder, `bird${family}.ctl`)
  for (const family of families) {
    const file = join(context.folder, `bird${family}.conf`)
    writeFileSync(file, configuration(generation, family, setup))
    const program = family === 4 ? 'bird' : 'bird6'
    const args = ['-f', '-c', file, '-s', socketOf(family), ...(setup.restarted ? ['-R'] : [])]
    context.start([join(context.root, 'usr/sbin', program), ...args], env)
  }
  const familyOf = (label: string): 4 | 6 =>
    generation === 2 ? 4 : setup.sessions.find((session) => session.label === label)!.family
  const birdc = (family: 4 | 6, ...command: string[]): Promise<string> =>
    context.control(
      [
        join(context.root, 'usr/sbin', family === 4 ? 'birdc' : 'birdc6'),
        '-r',
        '-s',
        socketOf(family),
        ...command,
      ].filter((word) => word !== '-r' || ['show'].includes(command[0]!)),
      env,
    )
  return {
    async established() {
      const shown = await Promise.all(families.map((family) => birdc(family, 'show', 'protocols')))
      const lines = shown.join('\n').matchAll(/^peer_(\S+)\s+BGP\s.*Established/gm)
      return new Set(Array.from(lines, (match) => match[1]!))
    },
    async received(label) {
      const shown = await birdc(
        familyOf(label),
        'show',
        'route',
        'all',
        'protocol',
        `peer_${label}`,
      )
      return readRoutes(shown)
    },
    async kept(label) {
      return (await this.received(label)).map((route) => route.prefix)
    },
    async refresh(label) {
      await birdc(familyOf(label), 'reload', 'in', `peer_${label}`)
    },
    async shutdown(label, text) {
      await birdc(familyOf(label), 'disable', `peer_${label}`, `"${text}"`)
    },
    async describe(label) {
      const about = await birdc(familyOf(label), 'show', 'protocols', 'all', `peer_${label}`)
      return about + (generation === 2 ? await birdc(4, 'show', 'bfd', 'sessions') : '')
    },
    crash: () => context.killAll(),
    stop: () => void context.killAll(),
  }
}

function configuration(generation: Generation, family: 4 | 6, setup: PeerSetup): string {
  const sessions = setup.sessions.filter((session) => generation === 2 || session.family === family)
  const families: readonly (4 | 6)[] = generation === 2 ? [4, 6] : [family]
  const lines = [
    `router id ${setup.routerId};`,
    'graceful restart wait 10;',
    'protocol device { scan time 1; }',
    ...families.map((one) => staticProtocol(generation, one)),
    'filter outgoing {',
    '  if source = RTS_STATIC then {',
    `    bgp_origin = ORIGIN_EGP; bgp_med = ${ORIGINATED.med};`,
    `    bgp_community.add((${ORIGINATED.community.join(',')}));`,
    `    bgp_large_community.add((${ORIGINATED.largeCommunity.join(',')}));`,
    `    bgp_ext_community.add((rt,${ORIGINATED.routeTarget.join(',')}));`,
    '  }',
    '  accept;',
    '}',
    ...sessions.map((session) => protocol(generation, setup, session)),
  ]
  if (generation === 2)
    lines.push('protocol bfd { interface "*" { interval 100 ms; multiplier 3; }; }')
  return `${lines.join('\n')}\n`
}

function staticProtocol(generation: Generation, family: 4 | 6): string {
  const channel = generation === 2 ? `ipv${family};` : ''
  return `protocol static originated${family} { ${channel} route ${ORIGINATED[family]} blackhole; }`
}

function protocol(generation: Generation, setup: PeerSetup, session: PeerSession): string {
  const on = (flag: boolean | undefined, text: string): string[] => (flag === true ? [text] : [])
  const channel = [
    'import all; export filter outgoing;',
    ...on(session.addPaths, 'add paths;'),
    // What it re-announces over iBGP must have a next hop that the other side can use.
    ...on(generation === 2 && session.remoteAs === setup.as, 'gateway direct;'),
  ]
  // BIRD 2 reads the neighbor's capability even when it does not offer it, and refuses AS_TRANS then.
  const old = generation === 2 ? 'external' : `as ${AS_TRANS}`
  const remoteAs = session.twoOctet === true ? old : `as ${session.remoteAs}`
  const body = [
    `local ${session.local} as ${setup.as}; neighbor ${session.remote} ${remoteAs};`,
    'direct; connect delay time 1; connect retry time 1; error wait time 1, 2;',
    ...on(session.passive, 'passive;'),
    ...on(session.md5 !== undefined, `password "${session.md5}";`),
    ...on(session.ttlSecurity, 'ttl security on;'),
    ...on(session.reflectorClient, 'rr client;'),
    ...on(session.twoOctet, 'enable as4 off;'),
    ...on(session.gracefulRestart, 'graceful restart on; graceful restart time 60;'),
    ...on(session.bfd, 'bfd on;'),
    generation === 2 ? `ipv${session.family} { ${channel.join(' ')} };` : channel.join(' '),
  ]
  return `protocol bgp peer_${session.label} {\n  ${body.join('\n  ')}\n}`
}

/** `show route all`: a line per path that starts with the prefix or a blank, then tabbed attributes. */
function readRoutes(shown: string): SeenRoute[] {
  const routes: SeenRoute[] = []
  let prefix = ''
  for (const block of shown.split(/\n(?=\S+\/\d+\s|\s{5,}(?:via|unicast|unreachable|blackhole))/)) {
    const head = /^(\S+\/\d+)?\s+(?:via|unicast|unreachable|blackhole)/.exec(block)
    if (head === null) continue
    prefix = head[1] ?? prefix
    const attribute = (name: string): string | undefined =>
      new RegExp(`^\\s+BGP\\.${name}:[ \\t]*(.*)$`, 'm').exec(block)?.[1]
    const pairs = (text: string | undefined): string[] =>
      Array.from((text ?? '').matchAll(/\(([^)]*)\)/g), (match) => match[1]!.replace(/,\s*/g, ':'))
    const number = (text: string | undefined): number | undefined =>
      text === undefined ? undefined : Number(text)
    const aggregator = /^(\S+) AS(\d+)$/.exec(attribute('aggregator') ?? '')
    routes.push({
      prefix,
      nextHop: (attribute('next_hop') ?? '').split(' ')[0]!,
      origin: (attribute('origin') ?? 'incomplete').toLowerCase() as SeenRoute['origin'],
      // BIRD 1.6 writes a set as "{  1 2}".
      asPath: (attribute('as_path') ?? '').replace(/\{\s+/g, '{'),
      med: number(attribute('med')),
      localPreference: number(attribute('local_pref')),
      communities: pairs(attribute('community')),
      largeCommunities: pairs(attribute('large_community')),
      extendedCommunities: pairs(attribute('ext_community')),
      atomicAggregate: attribute('atomic_aggr') !== undefined,
      aggregator: aggregator === null ? undefined : `${aggregator[2]} ${aggregator[1]}`,
      originatorId: attribute('originator_id'),
      clusterList: (attribute('cluster_list') ?? '').split(' ').filter((id) => id !== ''),
    })
  }
  return routes
}
