import type { Fault } from '../fault.ts'

export const tunnelMissing = {
  id: 'tunnel-missing',
  summary: 'the far node has no tunnel device',
  path: 'vxlan',
  families: [4],
  effects: ({ to }) => [{ do: 'delete-link', in: to.namespace, link: 'vxlan.calico' }],
} as const satisfies Fault
