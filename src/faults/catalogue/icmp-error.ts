import type { Fault } from '../fault.ts'
import { refusingRoute } from '../routes.ts'

export const icmpError = {
  id: 'icmp-error',
  summary: 'the router between the nodes has a route that says the far node is unreachable',
  path: 'vxlan',
  families: [4],
  probe: { isOfNodes: true },
  effects: ({ network, to }) => [
    { do: 'add-route', in: network.namespace, route: refusingRoute('unreachable', to.address) },
  ],
} as const satisfies Fault
