import type { Fault } from '../fault.ts'
import { hostPrefix } from '../../net/prefix.ts'
import { typedRoute } from '../routes.ts'

export const loop = {
  id: 'loop',
  summary: 'the near node and a third one send packets for the far pod to each other',
  path: 'bare',
  families: [4, 6],
  effects: ({ from, to, bystander }) => {
    const destination = hostPrefix(to.pod.address)
    const there = typedRoute(destination, { link: from.uplink, gateway: bystander.address })
    const back = typedRoute(destination, { link: bystander.uplink, gateway: from.address })
    return [
      { do: 'add-route', in: from.namespace, route: there },
      { do: 'add-route', in: bystander.namespace, route: back },
    ]
  },
} as const satisfies Fault
