import { brokenPairs } from './all-pairs.ts'
import { grow, measureLine, quiet, repeat } from './growth.ts'
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
  const { pairs, broken, told } = brokenPairs(cluster)
  lap(`${pairs} pairs`)
  for (const line of told) console.log(`  ${line}`)
  if (!isConverged || broken > 0) process.exitCode = 1
}

const USAGE = `Usage: npm run bench -- sim NODES [PODS_A_NODE [REFLECTORS]]   one cluster, stage by stage
       npm run bench -- sim grow [NODES…]        a table of sizes with three route reflectors
       npm run bench -- sim mesh [NODES…]        the same in full mesh
       npm run bench -- sim quiet [NODES [HOURS]]   time in which nothing happens
       npm run bench -- sim repeat [NODES [SEED]]   two runs of one seed, compared byte by byte`

const PODS_A_NODE = 30

async function run([what = '10', ...rest]: readonly string[]): Promise<void> {
  const numbers = rest.map(Number)
  if (![...numbers].every((each) => Number.isSafeInteger(each) && each >= 0)) throw new Error(USAGE)
  const [first, second, third = 0] = numbers
  switch (what) {
    case 'grow':
      return grow(first === undefined ? [50, 100, 200, 400] : numbers, 3, PODS_A_NODE)
    case 'mesh':
      return grow(first === undefined ? [25, 50, 100, 200] : numbers, 0, PODS_A_NODE)
    case 'line':
      return measureLine({ nodes: first!, podsPerNode: second!, reflectors: third, seed: 1 })
    case 'quiet':
      return quiet(first ?? 4, second ?? 24)
    case 'repeat':
      return repeat(first ?? 5, second ?? 1)
    default: {
      const nodes = Number(what)
      if (!Number.isSafeInteger(nodes) || nodes < 1) throw new Error(USAGE)
      const [podsPerNode = PODS_A_NODE, reflectors = 0] = numbers
      return measure({ nodes, podsPerNode, reflectors, seed: 1 })
    }
  }
}

await run(process.argv.slice(2)).catch((thrown: unknown) => {
  console.error(thrown instanceof Error ? thrown.message : thrown)
  process.exitCode = 2
})
