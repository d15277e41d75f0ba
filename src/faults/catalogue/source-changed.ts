import type { Fault } from '../fault.ts'
import { hostPrefix } from '../../net/prefix.ts'
import { dropping, masquerading } from '../filters.ts'

export const sourceChanged = {
  id: 'source-changed',
  summary: 'the near node masquerades, and the far node drops what comes from a node',
  path: 'bare',
  families: [4],
  effects: ({ from, to }) => {
    const source = { kind: 'source', prefix: hostPrefix(from.address) } as const
    return [
      { do: 'filter', in: from.namespace, table: masquerading(from.uplink) },
      { do: 'filter', in: to.namespace, table: dropping('forward', [source]) },
    ]
  },
} as const satisfies Fault
