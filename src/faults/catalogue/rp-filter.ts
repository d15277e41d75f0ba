import type { Fault } from '../fault.ts'
import { hostPrefix } from '../../net/prefix.ts'
import { typedRoute } from '../routes.ts'

export const rpFilter = {
  id: 'rp-filter',
  summary:
    'the route back from the far node leaves by another link, and its uplink is strict about that',
  path: 'bare',
  families: [4],
  effects: ({ from, to }) => {
    const back = typedRoute(hostPrefix(from.pod.address), { link: to.pod.hostLink })
    return [
      { do: 'sysctl', in: to.namespace, path: `ipv4.conf.${to.uplink}.rp_filter`, value: '1' },
      { do: 'add-route', in: to.namespace, route: { ...back, scope: 'link' } },
    ]
  },
} as const satisfies Fault
