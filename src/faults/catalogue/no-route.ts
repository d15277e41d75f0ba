import type { Fault } from '../fault.ts'
import { ip } from '../../net/ip-address.ts'
import { hostPrefix } from '../../net/prefix.ts'
import { blockRoute, defaultRoute, typedRoute } from '../routes.ts'

export const noRoute = {
  id: 'no-route',
  summary: 'the near node has no route to the far pod',
  path: 'bare',
  families: [4, 6],
  effects: (scene) => {
    const { from, to } = scene
    const gateway = {
      ...typedRoute(hostPrefix(ip('169.254.1.1')), { link: 'lo' }),
      scope: 'link',
    } as const
    return [
      // Else it does not answer ARP for the gateway of its pods, and that is what shows.
      ...(scene.family === 4
        ? [{ do: 'add-route', in: from.namespace, route: gateway } as const]
        : []),
      { do: 'delete-route', in: from.namespace, route: blockRoute(from, to) },
      { do: 'delete-route', in: from.namespace, route: defaultRoute(scene, from) },
    ]
  },
} as const satisfies Fault
