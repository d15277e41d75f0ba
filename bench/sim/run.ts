import { createHash } from 'node:crypto'
import { brokenPairs } from './all-pairs.ts'
import { type ClusterSize, SimulatedCluster } from './cluster.ts'

const LONGEST_CONVERGENCE_MILLISECONDS = 600_000

/** Builds a cluster and prints what each stage took, in real, processor and virtual time. */
async function measure(size: ClusterSize): Promise<void> {
  const cluster = new SimulatedCluster(size)
  const begin = performance.now()
  const lap = (what: string): void => {
    const { rss } = process.memoryUsage()
    const real = (performance.now() - begin) / 1000
    const processor = process.cpuUsage().user / 1e6
    console.log(
      `${what.padEnd(12)} ${real.toFixed(1)} s real, ${processor.toFixed(1)} s processor, ` +
        `${(cluster.clock.now() / 1000).toFixed(1)} s virtual, ${(rss / 2 ** 20).toFixed(0)} MiB`,
    )
  }
  const mesh = size.reflectors === 0 ? 'full mesh' : `${size.reflectors} route reflectors`
  console.log(`${size.nodes} nodes, ${mesh}, ${size.podsPerNode} pods a node`)
  await cluster.start()
  lap('started')
  await cluster.attachPods()
  lap('pods')
  const isConverged = await cluster.converge(LONGEST_CONVERGENCE_MILLISECONDS)
  lap(isConverged ? 'converged' : 'NOT converged')
  const { pairs, told } = brokenPairs(cluster)
  lap(`${pairs} pairs`)
  for (const line of told) console.log(`  ${line}`)
  if (!isConverged || told.length > 0) process.exitCode = 1
}

/** A day in which nothing happens. */
async function quietDay(): Promise<void> {
  const cluster = new SimulatedCluster({ nodes: 4, podsPerNode: 2, reflectors: 0, seed: 1 })
  await cluster.start()
  await cluster.attachPods()
  await cluster.converge(LONGEST_CONVERGENCE_MILLISECONDS)
  const begin = performance.now()
  await cluster.clock.advance(86_400_000)
  console.log(`a quiet day of 4 nodes: ${((performance.now() - begin) / 1000).toFixed(1)} s`)
}

/** Two runs of one seed, down to every row of every kernel. */
async function twice(): Promise<void> {
  const run = async (): Promise<string> => {
    const cluster = new SimulatedCluster({ nodes: 60, podsPerNode: 3, reflectors: 2, seed: 9 })
    await cluster.start()
    await cluster.attachPods()
    await cluster.converge(LONGEST_CONVERGENCE_MILLISECONDS)
    const state = cluster.nodes.map(({ kernel }) => [
      kernel.routes({ table: 0 }),
      kernel.addresses(),
      kernel.neighbors(),
      [...kernel.counters()],
    ])
    return createHash('sha256').update(JSON.stringify(state)).digest('hex')
  }
  const [first, second] = [await run(), await run()]
  console.log(`two runs of one seed: ${first === second ? 'the same' : 'DIFFERENT'}, ${first}`)
  if (first !== second) process.exitCode = 1
}

const [what, ...numbers] = process.argv.slice(2)
if (what === 'day') await quietDay()
else if (what === 'twice') await twice()
else {
  const [nodes = 10, podsPerNode = 30, reflectors = 0] = [what, ...numbers]
    .filter((each) => each !== undefined)
    .map(Number)
  if (![nodes, podsPerNode, reflectors].every((each) => Number.isSafeInteger(each) && each >= 0)) {
    console.error('Usage: npm run bench -- sim [NODES [PODS_A_NODE [REFLECTORS]]] | day | twice')
    process.exitCode = 2
  } else await measure({ nodes, podsPerNode, reflectors, seed: 1 })
}
