import type { Fault } from '../fault.ts'
import { refusingRoute } from '../routes.ts'

export const prohibitRoute = {
  id: 'prohibit-route',
  summary: 'a route of the near node prohibits the far pod',
  path: 'bare',
  families: [4, 6],
  effects: ({ from, to }) => [
    { do: 'add-route', in: from.namespace, route: refusingRoute('prohibit', to.pod.address) },
  ],
} as const satisfies Fault
