import type { KernelEvent } from '../../src/kernel/kernel.ts'
import type { SimulatedCluster } from './cluster.ts'
import { quietBreaches } from './invariants.ts'
import { unansweredPairs } from './ping-all.ts'

/** Longer than a restarting agent keeps what nobody announces, so that all it would change has changed. */
const WATCH_MILLISECONDS = 150_000

/** Kills an agent of a quiet cluster and starts it again: no row of any kernel may change for it. */
export async function restartBreaches(cluster: SimulatedCluster): Promise<string[]> {
  const { clock, present: nodes, random } = cluster
  const node = nodes[random.below(nodes.length)]!
  const changes: string[] = []
  const watches = nodes.map((each) =>
    each.kernel.watch((event) => {
      const text = describe(event)
      if (text !== undefined) changes.push(`${each.name}: ${text} after a restart of ${node.name}`)
    }),
  )
  cluster.killAgent(node)
  await clock.advance(random.below(3000))
  cluster.startAgent(node)
  await clock.advance(WATCH_MILLISECONDS)
  for (const watch of watches) watch.close()
  return [
    ...changes,
    ...(await quietBreaches(cluster)),
    ...(await unansweredPairs(cluster)).map((pair) => `${pair} after a restart of ${node.name}`),
  ]
}

/** Rows that an agent answers for; neighbours come and go by themselves. */
function describe(event: KernelEvent): string | undefined {
  switch (event.kind) {
    case 'route':
      return `route ${event.route.destination} ${event.change}`
    case 'address':
      return `address ${event.address.address} ${event.change}`
    case 'rule':
      return `rule ${event.rule.priority} ${event.change}`
    case 'link':
      return event.change === 'removed' ? `link ${event.link.name} removed` : undefined
    case 'forwarding':
      return `forwarding of ${event.entry.macAddress} ${event.change}`
    case 'packetFilter':
      return 'packet filter changed'
    case 'neighbor':
    case 'settings':
    case 'trafficControl':
    case 'overrun':
      return undefined
  }
}
