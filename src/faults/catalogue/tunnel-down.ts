import type { Fault } from '../fault.ts'

export const tunnelDown = {
  id: 'tunnel-down',
  summary: 'the tunnel device of the far node is down',
  path: 'ipip',
  families: [4],
  effects: ({ to }) => [{ do: 'link', in: to.namespace, link: 'tunl0', change: { up: false } }],
} as const satisfies Fault
