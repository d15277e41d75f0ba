import { SimulatedCluster } from './cluster.ts'

const [nodes = 10, podsPerNode = 30, reflectors = 0] = process.argv.slice(2).map(Number)
const cluster = new SimulatedCluster({ nodes, podsPerNode, reflectors, seed: 1 })
const begin = performance.now()
const lap = (what: string): void => {
  const { rss, heapUsed } = process.memoryUsage()
  console.log(
    `${what.padEnd(12)} ${((performance.now() - begin) / 1000).toFixed(1)} s real, ${(process.cpuUsage().user / 1e6).toFixed(1)} s cpu, ${(cluster.clock.now() / 1000).toFixed(1)} s virtual, ${(rss / 2 ** 20).toFixed(0)} MiB resident, ${(heapUsed / 2 ** 20).toFixed(0)} MiB heap`,
  )
}
await cluster.start()
lap('started')
await cluster.attachPods()
lap('pods')
console.log((await cluster.converge(600_000)) ? 'converged' : 'NOT converged')
lap('converged')
