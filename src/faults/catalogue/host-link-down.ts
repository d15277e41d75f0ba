import type { Fault } from '../fault.ts'

export const hostLinkDown = {
  id: 'host-link-down',
  summary: 'the node\u2019s end of the far pod\u2019s link is down',
  path: 'bare',
  families: [4, 6],
  effects: ({ to }) => [
    { do: 'link', in: to.namespace, link: to.pod.hostLink, change: { up: false } },
  ],
} as const satisfies Fault
