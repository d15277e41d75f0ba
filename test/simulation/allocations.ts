import type { SimulatedCluster } from './cluster.ts'

/** Addresses that are given out without a user, or used without being given out. */
export async function allocationUsers(cluster: SimulatedCluster): Promise<string[]> {
  const breaches: string[] = []
  const used = new Map<string, string>()
  for (const { node, attachment } of cluster.attached()) {
    for (const address of attachment.addresses) {
      used.set(address, `${attachment.pod} on ${node.name}`)
    }
  }
  for (const node of cluster.present) {
    const tunnel = node.kernel.link(cluster.tunnelLink)
    for (const { address, linkIndex } of node.kernel.addresses()) {
      if (linkIndex !== tunnel?.index || address.includes(':')) continue
      used.set(address, `${cluster.tunnelLink} of ${node.name}`)
    }
  }
  const given = new Set<string>()
  for (const { address, attributes } of await cluster.ipam.allocations()) {
    given.add(address)
    if (!used.has(address)) {
      breaches.push(`${address} is given out to ${JSON.stringify(attributes)}, and nobody uses it`)
    }
  }
  for (const [address, user] of used) {
    if (!given.has(address)) breaches.push(`${user} uses ${address}, which is given to nobody`)
  }
  return breaches
}
