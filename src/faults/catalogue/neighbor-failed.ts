import type { Fault } from '../fault.ts'
import { ip } from '../../net/ip-address.ts'
import { blockRoute } from '../routes.ts'

export const neighborFailed = {
  id: 'neighbor-failed',
  summary: 'the near node sends to a next hop that nobody is',
  path: 'bare',
  families: [4, 6],
  effects: ({ family, from, to }) => {
    const nobody = ip(family === 4 ? '172.16.170.77' : 'fd00:170::77')
    return [{ do: 'replace-route', in: from.namespace, route: blockRoute(from, to, nobody) }]
  },
} as const satisfies Fault
