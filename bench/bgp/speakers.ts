import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  peerEnvironment,
  type PeerPackage,
  unpackedPeer,
  withUsers,
} from '../../test/support/peer-packages.ts'

import { EVENT_LOOP_FILE } from './event-loop.ts'

/** What a speaker under test is asked to be; the same for all. */
export interface Assignment {
  readonly localAs: number
  readonly address: string
  readonly neighbors: readonly AssignedNeighbor[]
  /** Of Tortie: the event loop is watched, for which a timer goes off a thousand times a second. */
  readonly watchesEventLoop: boolean
}

export interface AssignedNeighbor {
  readonly address: string
  readonly as: number
  /** Routes are announced to it; otherwise only taken from it. */
  readonly receives: boolean
}

export interface Launch {
  readonly command: readonly string[]
  readonly env?: NodeJS.ProcessEnv
  /** Written when SIGUSR2 comes: EventLoopFigures as JSON. */
  readonly eventLoopFile?: string
}

/** How one speaker is started with an assignment; files go into `folder`. Undefined says why not. */
export type Speaker = (assignment: Assignment, folder: string) => Launch | { missing: string }

export const SPEAKERS: Readonly<Record<string, Speaker>> = {
  bird: unpacked('bird', bird1),
  bird2: unpacked('bird2', bird2),
  openbgpd: unpacked('openbgpd', openbgpd),
  frr: unpacked('frr', frr),
  gobgp: unpacked('gobgpd', gobgp),
  tortie,
  bgpd,
}

export const SPEAKER_TITLES: Readonly<Record<string, string>> = {
  bird: 'BIRD 1.6',
  bird2: 'BIRD 2',
  openbgpd: 'OpenBGPD',
  frr: 'FRR bgpd -n',
  gobgp: 'GoBGP',
  tortie: 'Tortie',
  bgpd: 'tortie bgpd',
}

type Unpacked = (assignment: Assignment, folder: string, root: string) => Launch

function unpacked(name: PeerPackage, launch: Unpacked): Speaker {
  return (assignment, folder) => {
    const peer = unpackedPeer(name)
    return 'missing' in peer ? peer : launch(assignment, folder, peer.root)
  }
}

function write(folder: string, name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

function bird1({ localAs, address, neighbors }: Assignment, folder: string, root: string): Launch {
  const lines = [`router id ${address};`, 'protocol device {}']
  for (const [at, neighbor] of neighbors.entries()) {
    lines.push(
      `protocol bgp n${at} { local ${address} as ${localAs};`,
      `  neighbor ${neighbor.address} as ${neighbor.as}; passive;`,
      `  import all; export ${neighbor.receives ? 'where source = RTS_BGP' : 'none'}; }`,
    )
  }
  const file = write(folder, 'bird.conf', `${lines.join('\n')}\n`)
  return {
    command: [join(root, 'usr/sbin/bird'), '-f', '-c', file, '-s', join(folder, 'bird.ctl')],
    env: peerEnvironment(root),
  }
}

function bird2({ localAs, address, neighbors }: Assignment, folder: string, root: string): Launch {
  const lines = [`router id ${address};`, 'protocol device {}']
  for (const [at, neighbor] of neighbors.entries()) {
    lines.push(
      `protocol bgp n${at} { local ${address} as ${localAs};`,
      `  neighbor ${neighbor.address} as ${neighbor.as}; passive;`,
      `  ipv4 { import all; export ${neighbor.receives ? 'where source = RTS_BGP' : 'none'}; }; }`,
    )
  }
  const file = write(folder, 'bird.conf', `${lines.join('\n')}\n`)
  return {
    command: [join(root, 'usr/sbin/bird'), '-f', '-c', file, '-s', join(folder, 'bird.ctl')],
    env: peerEnvironment(root),
  }
}

function openbgpd(
  { localAs, address, neighbors }: Assignment,
  folder: string,
  root: string,
): Launch {
  const lines = [
    `AS ${localAs}`,
    `router-id ${address}`,
    `listen on ${address}`,
    `socket "${join(folder, 'bgpd.sock')}"`,
    'fib-update no',
    'allow from any',
  ]
  for (const { address: peer, as } of neighbors) {
    lines.push(`neighbor ${peer} {`, `remote-as ${as}`, 'passive', '}')
  }
  for (const { address: peer, receives } of neighbors) {
    lines.push(`${receives ? 'allow' : 'deny'} to ${peer}`)
  }
  const file = write(folder, 'bgpd.conf', `${lines.join('\n')}\n`)
  const home = join(folder, 'empty')
  mkdirSync(home, { recursive: true })
  const program = [join(root, 'usr/sbin/bgpd'), '-d', '-f', file]
  return {
    command: withUsers(folder, [{ name: '_openbgpd', home }], program),
    env: peerEnvironment(root),
  }
}

function frr({ localAs, address, neighbors }: Assignment, folder: string, root: string): Launch {
  const lines = [
    `router bgp ${localAs}`,
    `bgp router-id ${address}`,
    'no bgp ebgp-requires-policy',
    'no bgp network import-check',
    'no bgp default ipv4-unicast',
  ]
  const family = ['address-family ipv4 unicast']
  for (const neighbor of neighbors) {
    lines.push(`neighbor ${neighbor.address} remote-as ${neighbor.as}`)
    lines.push(`neighbor ${neighbor.address} passive`)
    family.push(`neighbor ${neighbor.address} activate`)
    if (!neighbor.receives) family.push(`neighbor ${neighbor.address} route-map NONE out`)
  }
  lines.push(...family, 'exit-address-family', 'exit', 'route-map NONE deny 10', 'exit')
  const file = write(folder, 'bgpd.conf', `${lines.join('\n')}\n`)
  const program = [join(root, 'usr/lib/frr/bgpd'), '-n', '-Z', '-S', '-f', file]
  program.push('-i', join(folder, 'bgpd.pid'), '-l', address, '--vty_socket', folder, '-P', '0')
  const users = ['frr', 'frrvty'].map((name) => ({ name, home: folder }))
  return { command: withUsers(folder, users, program), env: peerEnvironment(root) }
}

function gobgp({ localAs, address, neighbors }: Assignment, folder: string, root: string): Launch {
  const silent = neighbors.filter((neighbor) => !neighbor.receives)
  const lines = [
    '[global.config]',
    `as = ${localAs}`,
    `router-id = "${address}"`,
    `local-address-list = ["${address}"]`,
    '[global.apply-policy.config]',
    'default-import-policy = "accept-route"',
    'default-export-policy = "accept-route"',
    'export-policy-list = ["silent"]',
    '[[defined-sets.neighbor-sets]]',
    'neighbor-set-name = "silent"',
    `neighbor-info-list = [${silent.map((neighbor) => `"${neighbor.address}"`).join(', ')}]`,
    '[[policy-definitions]]',
    'name = "silent"',
    '[[policy-definitions.statements]]',
    'name = "silent"',
    '[policy-definitions.statements.conditions.match-neighbor-set]',
    'neighbor-set = "silent"',
    '[policy-definitions.statements.actions]',
    'route-disposition = "reject-route"',
  ]
  for (const neighbor of neighbors) {
    lines.push(
      '[[neighbors]]',
      '[neighbors.config]',
      `neighbor-address = "${neighbor.address}"`,
      `peer-as = ${neighbor.as}`,
      '[neighbors.transport.config]',
      'passive-mode = true',
    )
  }
  const file = write(folder, 'gobgpd.toml', `${lines.join('\n')}\n`)
  return {
    command: [join(root, 'usr/bin/gobgpd'), '-f', file, '--api-hosts', '127.0.0.1:50051'],
    env: peerEnvironment(root),
  }
}

/** The built speaker reads the assignment itself as JSON; see tortie.ts. */
function tortie(assignment: Assignment, folder: string): Launch | { missing: string } {
  const program = join(import.meta.dirname, 'tortie.js')
  if (!existsSync(program)) return { missing: 'bench/bgp/tortie.ts is not there' }
  const file = write(folder, 'assignment.json', JSON.stringify(assignment))
  const command = [process.execPath, program, file]
  return assignment.watchesEventLoop
    ? { command, eventLoopFile: join(folder, EVENT_LOOP_FILE) }
    : { command }
}

/** The speaker as its users have it: the daemon with a file, policies and the history of routes. */
function bgpd({ localAs, address, neighbors }: Assignment, folder: string): Launch {
  const lines = [
    `localAs: ${localAs}`,
    `routerId: ${address}`,
    `listen: [{ address: ${address} }]`,
    `control: ${join(folder, 'bgpd.sock')}`,
    'neighbors:',
    ...neighbors.map(({ address: remote, as, receives }) => {
      const policy = `import: accept, export: ${receives ? 'accept' : 'reject'}`
      return `  - { address: ${remote}, remoteAs: ${as}, passive: true, holdTimeSeconds: 240, ${policy} }`
    }),
  ]
  const file = write(folder, 'bgpd.yaml', `${lines.join('\n')}\n`)
  const program = join(import.meta.dirname, 'tortie-bgpd.js')
  return { command: [process.execPath, program, 'bgpd', '--config', file] }
}
