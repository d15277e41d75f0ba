import type { Fault } from '../fault.ts'
import { defaultRoute } from '../routes.ts'

export const proxyArpNoRoute = {
  id: 'proxy-arp-no-route',
  summary: 'the near node has no route to the gateway of its pod',
  path: 'bare',
  families: [4],
  effects: (scene) => [
    { do: 'delete-route', in: scene.from.namespace, route: defaultRoute(scene, scene.from) },
  ],
} as const satisfies Fault
