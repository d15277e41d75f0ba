import type { Fault } from '../fault.ts'

export const noCarrier = {
  id: 'no-carrier',
  summary: 'the cable of the far node is pulled',
  path: 'bare',
  families: [4, 6],
  effects: ({ to, network }) => [
    { do: 'link', in: network.namespace, link: to.port, change: { up: false } },
  ],
} as const satisfies Fault
