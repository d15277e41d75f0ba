import type { Context } from './context.ts'
import { type BpfMap, createArrayMap, createHashMap, mapsOfProgram } from './ebpf/bpf.ts'
import { attachedProgram } from './traffic-control.ts'

/** Names of attached programs begin so. The number changes with what the programs do. */
export const PROGRAM_PREFIX = 'tortie ipip 3: '

/** Keys are addresses of nodes; present is all that a value says. */
const NODES = { name: 'tortie_nodes', keyOctets: 4, valueOctets: 1, entries: 65_536 } as const
/** One counter for each reason to drop a packet, with room for more reasons. */
const COUNTERS = { name: 'tortie_drops', keyOctets: 4, valueOctets: 8, entries: 32 } as const

/** What the programs and the agent share. Lives in the kernel as long as a program refers to it. */
export interface TunnelMaps {
  readonly nodes: BpfMap
  readonly counters: BpfMap
  /** Numbers of both, which differ from those of any other maps. */
  readonly id: string
  count(index: number): number
  close(): void
}

/**
 * The maps of the program that hangs at a link already, so that nothing is forgotten; else new ones. They
 * are found by way of the attached program: no file system has to be mounted for them to survive, nor can
 * a file outlive its tunnel.
 */
export function openTunnelMaps(context: Context, linkIndex: number): TunnelMaps {
  const { libc } = context
  const found = mapsOfTunnel(context, linkIndex)
  const nodes = found.get(NODES.name) ?? createHashMap(libc, NODES)
  const counters = found.get(COUNTERS.name) ?? createArrayMap(libc, COUNTERS)
  return {
    nodes,
    counters,
    id: `${nodes.id()} ${counters.id()}`,
    count(index) {
      const key = Buffer.alloc(COUNTERS.keyOctets)
      key.writeUInt32LE(index)
      const value = counters.get(key)
      return value === undefined ? 0 : Number(Buffer.from(value).readBigUInt64LE())
    },
    close() {
      for (const map of new Set([...found.values(), nodes, counters])) map.close()
    },
  }
}

/** By name. */
function mapsOfTunnel(context: Context, linkIndex: number): ReadonlyMap<string, BpfMap> {
  const attached = attachedProgram(context, linkIndex, 'ingress')
  if (attached === undefined || !attached.name.startsWith(PROGRAM_PREFIX)) return new Map()
  return mapsOfProgram(context.libc, attached.programId)
}
