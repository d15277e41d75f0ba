import { brokenPairs } from './all-pairs.ts'
import { historyOf } from './history.ts'
import { SimulatedCluster } from './cluster.ts'

/** One line for each size: converged with all pods, then the tables walked for all pairs. */
export async function grow(
  sizes: readonly number[],
  reflectors: number,
  podsPerNode: number,
): Promise<void> {
  console.log('nodes   pods  converged   processor  virtual  resident  pairs    broken  walked in')
  for (const nodes of sizes) {
    const [begin, used] = [performance.now(), process.cpuUsage()]
    const cluster = new SimulatedCluster({ nodes, podsPerNode, reflectors, seed: 1 })
    await cluster.start()
    await cluster.attachPods()
    const isConverged = await cluster.converge(600_000)
    const real = seconds(performance.now() - begin)
    const { user, system } = process.cpuUsage(used)
    const resident = process.memoryUsage().rss / 2 ** 20
    const walkBegin = performance.now()
    const { pairs, broken, told } = brokenPairs(cluster)
    console.log(
      [
        String(nodes).padEnd(7),
        String(nodes * podsPerNode).padEnd(5),
        (isConverged ? real : 'no').padEnd(11),
        seconds((user + system) / 1000).padEnd(10),
        seconds(cluster.clock.now()).padEnd(8),
        `${resident.toFixed(0)} MiB`.padEnd(9),
        String(pairs).padEnd(8),
        String(broken).padEnd(7),
        seconds(performance.now() - walkBegin),
      ].join(' '),
    )
    if (!isConverged || broken > 0) process.exitCode = 1
    for (const line of told.slice(0, 5)) console.log(`  ${line}`)
    await cluster.stop()
  }
}

/** Hours in which nothing happens. */
export async function quiet(nodes: number, hours: number): Promise<void> {
  const cluster = new SimulatedCluster({ nodes, podsPerNode: 3, reflectors: 0, seed: 1 })
  await cluster.start()
  await cluster.attachPods()
  await cluster.converge(600_000)
  const [begin, used] = [performance.now(), process.cpuUsage()]
  await cluster.clock.advance(hours * 3_600_000)
  const { user, system } = process.cpuUsage(used)
  const state = cluster.isConverged() ? 'still converged' : 'NOT converged any more'
  console.log(
    `${nodes} nodes, ${hours} h of virtual time in ${seconds(performance.now() - begin)} (processor ${seconds((user + system) / 1000)}), ${state}`,
  )
}

/** Two runs of one seed, with pods that come and go: events, tables, counters and rows. */
export async function repeat(nodes: number, seed: number): Promise<void> {
  const runs = [await historyOf(nodes, seed), await historyOf(nodes, seed)]
  for (const { hash, packets } of runs) console.log(`${hash}  ${packets} packets`)
  console.log(runs[0]!.hash === runs[1]!.hash ? 'byte-identical' : 'DIFFERENT')
  if (runs[0]!.hash !== runs[1]!.hash) process.exitCode = 1
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(1)} s`
}
