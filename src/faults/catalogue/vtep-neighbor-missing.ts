import type { Fault } from '../fault.ts'

export const vtepNeighborMissing = {
  id: 'vtep-neighbor-missing',
  summary: 'the near node has no neighbor entry for the far tunnel address',
  path: 'vxlan',
  families: [4],
  effects: ({ from, to: { vtep } }) =>
    vtep === undefined
      ? []
      : [{ do: 'neighbor', in: from.namespace, link: 'vxlan.calico', address: vtep.address }],
} as const satisfies Fault
