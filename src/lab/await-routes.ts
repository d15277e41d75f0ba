import { sleep } from '../lib/clock.ts'
import type { Kernel } from '../kernel/kernel.ts'
import type { Prefix } from '../net/prefix.ts'
import type { LabPorts } from './lab-ports.ts'
import type { LabPlan, PlannedNode } from './plan.ts'

/** Longest that BGP may take: sessions that meet at a bad moment begin anew after some seconds. */
const ROUTES_MILLISECONDS_MAX = 20_000

/** Not every node has a route to every block. */
export class RoutesMissing extends Error {
  override readonly name = 'RoutesMissing'
}

/**
 * Waits until every node's kernel has a route to every other node's block, which is what a ping between
 * any two pods needs. Errors: {@link RoutesMissing} that names them.
 */
export async function awaitRoutes({ nodes }: LabPlan, ports: LabPorts): Promise<void> {
  const { clock, machine } = ports
  const deadline = clock.now() + ROUTES_MILLISECONDS_MAX
  let waiting = nodes.map((node) => ({ node, kernel: machine.openNamespace(node.namespace) }))
  const open = waiting
  try {
    for (;;) {
      waiting = waiting.filter(({ node, kernel }) => missing(node, nodes, kernel).length > 0)
      if (waiting.length === 0) return
      if (clock.now() > deadline) {
        const lines = waiting.map(({ node, kernel }) => {
          const absent = missing(node, nodes, kernel)
          return `${node.name} has no route to ${absent.join(', ')}`
        })
        throw new RoutesMissing(lines.join('\n'))
      }
      await sleep(clock, 10)
    }
  } finally {
    for (const { kernel } of open) kernel.close()
  }
}

/** Blocks of other nodes to which this one has no way. */
function missing(node: PlannedNode, nodes: readonly PlannedNode[], kernel: Kernel): string[] {
  const present = new Set<Prefix>(
    kernel
      .routes({ family: 4 })
      .filter(({ type }) => type === 'unicast')
      .map(({ destination }) => destination),
  )
  return nodes.flatMap(({ name, block }) =>
    name === node.name || block === undefined || present.has(block.cidr)
      ? []
      : [`${block.cidr} (${name})`],
  )
}
