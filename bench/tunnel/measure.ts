import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { eventually } from '../../test/support/command.ts'
import {
  openWorld,
  setSegments,
  type Started,
  type TunnelKind,
  type World,
} from '../../test/tunnel/world.ts'
import { bare, type Case, direct, ends, ipip, vxlan } from './cases.ts'

/** One way, round by round: as fast as it went, and by what iperf3's both ends used of the processors. */
export interface Row {
  readonly title: string
  readonly rounds: readonly Figures[]
}

export interface Figures {
  readonly gigabitsPerSecond: number
  readonly packetsPerSecond: number
  /** The kernel forwards in the time of who sends, so this holds on a busy machine too. */
  readonly gigabitsPerCpuSecond: number
  readonly packetsPerCpuSecond: number
}

export interface Effort {
  readonly seconds: number
  readonly rounds: number
  /** How much of a stream iperf3 writes at a time. */
  readonly writeOctets: number
  /** Of a TCP stream, what the links between the nodes take in one packet; as they are when absent. */
  readonly segmentOctets?: number
}

interface Planned {
  readonly world: World
  readonly way: Case
  readonly rounds: Figures[]
}

const TITLES = { kernel: 'IPIP by the module', ebpf: 'IPIP by eBPF' } as const
const SMALL_DATAGRAM_OCTETS = 64

/**
 * Every way in turn, round after round, so that what else the machine does falls on all of them alike;
 * each round begins with another, so that none is always the first after a rest. A cluster for each kind
 * of tunnel is up all the time.
 */
export async function measure(
  executable: string,
  kinds: readonly TunnelKind[],
  effort: Effort,
): Promise<Row[]> {
  const folder = mkdtempSync(join(tmpdir(), 'tortie-bench-'))
  const worlds: World[] = []
  const servers: Started[] = []
  try {
    for (const kind of kinds) {
      worlds.push(await openWorld({ executable, folder, tag: `${kind}${process.pid}`, kind }))
    }
    for (const world of worlds) {
      if (effort.segmentOctets !== undefined) await setSegments(world, effort.segmentOctets)
      servers.push(...(await startServers(world)))
    }
    const [first] = worlds
    if (first === undefined) return []
    const planned: Planned[] = [
      [first, bare] as const,
      [first, direct] as const,
      ...worlds.map((world) => [world, ipip(TITLES[world.kind])] as const),
      [first, vxlan] as const,
    ].map(([world, way]) => ({ world, way, rounds: [] }))
    for (let round = 0; round < effort.rounds; round++) {
      const beginning = round % planned.length
      for (const one of [...planned.slice(beginning), ...planned.slice(0, beginning)]) {
        one.rounds.push(await measureOnce(one, effort))
      }
    }
    return planned.map(({ way: { title }, rounds }) => ({ title, rounds }))
  } finally {
    for (const server of servers) await server.stop()
    for (const world of worlds) await world.close()
    rmSync(folder, { recursive: true })
  }
}

async function startServers({ far, start }: World): Promise<Started[]> {
  const servers = [far.node, far.podNamespace].map((namespace) =>
    start(namespace, 'iperf3', '-s', '--forceflush'),
  )
  for (const server of servers) {
    await eventually('iperf3', 10, () => /listening/.test(server.output()), server.output)
  }
  return servers
}

/** Agents that were told of another mode have work to do, which "bare" never waits for. */
const REST_MILLISECONDS = 4000

/** iperf3 gives up a measurement where one packet too many of its own is lost. */
const ATTEMPTS = 3

interface IperfEnd {
  readonly sum_received?: { readonly bits_per_second: number }
  readonly sum?: {
    readonly packets: number
    readonly lost_packets: number
    readonly seconds: number
  }
  /** Of one processor. */
  readonly cpu_utilization_percent: {
    readonly host_total: number
    readonly remote_total: number
  }
}

async function measureOnce(
  { world, way }: Planned,
  { seconds, writeOctets }: Effort,
): Promise<Figures> {
  await way.prepare(world)
  await new Promise((resolve) => setTimeout(resolve, REST_MILLISECONDS))
  const { client, address } = ends(world, way.between)
  const iperf = async (...options: string[]): Promise<IperfEnd> => {
    const words = ['iperf3', '-J', '-t', String(seconds), '-c', address, ...options]
    let error: string | undefined
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const { stdout } = await run('nsenter', [`--net=/run/netns/${client}`, '--', ...words])
      const said = JSON.parse(stdout) as { end: IperfEnd; error?: string }
      if (said.end.sum !== undefined || said.end.sum_received !== undefined) return said.end
      error = said.error
    }
    throw new Error(`${words.join(' ')} measured nothing: ${error ?? 'and does not say why'}`)
  }
  const stream = await iperf('-l', String(writeOctets))
  const small = await iperf('-u', '-b', '0', '-l', String(SMALL_DATAGRAM_OCTETS))
  const gigabitsPerSecond = stream.sum_received!.bits_per_second / 1e9
  const { packets, lost_packets: lost, seconds: took } = small.sum!
  const packetsPerSecond = (packets - lost) / took
  return {
    gigabitsPerSecond,
    packetsPerSecond,
    gigabitsPerCpuSecond: gigabitsPerSecond / processors(stream),
    packetsPerCpuSecond: packetsPerSecond / processors(small),
  }
}

const run = promisify(execFile)

function processors({ cpu_utilization_percent: { host_total, remote_total } }: IperfEnd): number {
  return (host_total + remote_total) / 100
}

/** The median figure of a way. */
export function medianOf(row: Row, name: keyof Figures): number {
  return median(row.rounds.map((figures) => figures[name]))
}

/** The median of what a way is to another in the same round: what slows a round down slows both. */
export function ratioOf(row: Row, other: Row, name: keyof Figures): number {
  return median(row.rounds.map((figures, round) => figures[name] / other.rounds[round]![name]))
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}
