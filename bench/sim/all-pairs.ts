import { Reachability } from '../../src/kernel/sim/reachability.ts'
import { namespaceOf } from '../../src/kernel/sim/simulated-kernel.ts'
import { ipv4FromNumber, ipv4ToNumber } from '../../src/net/ip-address.ts'
import type { SimulatedCluster } from './cluster.ts'

/** Breaches told in full; the rest is as broken as these. */
const MOST_TOLD = 20

/**
 * Every ordered pair of nodes, so both directions: whether the first reaches a pod in the second's
 * block. What ends elsewhere is named, with its way: a loop, a blackhole, a next hop that nobody has.
 */
export function brokenPairs(cluster: SimulatedCluster): {
  pairs: number
  broken: number
  told: string[]
} {
  const { machine, nodes } = cluster
  const fabric = machine.openNamespace('fabric')
  const reachability = new Reachability([fabric, ...nodes.map(({ kernel }) => kernel)])
  const targets = nodes.flatMap(({ name }) => {
    const pod = cluster.pods.get(name)?.[0]
    if (pod === undefined) return []
    const kernel = machine.openNamespace(pod)
    const own = kernel.addresses().find(({ address }) => address.startsWith('10.'))
    kernel.close()
    return own === undefined ? [] : [{ pod, address: ipv4ToNumber(own.address) }]
  })
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
