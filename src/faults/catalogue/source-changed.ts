import type { Fault } from '../fault.ts'
import { hostPrefix } from '../../net/prefix.ts'
import { dropping, masquerading } from '../filters.ts'

export const sourceChanged = {
  id: 'source-changed',
  summary: 'the near node masquerades, and the far node drops what comes from a node',
  path: 'bare',
  families: [4],
  effects: ({ family, from, to }) => {
    const set = { name: 'nodes', family, prefixes: [hostPrefix(from.address)] }
    const table = dropping('forward', { source: { set: set.name } }, { sets: [set] })
    return [
      { do: 'filter', in: from.namespace, table: masquerading(from.uplink) },
      { do: 'filter', in: to.namespace, table },
    ]
  },
} as const satisfies Fault
