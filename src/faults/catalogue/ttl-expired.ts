import type { Fault } from '../fault.ts'

export const ttlExpired = {
  id: 'ttl-expired',
  summary: 'what the far pod sends has a TTL of 1',
  path: 'bare',
  families: [4, 6],
  effects: ({ family, to: { pod } }) => [
    {
      do: 'sysctl',
      in: pod.namespace,
      path: family === 4 ? 'ipv4.ip_default_ttl' : `ipv6.conf.${pod.link}.hop_limit`,
      value: '1',
    },
  ],
} as const satisfies Fault
