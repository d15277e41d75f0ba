import { messageOf } from '../lib/errors.ts'
import { silentLog } from '../lib/log.ts'
import type { WorkloadEndpoint } from '../model/resource.ts'
import { Resources } from '../store/resources.ts'
import { type AgentAnswer, askStatus } from './agent-answer.ts'
import { type Journal, readJournal } from './journal.ts'
import type { LabPorts, RunningProgram } from './lab-ports.ts'

/** How a lab is, as far as can be told from outside. */
export interface LabStatus {
  readonly lab: string
  /** Absent when `up` was stopped before it had written it. */
  readonly journal: Journal | undefined
  readonly programs: readonly RunningProgram[]
  /** Namespaces that the journal names and the machine does not have. */
  readonly missingNamespaces: readonly string[]
  readonly nodes: readonly NodeStatus[]
  /** As the store has them; none when it does not answer. */
  readonly endpoints: readonly WorkloadEndpoint[]
}

export interface NodeStatus {
  readonly name: string
  readonly namespace: string
  readonly address: string
  /** The agent's answer, or why there is none. */
  readonly agent: AgentAnswer | { readonly error: string }
}

export async function labStatus(lab: string, ports: LabPorts): Promise<LabStatus> {
  const journal = readJournal(ports.state, lab)
  const present = new Set(ports.machine.namespaces())
  const [nodes, endpoints] = await Promise.all([
    Promise.all(
      (journal?.nodes ?? []).map(async (node) => ({
        ...node,
        agent: await ask(lab, node.name, ports),
      })),
    ),
    endpointsOf(lab, ports),
  ])
  return {
    lab,
    journal,
    programs: ports.programs.running(lab),
    missingNamespaces: (journal?.namespaces ?? []).filter((name) => !present.has(name)),
    nodes,
    endpoints,
  }
}

async function endpointsOf(lab: string, ports: LabPorts): Promise<readonly WorkloadEndpoint[]> {
  const { programs, clock, random } = ports
  try {
    const store = await programs.openStore(lab, { wait: false })
    try {
      return await new Resources({ store, clock, random, log: silentLog }).list('WorkloadEndpoint')
    } finally {
      store.close()
    }
  } catch {
    return [] // the status says that the store does not run
  }
}

async function ask(lab: string, node: string, ports: LabPorts): Promise<NodeStatus['agent']> {
  try {
    const agent = await ports.programs.openAgent(lab, node, { wait: false })
    try {
      return await askStatus(agent)
    } finally {
      agent.close()
    }
  } catch (thrown) {
    return { error: messageOf(thrown) }
  }
}

/** Whether every namespace, program and session that should be there is. */
export function isWhole({ journal, programs, missingNamespaces, nodes }: LabStatus): boolean {
  return (
    journal !== undefined &&
    missingNamespaces.length === 0 &&
    programs.some(({ what }) => what === 'store') &&
    nodes.every(({ agent }) => 'converged' in agent && agent.converged)
  )
}
