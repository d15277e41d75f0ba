import type { Side, World } from '../../test/tunnel/world.ts'
import { FAR, NEAR, POOL } from '../../test/tunnel/topology.ts'
import { eventually } from '../../test/support/command.ts'

/** One way for packets between the two nodes, and how the cluster is made to take it. */
export interface Case {
  readonly title: string
  /** From node to node, or from pod to pod. */
  readonly between: 'nodes' | 'pods'
  readonly prepare: (world: World) => Promise<void>
}

type Mode = 'Never' | 'CrossSubnet'

async function usePool(world: World, ipipMode: Mode, vxlanMode: Mode, way: RegExp): Promise<void> {
  await world.resources.modify('IPPool', POOL.name, (pool) => {
    pool.spec.ipipMode = ipipMode
    pool.spec.vxlanMode = vxlanMode
  })
  for (const [side, block] of [
    [world.near, FAR.block],
    [world.far, NEAR.block],
  ] as const) {
    const route = (): string => world.run(side.node, 'ip', 'route', 'show', block).output
    await eventually(`${block} by ${way.source}`, 15, () => way.test(route()), route)
    // A pool that leaves VXLAN keeps the device for a while, and packets still come by it.
    if (vxlanMode === 'Never') {
      const links = (): string => world.run(side.node, 'ip', '-brief', 'link').output
      await eventually('vxlan.calico to go', 30, () => !/^vxlan/m.test(links()), links)
    }
    // What pods learned about the MTU of another way does not hold for this one.
    world.run(side.podNamespace, 'ip', 'route', 'flush', 'cache')
  }
  await eventually('the pods to reach each other', 15, () => {
    const { status } = world.run(world.near.podNamespace, 'ping', '-c', '1', '-W', '1', FAR.pod)
    return status === 0
  })
}

export const bare: Case = { title: 'bare, node to node', between: 'nodes', prepare: async () => {} }

export const direct: Case = {
  title: 'direct, pod to pod',
  between: 'pods',
  async prepare(world) {
    const { namespace } = world.router
    for (const { block, address } of [NEAR, FAR]) {
      world.run(namespace, 'ip', 'route', 'replace', block, 'via', address)
    }
    await usePool(world, 'Never', 'Never', /dev ens33/)
  },
}

export const ipip = (title: string): Case => ({
  title,
  between: 'pods',
  prepare: (world) => usePool(world, 'CrossSubnet', 'Never', /dev tunl0/),
})

export const vxlan: Case = {
  title: 'VXLAN',
  between: 'pods',
  prepare: (world) => usePool(world, 'Never', 'CrossSubnet', /dev vxlan/),
}

/** Where iperf3 runs, and whom it asks. */
export function ends({ near, far }: World, between: Case['between']) {
  const place = (side: Side): string => (between === 'nodes' ? side.node : side.podNamespace)
  return {
    client: place(near),
    server: place(far),
    address: between === 'nodes' ? far.address : far.pod,
  }
}
