import type { Fault } from '../fault.ts'
import { routeToPod } from '../routes.ts'

export const wrongPod = {
  id: 'wrong-pod',
  summary: 'the near node has a route to the far pod that leads to its own pod',
  path: 'bare',
  families: [4, 6],
  effects: ({ family, from, to }) => {
    const route = routeToPod({ ...to, pod: { ...to.pod, hostLink: from.pod.hostLink } })
    const path = `ipv6.conf.${from.pod.link}.accept_redirects`
    return [
      // Else the pod learns to ask for the far pod itself, and that outlives the route.
      ...(family === 6
        ? [{ do: 'sysctl', in: from.pod.namespace, path, value: '0' } as const]
        : []),
      { do: 'add-route', in: from.namespace, route },
    ]
  },
} as const satisfies Fault
