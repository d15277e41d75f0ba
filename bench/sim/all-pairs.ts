import { Reachability } from '../../src/kernel/sim/reachability.ts'
import { namespaceOf } from '../../src/kernel/sim/simulated-kernel.ts'
import { type IpAddress, ipv4FromNumber, ipv4ToNumber } from '../../src/net/ip-address.ts'
import { contains } from '../../src/net/prefix.ts'
import type { SimulatedCluster } from './cluster.ts'

/** Breaches told in full; the rest is as broken as these. */
const MOST_TOLD = 20

/**
 * Every block from every node, so each pair of nodes in both directions: whether the node reaches a pod
 * in the block. What ends elsewhere is named, with its way: a loop, a blackhole, a next hop nobody has.
 */
export function brokenPairs(cluster: SimulatedCluster): {
  pairs: number
  broken: number
  told: string[]
} {
  const { machine, nodes } = cluster
  const fabric = machine.openNamespace('fabric')
  const reachability = new Reachability([fabric, ...nodes.map(({ kernel }) => kernel)])
  const targets = podOfEachBlock(cluster)
  const told: string[] = []
  let broken = 0
  for (const { name, kernel } of nodes) {
    const namespace = namespaceOf(kernel)
    for (const { pod, address } of targets) {
      const { end, way } = reachability.walkFrom(namespace, address)
      if (end === 'delivered' && way.at(-1) === pod) continue
      broken++
      if (told.length < MOST_TOLD) {
        told.push(`${name} to ${ipv4FromNumber(address)}: ${end} after ${way.join(' > ')}`)
      }
    }
  }
  fabric.close()
  return { pairs: nodes.length * targets.length, broken, told }
}

function podOfEachBlock({ nodes, pods, machine }: SimulatedCluster) {
  const targets: { readonly pod: string; readonly address: number }[] = []
  const addressOf = (pod: string): IpAddress | undefined => {
    const kernel = machine.openNamespace(pod)
    const own = kernel.addresses().find(({ address }) => address.startsWith('10.'))
    kernel.close()
    return own?.address
  }
  for (const { name, composed } of nodes) {
    const blocks = new Set(composed.agent.status().blocks)
    for (const pod of pods.get(name) ?? []) {
      if (blocks.size === 0) break
      const address = addressOf(pod)
      if (address === undefined) continue
      for (const block of blocks) {
        if (!contains(block, address)) continue
        blocks.delete(block)
        targets.push({ pod, address: ipv4ToNumber(address) })
      }
    }
  }
  return targets
}
