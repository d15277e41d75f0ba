import type { Fault } from '../fault.ts'

export const addressMissing = {
  id: 'address-missing',
  summary: 'the far pod does not have its address',
  path: 'bare',
  families: [4, 6],
  effects: ({ family, to: { pod } }) => [
    {
      do: 'delete-address',
      in: pod.namespace,
      link: pod.link,
      address: pod.address,
      prefixLength: family === 4 ? 32 : 128,
      scope: 'global',
    },
  ],
} as const satisfies Fault
