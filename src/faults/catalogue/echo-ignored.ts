import type { Fault } from '../fault.ts'

export const echoIgnored = {
  id: 'echo-ignored',
  summary: 'the far pod ignores pings',
  path: 'bare',
  families: [4, 6],
  effects: ({ family, to: { pod } }) => [
    {
      do: 'sysctl',
      in: pod.namespace,
      path: family === 4 ? 'ipv4.icmp_echo_ignore_all' : 'ipv6.icmp.echo_ignore_all',
      value: '1',
    },
  ],
} as const satisfies Fault
