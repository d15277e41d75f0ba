import type { Fault } from '../fault.ts'
import { dropping } from '../filters.ts'

export const filteredInPod = {
  id: 'filtered-in-pod',
  summary: 'a packet filter in the near pod drops what it sends',
  path: 'bare',
  families: [4, 6],
  effects: ({ from: { pod } }) => [
    { do: 'filter', in: pod.namespace, table: dropping('output', []) },
  ],
} as const satisfies Fault
