import { Command } from '@commander-js/extra-typings'
import { describe, expect, it } from 'vitest'
import type { RibPathDocument } from '../api/bgp-documents.ts'
import type { AgentApi, BgpdApi } from '../api/methods.ts'
import { fakeConnection } from '../api/testing/fake-connection.ts'
import type { NeighborStatus, RouteHistoryEntry } from '../bgp/status.ts'
import { RpcError } from '../lib/rpc.ts'
import { ip } from '../net/ip-address.ts'
import { prefix } from '../net/prefix.ts'
import { bgpCommand } from './bgp.ts'
import { formatDuration } from './bgp-tables.ts'
import { testContext } from './testing/test-context.ts'

const NEIGHBOR: NeighborStatus = {
  address: ip('10.0.0.2'),
  port: 179,
  remoteAs: 65001,
  localAs: 65000,
  kind: 'external',
  description: 'upstream',
  dynamic: false,
  state: 'Established',
  since: Date.UTC(2019, 0, 16, 5, 0, 0),
  flaps: 0,
  shutdown: false,
  lastError: undefined,
  shutdownCommunication: undefined,
  localAddress: ip('10.0.0.1'),
  routerId: ip('10.0.0.2'),
  holdTimeSeconds: 90,
  keepaliveSeconds: 30,
  capabilities: ['IPv4 unicast', 'four-octet AS'],
  families: [
    { family: 4, received: 3, accepted: 2, advertised: 1, stale: 0, endOfRibReceived: true },
  ],
  gracefulRestart: 'both',
  messages: { received: 5, sent: 6 },
  updates: { received: 2, sent: 1 },
}
const DOWN: NeighborStatus = {
  ...NEIGHBOR,
  address: ip('10.0.0.3'),
  description: undefined,
  state: 'Idle',
  lastError: 'hold timer expired',
  families: [],
}
const SHUT: NeighborStatus = { ...DOWN, address: ip('10.0.0.4'), shutdown: 'cable 7 moves' }
const PATH: RibPathDocument = {
  prefix: prefix('10.1.0.0/24'),
  pathId: 0,
  nextHop: ip('10.0.0.2'),
  from: ip('10.0.0.2'),
  kind: 'external',
  attributes: {
    origin: 'igp',
    asPath: [{ kind: 'sequence', asns: [65001, 65002] }],
    nextHop: ip('10.0.0.2'),
    med: 5,
    communities: [(65001 * 65536 + 7) >>> 0, 0xffffff01],
    largeCommunities: [{ globalAdministrator: 65001, localData1: 1, localData2: 2 }],
  },
  stale: false,
  best: true,
  multipath: false,
  reason: 'AS path length',
  ineligible: undefined,
}
const OTHER: RibPathDocument = {
  ...PATH,
  from: ip('10.0.0.3'),
  best: false,
  stale: true,
  reason: 'AS path length',
}
const REJECTED: RibPathDocument = {
  ...OTHER,
  stale: false,
  reason: 'not eligible',
  ineligible: 'rejected by the import policy',
}
const HISTORY: RouteHistoryEntry[] = [
  { at: Date.UTC(2019, 0, 16), event: 'received', from: ip('10.0.0.2'), detail: '65001 65002' },
]

type Answers = Readonly<Record<string, (params: Record<string, unknown>) => unknown>>

async function run(argv: string, answers: Answers, sockets: string[] = []): Promise<string> {
  const context = testContext({
    openAgents: (_target, nodes) =>
      Promise.resolve({
        agents: [{ node: nodes![0]!, call: fakeConnection<AgentApi>(answer).call }],
        close() {},
      }),
  })
  const answer = (method: string, params: unknown): Promise<unknown> => {
    const made = answers[method]
    if (made === undefined) return Promise.reject(new RpcError('ENOSYS', `Unknown ${method}`))
    return Promise.resolve(made(params as Record<string, unknown>))
  }
  const command = new Command('bgp').exitOverride()
  bgpCommand((path) => {
    sockets.push(path)
    if (path === '/absent') return Promise.reject(new Error('connect ENOENT /absent'))
    return Promise.resolve(fakeConnection<BgpdApi>(answer))
  })(command, context)
  await command.parseAsync(argv.split(' '), { from: 'user' })
  return context.written.out
}

describe('tortie bgp', () => {
  it('shows neighbors, and why those that are down are', async () => {
    const sockets: string[] = []
    const text = await run('neighbors', { 'bgp.neighbors': () => [NEIGHBOR, DOWN, SHUT] }, sockets)
    expect(text).toBe(
      [
        'NEIGHBOR   AS      STATE         SINCE      RECEIVED   ACCEPTED   ADVERTISED   DESCRIPTION',
        '10.0.0.2   65001   Established   01:46:19   3          2          1            upstream',
        '10.0.0.3   65001   Idle          01:46:19   -          -          -',
        '10.0.0.4   65001   Idle          01:46:19   -          -          -',
        '',
        '10.0.0.3: hold timer expired',
        '10.0.0.4: shut down by the configuration: cable 7 moves',
        '',
      ].join('\n'),
    )
    expect(sockets).toEqual(['/run/tortie/bgpd.sock'])
  })

  it('shows one neighbor in full', async () => {
    const text = await run('neighbors 10.0.0.2', { 'bgp.neighbors': () => [NEIGHBOR, DOWN] })
    expect(text).toContain('AS:               65001 (external, ours 65000)\n')
    expect(text).toContain(
      'IPv4:             3 received, 2 accepted, 1 advertised, 0 stale, End-of-RIB received\n',
    )
    expect(text).not.toContain('down because')
    const families = [{ ...NEIGHBOR.families[0]!, refused: 7 }]
    const over = await run('neighbors 10.0.0.2', {
      'bgp.neighbors': () => [{ ...NEIGHBOR, families }],
    })
    expect(over).toContain('1 advertised, 7 refused beyond the prefix limit, 0 stale, End-of-RIB')
    const down = await run('neighbors 10.0.0.3', { 'bgp.neighbors': () => [NEIGHBOR, DOWN] })
    expect(down).toContain('down because:     hold timer expired\n')
  })

  it('shows paths with their standing', async () => {
    const text = await run('routes --within 10.0.0.0/8 --from 10.0.0.2 -4', {
      'bgp.routes': (params) => {
        expect(params).toEqual({ within: '10.0.0.0/8', from: '10.0.0.2', family: 4 })
        return { paths: [PATH, OTHER, REJECTED] }
      },
    })
    expect(text.split('\n').map((line) => line.trimEnd())).toEqual([
      '      PREFIX        NEXTHOP    FROM       MED   LOCALPREF   PATH            WHY',
      '*>    10.1.0.0/24   10.0.0.2   10.0.0.2   5     -           65001 65002 i   best by AS path length',
      '* S   10.1.0.0/24   10.0.0.2   10.0.0.3   5     -           65001 65002 i   less by AS path length',
      '      10.1.0.0/24   10.0.0.2   10.0.0.3   5     -           65001 65002 i   rejected by the import policy',
      '',
    ])
  })

  it('asks for page after page up to the limit', async () => {
    const asked: unknown[] = []
    const answers: Answers = {
      'bgp.routes': (params) => {
        asked.push(params)
        return { paths: [PATH, PATH], next: asked.length }
      },
    }
    const text = await run('routes --limit 5', answers)
    expect(asked).toEqual([{}, { next: 1 }, { next: 2 }])
    expect(text).toContain('and more than these 5; see --limit and --within')
  })

  it('shows every path of one route in full', async () => {
    const text = await run('route 10.1.0.0/24', {
      'bgp.route': (params) => (
        expect(params).toEqual({ prefix: '10.1.0.0/24' }),
        [PATH, REJECTED]
      ),
    })
    expect(text).toContain('standing:         best by AS path length\n')
    expect(text).toContain('communities:      65001:7 no-export\n')
    expect(text).toContain('large:            65001:1:2\n')
    expect(text).toContain('standing:         not usable: rejected by the import policy\n')
  })

  it('takes an address for its host route', async () => {
    const asked: unknown[] = []
    await run('history 10.0.0.1', { 'bgp.history': (params) => (asked.push(params), HISTORY) })
    expect(asked).toEqual([{ prefix: '10.0.0.1/32' }])
  })

  it('shows the history of a route', async () => {
    const text = await run('history 10.1.0.0/24', { 'bgp.history': () => HISTORY })
    expect(text).toContain('2019-01-16T00:00:00.000Z   received   10.0.0.2   65001 65002\n')
    expect(await run('history 10.1.0.0/24', { 'bgp.history': () => [] })).toMatch(/^No history/)
  })

  it('prints JSON that is whole', async () => {
    const text = await run('route 10.1.0.0/24 --json', { 'bgp.route': () => [PATH] })
    expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify([PATH])))
  })

  it('hands on resets, refreshes, reloads and stops', async () => {
    const asked: unknown[] = []
    const note = (params: unknown): unknown => (asked.push(params), 'f.yaml is in force')
    const answers = {
      'bgp.reset': note,
      'bgp.refresh': note,
      'bgpd.reload': note,
      'bgpd.stop': note,
    }
    await run('reset 10.0.0.2 -m maintenance', answers)
    await run('refresh 10.0.0.2', answers)
    await run('refresh 10.0.0.2 --out', answers)
    expect(await run('reload', answers)).toBe('f.yaml is in force\n')
    await run('stop --graceful', answers)
    expect(asked).toEqual([
      { neighbor: '10.0.0.2', communication: 'maintenance' },
      { neighbor: '10.0.0.2', direction: 'in' },
      { neighbor: '10.0.0.2', direction: 'out' },
      {},
      { graceful: true },
    ])
  })

  it('asks the agent of a node instead', async () => {
    const text = await run('neighbors --node server01', { 'bgp.neighbors': () => [NEIGHBOR] })
    expect(text).toContain('10.0.0.2')
  })

  it.each([
    ['neighbors --socket /absent', 'No bgpd answers at /absent: connect ENOENT /absent'],
    ['neighbors 10.0.0.9', 'There is no neighbor 10.0.0.9'],
    ['neighbors --socket /x --node n', 'Expected --socket or --node, found both'],
    ['route 10.9.0.0/16', 'There is no route 10.9.0.0/16'],
    [
      'route 10.9.0.1/16',
      '"10.9.0.1/16" is not a prefix: expected a form like 10.1.0.0/24 with zero host bits',
    ],
    ['routes --from x', '--from is "x": expected an IP address'],
    ['routes --limit 0', '--limit is "0": expected a number of paths'],
    ['reset 10.0.0.2', 'Unknown bgp.reset'],
  ])('says what is wrong with: %s', async (argv, message) => {
    const answers = { 'bgp.neighbors': () => [NEIGHBOR], 'bgp.route': () => [] }
    await expect(run(argv, answers)).rejects.toThrow(message)
  })
})

it('durations are read at one glance', () => {
  expect(
    [0, 61_000, 86_399_000, 86_400_000, 10 * 86_400_000 + 3_600_000].map(formatDuration),
  ).toEqual(['00:00:00', '00:01:01', '23:59:59', '1d00h', '10d01h'])
})
