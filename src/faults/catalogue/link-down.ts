import type { Fault } from '../fault.ts'

export const linkDown = {
  id: 'link-down',
  summary: 'the interface of the far pod is down',
  path: 'bare',
  families: [4, 6],
  effects: ({ to: { pod } }) => [
    { do: 'link', in: pod.namespace, link: pod.link, change: { up: false } },
  ],
} as const satisfies Fault
