import { ip } from '../../net/ip-address.ts'
import { mac } from '../../net/mac-address.ts'
import { hostPrefix } from '../../net/prefix.ts'
import type { Fault } from '../fault.ts'
import { typedRoute } from '../routes.ts'

const LINK = 'other0'
const NOBODY = ip('198.18.0.9')

export const otherWay = {
  id: 'other-way',
  summary: 'for a moment the near node sends packets for the far pod out of another interface',
  path: 'bare',
  families: [4],
  effects: ({ from: { namespace }, network }) => [
    {
      do: 'create-pair',
      in: namespace,
      link: LINK,
      mac: mac('02:00:00:00:00:01'),
      peer: { in: network.namespace, link: LINK, mac: mac('02:00:00:00:00:02') },
    },
    { do: 'link', in: namespace, link: LINK, change: { up: true } },
    { do: 'link', in: network.namespace, link: LINK, change: { up: true } },
    {
      do: 'add-address',
      in: namespace,
      link: LINK,
      address: ip('198.18.0.1'),
      prefixLength: 24,
      scope: 'global',
    },
    { do: 'neighbor', in: namespace, link: LINK, address: NOBODY, mac: mac('02:00:00:00:00:09') },
  ],
  flaps: ({ from, to }) => [
    {
      do: 'add-route',
      in: from.namespace,
      route: typedRoute(hostPrefix(to.pod.address), { link: LINK, gateway: NOBODY }),
    },
  ],
} as const satisfies Fault
