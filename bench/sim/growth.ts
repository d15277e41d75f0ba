import { spawnSync } from 'node:child_process'
import { brokenPairs } from './all-pairs.ts'
import { type ClusterSize, SimulatedCluster } from './cluster.ts'
import { historyOf } from './history.ts'

const LONGEST_CONVERGENCE_MILLISECONDS = 600_000

const HEAD = [
  'nodes',
  'pods',
  'sessions',
  'routes',
  'packets',
  'processor',
  'real',
  'MiB',
  'pairs',
  'broken',
  'walked in',
]

/** A table with a line for each size; each is a process of its own, so that none sees another's memory. */
export function grow(sizes: readonly number[], reflectors: number, podsPerNode: number): void {
  console.log(`| ${HEAD.join(' | ')} |\n|${HEAD.map(() => ' ---: ').join('|')}|`)
  for (const nodes of sizes) {
    const args = ['line', nodes, podsPerNode, reflectors].map(String)
    const own = [...process.execArgv, process.argv[1]!]
    const { status } = spawnSync(process.execPath, [...own, ...args], { stdio: 'inherit' })
    if (status !== 0) process.exitCode = 1
  }
}

/** One line of the table: a cluster converged with all its pods, then its tables walked for all pairs. */
export async function measureLine(size: ClusterSize): Promise<void> {
  const begin = performance.now()
  const cluster = new SimulatedCluster(size)
  await cluster.start()
  await cluster.attachPods()
  const isConverged = await cluster.converge(LONGEST_CONVERGENCE_MILLISECONDS)
  const real = performance.now() - begin
  const processor = processorMilliseconds()
  const mebibytes = process.memoryUsage().rss / 2 ** 20
  const { sessions, routes, packets } = countsOf(cluster)
  const walkBegin = processorMilliseconds()
  const { pairs, broken, told } = brokenPairs(cluster)
  const row = [
    size.nodes,
    size.nodes * size.podsPerNode,
    sessions,
    routes,
    packets,
    isConverged ? seconds(processor) : 'did not converge',
    seconds(real),
    mebibytes.toFixed(0),
    pairs,
    broken,
    seconds(processorMilliseconds() - walkBegin),
  ]
  console.log(`| ${row.join(' | ')} |`)
  for (const line of told.slice(0, 5)) console.log(`  ${line}`)
  if (!isConverged || broken > 0) process.exitCode = 1
}

/** What there is of each thing in the whole cluster: BGP sessions, routes of all nodes, packets sent. */
function countsOf({ nodes }: SimulatedCluster) {
  let [sessions, routes, packets] = [0, 0, 0]
  for (const { kernel, composed } of nodes) {
    sessions += composed.agent.status().neighbors.length
    routes += kernel.routes({ family: 4 }).length
    packets += kernel.counters().get('Ip.OutRequests') ?? 0
  }
  return { sessions: sessions / 2, routes, packets }
}

/** Hours in which nothing happens. */
export async function quiet(nodes: number, hours: number): Promise<void> {
  const cluster = new SimulatedCluster({ nodes, podsPerNode: 3, reflectors: 0, seed: 1 })
  await cluster.start()
  await cluster.attachPods()
  await cluster.converge(LONGEST_CONVERGENCE_MILLISECONDS)
  const [begin, used] = [performance.now(), processorMilliseconds()]
  await cluster.clock.advance(hours * 3_600_000)
  const [real, processor] = [performance.now() - begin, processorMilliseconds() - used]
  const isConverged = cluster.isConverged()
  console.log(
    `${nodes} nodes, ${hours} h of virtual time: ${seconds(processor)} of processor, ` +
      `${seconds(real)} real, ${isConverged ? 'still' : 'NOT'} converged`,
  )
  if (!isConverged) process.exitCode = 1
}

/** Two runs of one seed, with pods that come and go: events, tables, counters and rows. */
export async function repeat(nodes: number, seed: number): Promise<void> {
  const runs = [await historyOf(nodes, seed), await historyOf(nodes, seed)]
  for (const { hash, packets } of runs) console.log(`${hash}  ${packets} packets`)
  const isSame = runs[0]!.hash === runs[1]!.hash
  console.log(isSame ? 'byte-identical' : 'DIFFERENT')
  if (!isSame) process.exitCode = 1
}

function processorMilliseconds(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(1)} s`
}
