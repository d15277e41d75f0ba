import type { Fault } from '../fault.ts'

export const proxyArpNoForwarding = {
  id: 'proxy-arp-no-forwarding',
  summary: 'the near node does not forward',
  path: 'bare',
  families: [4],
  effects: ({ from }) => [
    { do: 'sysctl', in: from.namespace, path: 'ipv4.ip_forward', value: '0' },
  ],
} as const satisfies Fault
