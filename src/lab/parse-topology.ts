import type * as z from 'zod'
import { valueAt } from '../lib/schema-problems.ts'
import { readYamlFile } from '../lib/yaml-file.ts'
import { checkTopology, type TopologyDraft } from './check-topology.ts'
import { type Topology, TOPOLOGY_LISTS, topologySchema } from './topology-schema.ts'

/** Octets of a topology file. */
export const TOPOLOGY_OCTETS_MAX = 1 << 20

/**
 * The topology that a YAML text describes. Errors: one UserError that lists every mistake with file, line
 * and column, field, value and what was expected.
 */
export function parseTopology(text: string, file: string): Topology {
  return readYamlFile({
    text,
    file,
    schema: topologySchema,
    check: (topology) => checkTopology(wholeDraft(topology)),
    checkPart: (raw) => checkTopology(draftOf(raw)),
    consequence: 'nothing was made',
    octetsMax: TOPOLOGY_OCTETS_MAX,
  })
}

function wholeDraft(topology: Topology): TopologyDraft {
  const { networks, nodes, routers, pools, pods } = topology
  const names = (list: readonly { name: string }[]): string[] => list.map(({ name }) => name)
  return {
    networks,
    nodes,
    routers,
    pools,
    pods,
    names: { networks: names(networks), nodes: names(nodes) },
  }
}

/** The entries that are well formed, each at its own index, so that these can be checked further. */
function draftOf(value: unknown): TopologyDraft {
  const raw = (key: keyof typeof TOPOLOGY_LISTS): unknown[] => {
    const list = valueAt(value, [key])
    return Array.isArray(list) ? list : []
  }
  const entries = <Key extends keyof typeof TOPOLOGY_LISTS>(
    key: Key,
  ): (z.output<(typeof TOPOLOGY_LISTS)[Key]> | undefined)[] =>
    raw(key).map(
      (item) =>
        TOPOLOGY_LISTS[key].safeParse(item).data as
          | z.output<(typeof TOPOLOGY_LISTS)[Key]>
          | undefined,
    )
  const names = (key: keyof typeof TOPOLOGY_LISTS): string[] =>
    raw(key).map((item) => String(valueAt(item, ['name'])))
  return {
    networks: entries('networks'),
    nodes: entries('nodes'),
    routers: entries('routers'),
    pools: entries('pools'),
    pods: entries('pods'),
    names: { networks: names('networks'), nodes: names('nodes') },
  }
}
