import type { Fault } from '../fault.ts'

export const vtepUnknown = {
  id: 'vtep-unknown',
  summary: 'the near node does not know which node the far tunnel address is on',
  path: 'vxlan',
  families: [4],
  effects: ({ from, to: { vtep } }) =>
    vtep === undefined
      ? []
      : [{ do: 'forwarding', in: from.namespace, link: 'vxlan.calico', mac: vtep.mac }],
} as const satisfies Fault
