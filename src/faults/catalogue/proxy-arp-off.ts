import type { Fault } from '../fault.ts'

export const proxyArpOff = {
  id: 'proxy-arp-off',
  summary: 'the near node does not answer ARP for the gateway of its pod',
  path: 'bare',
  families: [4],
  effects: ({ from }) => [
    {
      do: 'sysctl',
      in: from.namespace,
      path: `ipv4.conf.${from.pod.hostLink}.proxy_arp`,
      value: '0',
    },
  ],
} as const satisfies Fault
