import type { Fault } from '../fault.ts'
import { routeToPod } from '../routes.ts'

export const blackholeRoute = {
  id: 'blackhole-route',
  summary:
    'the far node has lost the route to its pod, so that the blackhole of its block catches it',
  path: 'bare',
  families: [4, 6],
  effects: ({ to }) => [{ do: 'delete-route', in: to.namespace, route: routeToPod(to) }],
} as const satisfies Fault
