import { allocationUsers } from './allocations.ts'
import { nodeOf } from '../../src/ipam/block.ts'
import type { AgentStatus } from '../../src/api/agent-status.ts'
import { describeProblem } from '../../src/model/cluster-problem.ts'
import type { ReachabilityWalk } from '../../src/kernel/sim/reachability.ts'
import { addressPlus, type IpAddress } from '../../src/net/ip-address.ts'
import { prefixAddress } from '../../src/net/prefix.ts'
import type { ClusterNode, SimulatedCluster } from './cluster.ts'

/** Hold time (90 s), what a neighbor that vanished has to come back (120 s), and some to tell it on. */
const STALE_MILLISECONDS = 240_000

/** Follows the tables from a node to where they lead. */
function walk(
  cluster: SimulatedCluster,
  from: ClusterNode,
  destination: IpAddress,
): ReachabilityWalk {
  return cluster.reachability.walk(from.kernel, destination)
}

/** What must hold at every moment; one sentence for each breach. */
export function alwaysBreaches(cluster: SimulatedCluster): string[] {
  const breaches: string[] = []
  const owners = new Map<string, string>()
  const attached = cluster.attached()
  for (const { node, attachment } of attached) {
    for (const address of attachment.addresses) {
      const before = owners.get(address)
      const name = `${attachment.pod} on ${node.name}`
      if (before !== undefined) breaches.push(`${address} was given to ${before} and to ${name}`)
      owners.set(address, name)
    }
  }
  breaches.push(...formerOwnerBreaches(cluster, STALE_MILLISECONDS))
  for (const { node, attachment } of attached) {
    for (const address of attachment.addresses) {
      for (const from of cluster.present) {
        const breach = wayBreach(cluster, from, node, attachment.pod, address)
        if (breach !== undefined) breaches.push(breach)
      }
    }
  }
  return breaches
}

function wayBreach(
  cluster: SimulatedCluster,
  from: ClusterNode,
  owner: ClusterNode,
  pod: string,
  address: IpAddress,
): string | undefined {
  const { end, way } = walk(cluster, from, address)
  if (end === 'loop')
    return `a packet from ${from.name} to ${address} runs in a loop: ${way.join(' > ')}`
  const last = way.at(-1)!
  if (end === 'delivered' && last !== pod) {
    return `a packet from ${from.name} to ${address}, which ${pod} on ${owner.name} has, ends in ${last}: ${way.join(' > ')}`
  }
  return undefined
}

/** Who had a block and has it no more gets none of its packets, `grace` milliseconds after all is known. */
function formerOwnerBreaches(cluster: SimulatedCluster, grace: number): string[] {
  const breaches: string[] = []
  const now = cluster.clock.now()
  for (const { block, node, since } of cluster.formerOwners.list()) {
    if (now < Math.max(since, cluster.quietSince) + grace) continue
    const gateway = cluster.nodes.find(({ name }) => name === node)?.address
    for (const from of cluster.present) {
      const { end, way } = walk(cluster, from, prefixAddress(block))
      const passes =
        way.includes(node, 1) || (end === 'blackhole' && way.length === 1 && way[0] === node)
      // One next hop of several, of which a walk sees one.
      const offers = from.kernel
        .routes()
        .some(
          ({ destination, nextHops }) =>
            destination === block && nextHops.some((hop) => hop.gateway === gateway),
        )
      if (!passes && !offers) continue
      breaches.push(
        `${block}, which ${node} has no more, still leads from ${from.name} to ${passes ? way.join(' > ') : node}`,
      )
    }
  }
  return breaches
}

/** Packets for an address of a block that nobody has end at the block's owner, and only there. */
async function blockBreaches(cluster: SimulatedCluster): Promise<string[]> {
  const breaches: string[] = []
  const used = new Set((await cluster.ipam.allocations()).map(({ address }) => address))
  for (const block of await cluster.ipam.blocks()) {
    const owner = nodeOf(block)
    if (owner === undefined) continue
    const first = prefixAddress(block.cidr)
    const free = Array.from({ length: 8 }, (_, at) => addressPlus(first, at)).find(
      (address) => !used.has(address),
    )
    if (free === undefined) continue
    for (const from of cluster.present) {
      const { end, way } = walk(cluster, from, free)
      if (end === 'blackhole' && way.at(-1) === owner) continue
      breaches.push(
        `${free}, free in ${block.cidr} of ${owner}, leads from ${from.name} to ${end} after ${way.join(' > ')}`,
      )
    }
  }
  return breaches
}

/** Every other node has its row where there is VXLAN, and nobody else has. */
function forwardingBreaches(
  cluster: SimulatedCluster,
  node: ClusterNode,
  tunnel: number | undefined,
): string[] {
  if (tunnel === undefined || cluster.tunnelLink !== 'vxlan.calico') return []
  const rows = node.kernel.forwardingEntries(tunnel).map(({ remoteAddress }) => remoteAddress)
  const others = cluster.present.filter((other) => other !== node).map(({ address }) => address)
  const [have, want] = [rows, others].map((list) => list.toSorted().join(' '))
  return have === want ? [] : [`${node.name} forwards to ${have} rather than to ${want}`]
}

/** What must hold once faults have stopped and time has passed. */
export async function quietBreaches(cluster: SimulatedCluster): Promise<string[]> {
  const breaches: string[] = []
  for (const node of cluster.present) {
    node.agent?.agent.settle()
    const status = node.agent?.agent.status()
    if (status?.converged !== true) {
      breaches.push(`the agent of ${node.name} says that it has not converged: ${whyNot(status)}`)
    }
    const tunnel = node.kernel.link(cluster.tunnelLink)?.index
    const own = node.kernel.addresses().filter(({ linkIndex }) => linkIndex === tunnel)
    if (!own.some(({ address }) => !address.includes(':'))) {
      breaches.push(`${cluster.tunnelLink} of ${node.name} has no address`)
    }
    breaches.push(...forwardingBreaches(cluster, node, tunnel))
    for (const pod of node.runtime.pods.values()) {
      if (pod.state !== 'ready')
        breaches.push(`pod ${pod.name} on ${node.name} is still ${pod.state}`)
    }
  }
  const attached = cluster.attached()
  const wanted = cluster.present.flatMap((node) => [...node.runtime.pods.keys()])
  if (attached.length !== wanted.length) {
    breaches.push(
      `the runtimes have ${wanted.length} pods, the agents ${attached.length} attachments`,
    )
  }
  for (const { node, attachment } of attached) {
    for (const address of attachment.addresses) {
      for (const from of cluster.present) {
        const { end, way } = walk(cluster, from, address)
        const arrives = end === 'delivered' && way.at(-1) === attachment.pod
        if (!arrives) {
          breaches.push(
            `${attachment.pod} on ${node.name} (${address}) is not reached from ${from.name}: ${end} after ${way.join(' > ')}`,
          )
        }
      }
    }
  }
  breaches.push(...formerOwnerBreaches(cluster, 0))
  breaches.push(...(await blockBreaches(cluster)), ...(await allocationUsers(cluster)))
  return breaches
}

function whyNot(status: AgentStatus | undefined): string {
  if (status === undefined) return 'it does not run'
  const { notReady, lacking, problems = [], neighbors } = status
  const missing = neighbors.flatMap(({ address, state, endOfRibReceived }) =>
    endOfRibReceived ? [] : [`${address} is ${state}`],
  )
  const told = problems.map(describeProblem)
  return [...(notReady === undefined ? [] : [notReady]), ...lacking, ...told, ...missing].join(', ')
}
