import type { Fault } from '../fault.ts'

export const linkMissing = {
  id: 'link-missing',
  summary: 'the interface of the far pod has another name, and is down',
  path: 'bare',
  families: [4, 6],
  effects: ({ to: { pod } }) => [
    { do: 'link', in: pod.namespace, link: pod.link, change: { up: false } },
    { do: 'link', in: pod.namespace, link: pod.link, change: { name: 'renamed0' } },
  ],
} as const satisfies Fault
