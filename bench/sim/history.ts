import { createHash } from 'node:crypto'
import { SimulatedCluster } from './cluster.ts'

export interface History {
  /** Of every route event in order with its time, and of all tables, counters and rows at the end. */
  readonly hash: string
  readonly packets: number
}

/** A small cluster of a seed in which pods come and go, boiled down to a hash. */
export async function historyOf(nodes: number, seed: number): Promise<History> {
  const cluster = new SimulatedCluster({ nodes, podsPerNode: 3, reflectors: 0, seed })
  const hash = createHash('sha256')
  const note = (value: unknown): void =>
    void hash.update(
      `${JSON.stringify(value, (_, field: unknown) => (typeof field === 'bigint' ? String(field) : field))}\n`,
    )
  await cluster.start()
  for (const { name, kernel } of cluster.nodes) {
    kernel.watch((event) => note({ at: cluster.clock.now(), name, event }))
  }
  await cluster.attachPods()
  for (const node of cluster.nodes) {
    await cluster.run(cluster.detachPod(node, cluster.pods.get(node.name)![1]!))
    await cluster.run(cluster.attachPod(node))
  }
  await cluster.converge(60_000)
  await cluster.clock.advance(120_000)
  let packets = 0
  for (const { name, kernel, composed } of cluster.nodes) {
    const counters = [...kernel.counters()]
    packets += kernel.counters().get('Ip.OutRequests') ?? 0
    note({ name, links: kernel.links(), addresses: kernel.addresses(), routes: kernel.routes() })
    note({ neighbors: kernel.neighbors(), counters, status: composed.agent.status() })
  }
  for (const row of cluster.store.rowsFrom('')) note(row)
  await cluster.stop()
  return { hash: hash.digest('hex'), packets }
}
