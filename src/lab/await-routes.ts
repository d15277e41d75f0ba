import type { AgentStatus } from '../api/agent-status.ts'
import type { AgentConnection } from '../api/methods.ts'
import { sleep } from '../lib/clock.ts'
import type { Kernel } from '../kernel/kernel.ts'
import { describeProblem } from '../model/cluster-problem.ts'
import type { Prefix } from '../net/prefix.ts'
import type { LabPorts } from './lab-ports.ts'
import type { PlannedNode } from './plan.ts'

/** Longest that BGP may take: sessions that meet at a bad moment begin anew after some seconds. */
const ROUTES_MILLISECONDS_MAX = 60_000

/** Between two words of how far it is. */
const PROGRESS_MILLISECONDS = 2_000

/** Not every node has a route to every block. */
export class RoutesMissing extends Error {
  override readonly name = 'RoutesMissing'
}

interface Waiting {
  readonly node: PlannedNode
  readonly agent: AgentConnection
  readonly kernel: Kernel
  status: AgentStatus | undefined
  /** What is missing, one sentence; undefined when nothing is. */
  lacks: string | undefined
}

/**
 * Waits until every agent says that it is done and every kernel has a route to every other node's
 * blocks, which is what a ping between any two pods needs. Errors: {@link RoutesMissing} that says what
 * each node lacks.
 */
export async function awaitRoutes(
  nodes: readonly PlannedNode[],
  agents: ReadonlyMap<string, AgentConnection>,
  ports: LabPorts,
): Promise<void> {
  const { clock, machine, progress } = ports
  const deadline = clock.now() + ROUTES_MILLISECONDS_MAX
  let toldAt = clock.now()
  const all = nodes.map((node): Waiting => ({
    node,
    agent: agents.get(node.name)!,
    kernel: machine.openNamespace(node.namespace),
    status: undefined,
    lacks: 'nothing is known of it yet',
  }))
  try {
    for (;;) {
      // Once more for all when none lacks anything: blocks that came late must be seen by everyone.
      const late = all.filter(({ lacks }) => lacks !== undefined)
      const asked = late.length === 0 ? all : late
      const askedAt = clock.now()
      await Promise.all(asked.map(async (one) => (one.status = await one.agent.call('status', {}))))
      for (const one of asked) one.lacks = lackOf(one, all)
      const lacking = all.filter(({ lacks }) => lacks !== undefined)
      if (lacking.length === 0 && late.length === 0) return
      if (clock.now() > deadline) {
        throw new RoutesMissing(
          lacking.map(({ node, lacks }) => `${node.name}: ${lacks}`).join('\n'),
        )
      }
      if (clock.now() >= toldAt + PROGRESS_MILLISECONDS) {
        toldAt = clock.now()
        progress(`${all.length - lacking.length} of ${all.length} nodes have all routes`)
      }
      // Where asking takes long it takes long because the nodes are busy: they are left to it.
      if (lacking.length > 0) await sleep(clock, Math.max(10, 2 * (clock.now() - askedAt)))
    }
  } finally {
    for (const { kernel } of all) kernel.close()
  }
}

function lackOf(one: Waiting, all: readonly Waiting[]): string | undefined {
  const { notReady, neighbors, lacking, problems = [], converged } = one.status!
  if (notReady !== undefined) return notReady
  const missing = missingBlocks(one, all)
  if (missing.length > 0) return `no route to ${missing.join(', ')}`
  if (converged) return undefined
  const idle = neighbors.filter(({ state }) => state !== 'Established')
  if (idle.length === 0) {
    const all = [...lacking, ...problems.map(describeProblem)]
    return all.join(', ') || 'routes are not all heard'
  }
  return idle.map(({ address, state }) => `session to ${address} is ${state}`).join(', ')
}

/** Blocks of other nodes to which this one has no way. */
function missingBlocks({ node, kernel }: Waiting, all: readonly Waiting[]): string[] {
  const present = new Set<Prefix>(
    kernel
      .routes({ family: 4 })
      .filter(({ type }) => type === 'unicast')
      .map(({ destination }) => destination),
  )
  return all
    .filter((other) => other.node !== node)
    .flatMap((other) =>
      (other.status?.blocks ?? [])
        .filter((block) => !present.has(block))
        .map((block) => `${block} (${other.node.name})`),
    )
}
