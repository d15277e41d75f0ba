import type { Fault } from '../fault.ts'

export const neighborTableFull = {
  id: 'neighbor-table-full',
  summary: 'the machine takes no further neighbor',
  path: 'bare',
  families: [4, 6],
  onlySimulated: 'a machine has one neighbor table, and others need it',
  effects: ({ family, firstNamespace }) => [
    {
      do: 'sysctl',
      in: firstNamespace,
      path: `ipv${family}.neigh.default.gc_thresh3`,
      value: '0',
    },
  ],
} as const satisfies Fault
