import type { Fault } from '../fault.ts'

export const martianSource = {
  id: 'martian-source',
  summary: 'the far node has the address of the near pod itself',
  path: 'bare',
  families: [4],
  effects: ({ from, to }) => {
    const address = { address: from.pod.address, prefixLength: 32, scope: 'global' } as const
    return [{ do: 'add-address', in: to.namespace, link: 'lo', ...address }]
  },
} as const satisfies Fault
