import type { Fault } from '../fault.ts'
import { ROUTE_TABLE } from '../../kernel/kernel.ts'
import { hostPrefix } from '../../net/prefix.ts'
import { typedRoute } from '../routes.ts'

export const kernelRefuses = {
  id: 'kernel-refuses',
  summary: 'the far node takes the near pod for a broadcast address',
  path: 'bare',
  families: [4],
  effects: ({ from, to }) => {
    const route = typedRoute(hostPrefix(from.pod.address), { link: to.uplink })
    const broadcast = {
      ...route,
      type: 'broadcast',
      table: ROUTE_TABLE.local,
      scope: 'link',
    } as const
    return [
      // Without it nobody looks at what the source is.
      { do: 'sysctl', in: to.namespace, path: `ipv4.conf.${to.uplink}.rp_filter`, value: '2' },
      { do: 'add-route', in: to.namespace, route: broadcast },
    ]
  },
} as const satisfies Fault
