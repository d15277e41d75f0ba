import type { Fault } from '../fault.ts'

export const checksumWrong = {
  id: 'checksum-wrong',
  summary: 'the cable of the near node flips a bit of every packet',
  path: 'bare',
  families: [4],
  onlySimulated: 'no cable of Linux flips bits',
  effects: ({ from }) => [{ do: 'corrupt', in: from.namespace, link: from.uplink, isOn: true }],
} as const satisfies Fault
