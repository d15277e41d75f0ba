import type { Fault } from '../fault.ts'

export const wrongHolder = {
  id: 'wrong-holder',
  summary: 'the near node has the address of the far pod itself',
  path: 'bare',
  families: [4, 6],
  effects: ({ family, from, to: { pod } }) => [
    {
      do: 'add-address',
      in: from.namespace,
      link: 'lo',
      address: pod.address,
      prefixLength: family === 4 ? 32 : 128,
      scope: 'global',
    },
  ],
} as const satisfies Fault
