import type { Fault } from '../fault.ts'
import { blockRoute, defaultRoute } from '../routes.ts'

export const wrongNextHop = {
  id: 'wrong-next-hop',
  summary: 'the near node sends packets for the far pod to a third node, which has no route to it',
  path: 'bare',
  families: [4, 6],
  effects: (scene) => {
    const { from, to, bystander } = scene
    const route = blockRoute(from, to, bystander.address)
    return [
      { do: 'replace-route', in: from.namespace, route },
      { do: 'delete-route', in: bystander.namespace, route: blockRoute(bystander, to) },
      { do: 'delete-route', in: bystander.namespace, route: defaultRoute(scene, bystander) },
    ]
  },
} as const satisfies Fault
