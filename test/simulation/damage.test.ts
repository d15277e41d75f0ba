import { describe, expect, it } from 'vitest'
import { type ClusterNode, SimulatedCluster } from './cluster.ts'
import { damages, snapshot } from './damage.ts'

/** Longest until what is taken away is back, where the kernel tells of it and where it does not. */
const TOLD_MILLISECONDS = 2_000
const UNTOLD_MILLISECONDS = 10_000

/** A cluster of two networks in which every node has a pod. */
async function cluster(encapsulation: 'ipip' | 'vxlan'): Promise<SimulatedCluster> {
  const made = new SimulatedCluster({ seed: 1, nodes: 3, twoNetworks: true, encapsulation })
  await made.start()
  await made.clock.advance(20_000)
  for (const { name, runtime } of made.nodes) runtime.run(`pod-of-${name}`)
  await made.clock.advance(60_000)
  return made
}

function isConverged({ agent }: ClusterNode): boolean {
  agent!.agent.settle()
  return agent!.agent.status().converged
}

describe.each(['ipip', 'vxlan'] as const)('a node with %s', (encapsulation) => {
  it('has all again that another program takes away, and does not say that it had it meanwhile', async () => {
    const { nodes, clock } = await cluster(encapsulation)
    const [node] = nodes as readonly [ClusterNode, ...ClusterNode[]]
    const whole = snapshot(node.kernel)
    const isWhole = (): boolean => snapshot(node.kernel).join('\n') === whole.join('\n')
    const names = damages(node.kernel).map(({ name }) => name)
    expect(names.length).toBeGreaterThan(25)
    expect(isConverged(node)).toBe(true)
    for (const name of names) {
      const damage = damages(node.kernel).find((each) => each.name === name)!
      damage.do()
      expect(isWhole(), `${name} does damage`).toBe(false)
      // What the kernel tells is heard a moment later.
      await clock.advance(1)
      const began = clock.now()
      const limit = damage.isTold ? TOLD_MILLISECONDS : UNTOLD_MILLISECONDS
      for (; !isWhole() && clock.now() < began + limit; await clock.advance(50)) {
        const isLie = damage.isTold && isConverged(node) && !isWhole()
        expect(isLie, `${name}, and the node says that it has converged`).toBe(false)
      }
      expect(snapshot(node.kernel), name).toEqual(whole)
      // Neighbors that were lost come back.
      for (let tries = 0; !isConverged(node) && tries < 200; tries++) await clock.advance(1_000)
      expect(isConverged(node), `${name}, in the end`).toBe(true)
    }
  })
})
