import type { Fault } from '../fault.ts'
import { ip } from '../../net/ip-address.ts'
import { prefixAddress } from '../../net/prefix.ts'

const LEFT_OVER = 'default/left-over'

export const podNotRunning = {
  id: 'pod-not-running',
  summary: 'the datastore has a pod on the far node that is gone',
  path: 'bare',
  families: [4, 6],
  probe: { to: LEFT_OVER },
  effects: ({ family, to }) => [
    {
      do: 'register-pod',
      in: to.namespace,
      pod: LEFT_OVER,
      node: to.name,
      address: ip(`${prefixAddress(to.block).replace(/(?:0|::)$/, family === 4 ? '' : '::')}99`),
    },
  ],
} as const satisfies Fault
