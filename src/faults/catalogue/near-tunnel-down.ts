import type { Fault } from '../fault.ts'

export const nearTunnelDown = {
  id: 'near-tunnel-down',
  summary: 'the tunnel device of the near node is down',
  path: 'ipip',
  families: [4],
  effects: ({ from }) => [{ do: 'link', in: from.namespace, link: 'tunl0', change: { up: false } }],
} as const satisfies Fault
