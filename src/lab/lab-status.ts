import type { LabStatus, NodeStatus } from '../api/lab-status.ts'
import { messageOf } from '../lib/errors.ts'
import { silentLog } from '../lib/log.ts'
import type { WorkloadEndpoint } from '../model/resource.ts'
import { Resources } from '../store/resources.ts'
import { readJournal } from './journal.ts'
import type { LabPorts } from './lab-ports.ts'

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
      return await agent.call('status', {})
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
