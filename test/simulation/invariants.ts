import { allocationUsers } from './allocations.ts'
import { nodeOf } from '../../src/ipam/block.ts'
import type { Walk } from '../../src/kernel/sim/reachability.ts'
import { addressPlus, type IpAddress } from '../../src/net/ip-address.ts'
import { prefixAddress } from '../../src/net/prefix.ts'
import type { ClusterNode, SimulatedCluster } from './cluster.ts'

/** Follows the tables from a node to where they lead. */
function walk(cluster: SimulatedCluster, from: ClusterNode, destination: IpAddress): Walk {
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
  for (const { node, attachment } of attached) {
    for (const address of attachment.addresses) {
      for (const from of cluster.nodes) {
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
    for (const from of cluster.nodes) {
      const { end, way } = walk(cluster, from, free)
      if (end === 'blackhole' && way.at(-1) === owner) continue
      breaches.push(
        `${free}, free in ${block.cidr} of ${owner}, leads from ${from.name} to ${end} after ${way.join(' > ')}`,
      )
    }
  }
  return breaches
}

/** What must hold once faults have stopped and time has passed. */
export async function quietBreaches(cluster: SimulatedCluster): Promise<string[]> {
  const breaches: string[] = []
  for (const node of cluster.nodes) {
    for (const pod of node.runtime.pods.values()) {
      if (pod.state !== 'ready')
        breaches.push(`pod ${pod.name} on ${node.name} is still ${pod.state}`)
    }
  }
  const attached = cluster.attached()
  const wanted = cluster.nodes.flatMap((node) => [...node.runtime.pods.keys()])
  if (attached.length !== wanted.length) {
    breaches.push(
      `the runtimes have ${wanted.length} pods, the agents ${attached.length} attachments`,
    )
  }
  for (const { node, attachment } of attached) {
    for (const address of attachment.addresses) {
      for (const from of cluster.nodes) {
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
  breaches.push(...(await blockBreaches(cluster)), ...(await allocationUsers(cluster)))
  return breaches
}
