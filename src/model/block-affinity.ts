import * as z from 'zod'
import { cidr } from './fields.ts'
import { AFFINITY_PREFIX, affinityPrefix, parseAffinityKey } from './ipam-keys.ts'
import { parseMap } from './json.ts'
import { loose } from './loose.ts'
import { nameColumn } from './column.ts'
import type { KindDefinition } from './kind-definition.ts'

/** Which node a block belongs to. */
export const blockAffinitySpec = loose({
  /** Only a confirmed one may be used or announced; "" is an old way to say confirmed. */
  state: z.enum(['confirmed', 'pending', 'pendingDeletion', '']).default('confirmed'),
  node: z.string(),
  type: z.enum(['host', 'virtual']).optional(),
  cidr,
  deleted: z.union([z.boolean(), z.string()]).optional(),
})

export const blockAffinity: KindDefinition<'BlockAffinity'> = {
  plural: 'blockaffinities',
  aliases: ['affinity', 'affinities'],
  namespaced: false,
  spec: blockAffinitySpec,
  uses: {
    state: 'obeyed',
    node: 'obeyed',
    type: 'kept',
    cidr: 'obeyed',
    deleted: 'obeyed',
  },
  columns: [
    nameColumn,
    { header: 'NODE', value: ({ spec }) => spec.node },
    { header: 'CIDR', value: ({ spec }) => spec.cidr },
    { header: 'STATE', value: ({ spec }) => spec.state || 'confirmed' },
  ],
  /** Affinities of blocks are keys of IPAM; only IPAM writes them, since it must write the blocks with them. */
  row: {
    prefix: (node) => (node === undefined ? AFFINITY_PREFIX : affinityPrefix(node)),
    key: () => undefined,
    write: (affinity) => affinity,
    isOfKind: (key) => parseAffinityKey(key) !== undefined,
    read({ key, value }) {
      const { node, cidr } = parseAffinityKey(key)!
      const stored: { readonly state?: never; readonly deleted?: unknown } = parseMap(value || '{}')
      const { state, deleted } = stored
      const name = `${node}-${cidr.replaceAll(/[.:/]/g, '-')}`
      const spec = { state, node, type: 'host' as const, cidr, deleted: String(deleted === true) }
      return { kind: 'BlockAffinity', metadata: { name }, spec }
    },
    readOnly: 'blocks are claimed and released by IPAM',
  },
}
