import type { Fault } from '../fault.ts'

export const vtepElsewhere = {
  id: 'vtep-elsewhere',
  summary: 'the near node believes that the far tunnel address is on another node',
  path: 'vxlan',
  families: [4],
  effects: ({ from, to: { vtep }, bystander }) =>
    vtep === undefined
      ? []
      : [
          {
            do: 'forwarding',
            in: from.namespace,
            link: 'vxlan.calico',
            mac: vtep.mac,
            remote: bystander.address,
          },
        ],
} as const satisfies Fault
