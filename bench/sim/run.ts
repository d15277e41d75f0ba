import { brokenPairs } from './all-pairs.ts'
import { grow, quiet, repeat } from './growth.ts'
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

const [what, ...numbers] = process.argv.slice(2)
if (what === 'grow' || what === 'mesh') {
  const sizes = numbers.length === 0 ? [10, 50, 100, 200] : numbers.map(Number)
  await grow(sizes, what === 'grow' ? 3 : 0, Number(process.env['PODS'] ?? 30))
} else if (what === 'quiet') await quiet(Number(numbers[0] ?? 3), Number(numbers[1] ?? 24))
else if (what === 'repeat') await repeat(Number(numbers[0] ?? 5), Number(numbers[1] ?? 1))
else {
  const [nodes = 10, podsPerNode = 30, reflectors = 0] = [what, ...numbers]
    .filter((each) => each !== undefined)
    .map(Number)
  if (![nodes, podsPerNode, reflectors].every((each) => Number.isSafeInteger(each) && each >= 0)) {
    console.error(
      'Usage: npm run bench -- sim [NODES [PODS_A_NODE [REFLECTORS]]] | grow [NODES…] | mesh [NODES…] | quiet [NODES [HOURS]] | repeat [NODES [SEED]]',
    )
    process.exitCode = 2
  } else await measure({ nodes, podsPerNode, reflectors, seed: 1 })
}
