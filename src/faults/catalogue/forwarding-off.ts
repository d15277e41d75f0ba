import type { Fault } from '../fault.ts'

export const forwardingOff = {
  id: 'forwarding-off',
  summary: 'the far node does not forward',
  path: 'bare',
  families: [4, 6],
  effects: ({ family, to }) => [
    {
      do: 'sysctl',
      in: to.namespace,
      // IPv6 knows no such setting of a single link.
      path: family === 4 ? `ipv4.conf.${to.uplink}.forwarding` : 'ipv6.conf.all.forwarding',
      value: '0',
    },
  ],
} as const satisfies Fault
