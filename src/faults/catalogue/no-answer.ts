import type { Fault } from '../fault.ts'
import { dropping } from '../filters.ts'

export const noAnswer = {
  id: 'no-answer',
  summary: 'the far pod drops what comes in',
  path: 'bare',
  families: [4],
  effects: ({ to: { pod } }) => [
    {
      do: 'filter',
      in: pod.namespace,
      table: dropping('input', [{ kind: 'inputLink', link: pod.link }]),
    },
  ],
} as const satisfies Fault
