import type { Fault } from '../fault.ts'
import { dropping } from '../filters.ts'

export const filtered = {
  id: 'filtered',
  summary: 'a packet filter on the far node drops what is forwarded',
  path: 'bare',
  families: [4, 6],
  effects: ({ to }) => [{ do: 'filter', in: to.namespace, table: dropping('forward', []) }],
} as const satisfies Fault
