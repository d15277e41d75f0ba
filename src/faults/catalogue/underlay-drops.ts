import type { Fault } from '../fault.ts'
import { dropping } from '../filters.ts'

const UDP = 17

export const underlayDrops = {
  id: 'underlay-drops',
  summary: 'the router between the nodes drops the packets of tunnels',
  path: 'vxlan',
  families: [4],
  effects: ({ network }) => [
    {
      do: 'filter',
      in: network.namespace,
      table: dropping('forward', [{ kind: 'protocol', protocol: UDP }]),
    },
  ],
} as const satisfies Fault
