import { table } from '../lib/table.ts'
import { describeProblem } from '../model/cluster-problem.ts'
import type { WorkloadEndpoint } from '../model/resource.ts'
import type { AgentStatus } from '../api/agent-status.ts'
import type { Journal, LabStatus, NodeStatus } from '../api/lab-status.ts'

/** What a person wants to see of a lab: its nodes, and its pods with addresses and interfaces. */
export function renderLab({ journal, nodes, endpoints }: LabStatus): string {
  if (journal === undefined) return ''
  const text = [table(nodeRows(nodes)) + tunnels(nodes)]
  if (journal.pods.length > 0) text.push(table(podRows(journal, endpoints)))
  return text.join('\n')
}

function nodeRows(nodes: readonly NodeStatus[]): string[][] {
  return withNamespaces(
    ['NODE', 'ADDRESS', 'BLOCK', 'PODS', 'BGP', 'TUNNEL', 'AGENT'],
    nodes.map(({ name, namespace, address, agent }) => ({
      own: name,
      namespace,
      cells:
        'error' in agent
          ? [name, address, '-', '-', '-', '-', agent.error]
          : [
              name,
              address,
              agent.blocks.join(',') || '-',
              String(agent.pods),
              sessions(agent.neighbors),
              agent.tunnel?.kind ?? '-',
              state(agent),
            ],
    })),
  )
}

/** "tunnel ebpf: this kernel has no ipip module", a line for each kind and reason that there is. */
function tunnels(nodes: readonly NodeStatus[]): string {
  const lines = nodes.flatMap(({ agent }) => {
    if ('error' in agent || agent.tunnel === undefined) return []
    return [`\ntunnel ${agent.tunnel.kind}: ${agent.tunnel.reason}\n`]
  })
  return [...new Set(lines), ...nodes.flatMap(tunnelNews)].join('')
}

/**
 * What is not as usual: "server01: 1380 octets to 172.16.171.128", "server04: dropped 3 (congested)".
 * Strangers' packets are told with all others that were forged.
 */
function tunnelNews({ name, agent }: NodeStatus): string[] {
  if ('error' in agent) return []
  const { pathMtus = {}, drops = {} } = agent.tunnel ?? {}
  return [
    ...Object.entries(pathMtus).map(([to, octets]) => `${name}: ${octets} octets to ${to}\n`),
    ...Object.entries(drops)
      .filter(([reason, count]) => count > 0 && reason !== 'stranger')
      .map(([reason, count]) => `${name}: dropped ${count} (${reason})\n`),
  ]
}

/** "ready", or what keeps the node from it. */
function state({ notReady, lacking, problems = [], neighbors, converged }: AgentStatus): string {
  if (converged) return 'ready'
  if (notReady !== undefined) return notReady
  const [first, ...others] = [...lacking, ...problems.map(describeProblem)]
  if (first !== undefined)
    return others.length === 0 ? first : `${first}, and ${others.length} more`
  const waits = neighbors.some(({ state }) => state !== 'Established')
  return waits ? 'waits for neighbors' : 'waits for routes of neighbors'
}

/** "2/2 up" */
function sessions(neighbors: readonly { readonly state: string }[]): string {
  const up = neighbors.filter(({ state }) => state === 'Established').length
  return `${up}/${neighbors.length} up`
}

function podRows(journal: Journal, endpoints: readonly WorkloadEndpoint[]): string[][] {
  return withNamespaces(
    ['NAMESPACE', 'POD', 'NODE', 'ADDRESS', 'INTERFACE'],
    journal.pods.map((pod) => {
      const endpoint = endpoints.find(
        ({ metadata, spec }) => metadata.namespace === pod.namespace && spec.pod === pod.name,
      )
      const addresses = (endpoint?.spec.ipNetworks ?? []).map((one) => one.split('/')[0]!)
      return {
        own: pod.name,
        namespace: pod.netns,
        cells: [
          pod.namespace,
          pod.name,
          pod.node,
          addresses.join(',') || '-',
          endpoint?.spec.interfaceName ?? '-',
        ],
      }
    }),
  )
}

/** A column with the names for `ip netns exec`, where these are not simply the names. */
function withNamespaces(
  header: readonly string[],
  rows: readonly { own: string; namespace: string; cells: readonly string[] }[],
): string[][] {
  const plain = rows.every(({ own, namespace }) => own === namespace)
  return plain
    ? [[...header], ...rows.map(({ cells }) => [...cells])]
    : [[...header, 'NETNS'], ...rows.map(({ cells, namespace }) => [...cells, namespace])]
}
