import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs'
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

const NO_TABLE = 'ExaBGP keeps no table: it passes nothing on'

/** ExaBGP tells a process of its own what it receives, and takes commands from it. */
export const exabgp: PeerDriver = {
  package: 'exabgp',
  title: 'ExaBGP',
  lacks: {
    transit: NO_TABLE,
    reflected: NO_TABLE,
    enhancedRefresh: 'ExaBGP 4.2 does not say where what it sends again begins and ends',
    twoOctet: NO_TABLE,
    helper: 'ExaBGP keeps no table',
    shutdownShown: "ExaBGP's teardown takes no text",
    shutdownSent: 'ExaBGP 4.2 cannot decode a NOTIFICATION with a text, nor those of BIRD 2',
    bfd: 'ExaBGP has no BFD',
  },
  start,
}

function start(setup: PeerSetup, context: PeerContext): RunningPeer {
  const { folder, root } = context
  const commands = join(folder, 'commands')
  const heard = join(folder, 'heard.jsonl')
  const watcher = join(folder, 'watch.sh')
  writeFileSync(commands, '')
  writeFileSync(heard, '')
  // "tail" ends when the shell does, which ends when ExaBGP closes its standard input.
  writeFileSync(watcher, `#!/bin/sh\ntail -n +1 --pid=$$ -f ${commands} &\ncat >> ${heard}\n`)
  chmodSync(watcher, 0o755)
  const file = join(folder, 'exabgp.conf')
  writeFileSync(file, configuration(setup, watcher))
  const environment = join(root, 'etc/exabgp/exabgp.env')
  mkdirSync(join(root, 'etc/exabgp'), { recursive: true })
  if (!existsSync(environment)) writeFileSync(environment, '')
  const env = {
    ...peerEnvironment(root),
    exabgp_daemon_user: 'root',
    exabgp_api_ack: 'false',
    exabgp_api_cli: 'false',
    exabgp_log_level: 'WARNING',
    exabgp_tcp_bind: [...new Set(setup.sessions.map(({ local }) => local))].join(' '),
    exabgp_tcp_port: '179',
  }
  context.start(
    ['/usr/bin/python3', join(root, 'usr/sbin/python3-exabgp'), '--env', environment, file],
    env,
  )
  const find = (label: string): PeerSession =>
    setup.sessions.find((session) => session.label === label)!
  const messages = (session: PeerSession): ExabgpMessage[] =>
    readFileSync(heard, 'utf8')
      .split('\n')
      .filter((line) => line.endsWith('}'))
      .map((line) => JSON.parse(line) as ExabgpMessage)
      .filter(({ neighbor }) => neighbor?.address.peer === session.remote)
  const say = (text: string): void => appendFileSync(commands, `${text}\n`)
  return {
    async established() {
      const up = setup.sessions.filter((session) => {
        const states = messages(session).filter(({ type }) => type === 'state')
        return states.at(-1)?.neighbor?.state === 'up'
      })
      return new Set(up.map(({ label }) => label))
    },
    async received(label) {
      return routesOf(messages(find(label)))
    },
    async kept(label) {
      return (await this.received(label)).map((route) => route.prefix)
    },
    async refresh(label) {
      const { remote, family } = find(label)
      say(`neighbor ${remote} announce route-refresh ipv${family} unicast`)
    },
    async shutdown(label) {
      say(`neighbor ${find(label).remote} teardown 2`)
    },
    async describe(label) {
      return JSON.stringify(messages(find(label)).slice(-5)) + context.log()
    },
    crash: () => context.killAll(),
    stop: () => void context.killAll(),
  }
}

function configuration(setup: PeerSetup, watcher: string): string {
  const attributes = [
    'origin egp',
    `med ${ORIGINATED.med}`,
    `community [ ${ORIGINATED.community.join(':')} ]`,
    `large-community [ ${ORIGINATED.largeCommunity.join(':')} ]`,
    `extended-community [ target:${ORIGINATED.routeTarget.join(':')} ]`,
  ].join(' ')
  const neighbors = setup.sessions.map((session) => {
    const on = (flag: boolean | undefined, text: string): string => (flag === true ? text : '')
    const attached =
      session.remoteAs === setup.as ? `${attributes} local-preference 100` : attributes
    return `neighbor ${session.remote} {
  router-id ${setup.routerId};
  local-address ${session.local};
  local-as ${setup.as};
  peer-as ${session.remoteAs};
  hold-time 90;
  ${on(session.passive, 'passive true; listen 179;')}
  ${session.md5 === undefined ? '' : `md5-password "${session.md5}";`}
  ${on(session.ttlSecurity, 'outgoing-ttl 255; incoming-ttl 255;')}
  family { ipv${session.family} unicast; }
  capability {
    asn4 ${session.twoOctet === true ? 'disable' : 'enable'};
    route-refresh enable;
    ${on(session.gracefulRestart, 'graceful-restart 60;')}
    ${on(session.addPaths, 'add-path send/receive;')}
  }
  api {
    processes [ watch ];
    neighbor-changes;
    receive { parsed; update; }
  }
  static { route ${ORIGINATED[session.family]} next-hop ${session.local} ${attached}; }
}`
  })
  return `process watch { run ${watcher}; encoder json; }\n${neighbors.join('\n')}\n`
}

interface ExabgpNlri {
  readonly nlri: string
}

interface ExabgpUpdate {
  readonly attribute?: Readonly<Record<string, unknown>>
  readonly announce?: Readonly<Record<string, Readonly<Record<string, readonly ExabgpNlri[]>>>>
  readonly withdraw?: Readonly<Record<string, readonly ExabgpNlri[]>>
}

interface ExabgpMessage {
  readonly type: string
  readonly neighbor?: {
    readonly address: { readonly local: string; readonly peer: string }
    readonly state?: string
    readonly message?: { readonly update?: ExabgpUpdate }
  }
}

/** What is announced and not withdrawn since the session came up last. */
function routesOf(messages: readonly ExabgpMessage[]): SeenRoute[] {
  const routes = new Map<string, SeenRoute>()
  for (const { type, neighbor } of messages) {
    if (type === 'state') routes.clear()
    const update = neighbor?.message?.update
    for (const nlris of Object.values(update?.withdraw ?? {})) {
      for (const one of nlris) routes.delete(JSON.stringify(one))
    }
    for (const byNextHop of Object.values(update?.announce ?? {})) {
      for (const [nextHop, nlris] of Object.entries(byNextHop)) {
        for (const one of nlris) {
          if (typeof one === 'object' && 'nlri' in one) {
            routes.set(JSON.stringify(one), seenRoute(one.nlri, nextHop, update?.attribute ?? {}))
          }
        }
      }
    }
  }
  return [...routes.values()]
}

function seenRoute(
  prefix: string,
  nextHop: string,
  attributes: Readonly<Record<string, unknown>>,
): SeenRoute {
  const lists = (name: string): string[] =>
    ((attributes[name] ?? []) as (readonly number[])[]).map((one) => one.join(':'))
  const extended = (attributes['extended-community'] ?? []) as { string: string }[]
  const aggregator = attributes['aggregator'] as string | undefined
  const path = (attributes['as-path'] ?? []) as number[]
  const set = (attributes['as-set'] ?? []) as number[]
  return {
    prefix,
    nextHop,
    origin: (attributes['origin'] ?? 'incomplete') as SeenRoute['origin'],
    asPath: [...path, ...(set.length > 0 ? [`{${set.join(' ')}}`] : [])].join(' '),
    med: attributes['med'] as number | undefined,
    localPreference: attributes['local-preference'] as number | undefined,
    communities: lists('community'),
    largeCommunities: lists('large-community'),
    extendedCommunities: extended.map(({ string }) => string.replace('target:', 'rt:')),
    atomicAggregate: attributes['atomic-aggregate'] === true,
    aggregator: aggregator?.replace(':', ' '),
    originatorId: attributes['originator-id'] as string | undefined,
    clusterList: (attributes['cluster-list'] ?? []) as string[],
  }
}
