import type { Fault } from '../fault.ts'
import { refusingRoute } from '../routes.ts'

export const unreachableRoute = {
  id: 'unreachable-route',
  summary: 'a route of the near node says that the far pod is unreachable',
  path: 'bare',
  families: [4, 6],
  effects: ({ from, to }) => [
    { do: 'add-route', in: from.namespace, route: refusingRoute('unreachable', to.pod.address) },
  ],
} as const satisfies Fault
