import type { Fault } from '../fault.ts'
import { mac } from '../../net/mac-address.ts'

export const neighborWrongMac = {
  id: 'neighbor-wrong-mac',
  summary: 'the near node has a MAC address for the far one that is not its',
  path: 'bare',
  families: [4, 6],
  effects: ({ from, to }) => [
    {
      do: 'neighbor',
      in: from.namespace,
      link: from.uplink,
      address: to.address,
      mac: mac('66:66:66:66:66:66'),
    },
  ],
} as const satisfies Fault
