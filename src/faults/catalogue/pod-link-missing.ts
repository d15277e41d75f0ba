import type { Fault } from '../fault.ts'

export const podLinkMissing = {
  id: 'pod-link-missing',
  summary: 'the link between the far pod and its node is deleted',
  path: 'bare',
  families: [4, 6],
  effects: ({ to: { namespace, pod } }) => [
    {
      do: 'delete-link',
      in: namespace,
      link: pod.hostLink,
      peer: { in: pod.namespace, link: pod.link },
    },
  ],
} as const satisfies Fault
