import type { Fault } from '../fault.ts'

export const mtuExceeded = {
  id: 'mtu-exceeded',
  summary: 'the interface of the near pod has a small MTU',
  path: 'bare',
  families: [4, 6],
  probe: { octets: 1450 },
  effects: ({ from: { pod } }) => [
    { do: 'link', in: pod.namespace, link: pod.link, change: { mtu: 1400 } },
  ],
} as const satisfies Fault
