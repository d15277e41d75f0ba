import { addressFromOctets } from '../../net/ip-address.ts'
import type { Context } from './context.ts'
import { type BpfMap, createHashMap, mapsOfProgram } from './ebpf/bpf.ts'
import { COPY_UNTIL_KEY } from './ebpf/ipip-programs.ts'
import { attachedProgram } from './traffic-control.ts'

/** Names of attached programs begin so. The number changes with what the programs do. */
export const PROGRAM_PREFIX = 'tortie ipip 1: '

/** Addresses of nodes, and under 0.0.0.0 until when every packet is copied for captures. */
const SHAPE = { name: 'tortie_nodes', keyOctets: 4, valueOctets: 8, entries: 65_536 } as const
export const COPY_UNTIL_ADDRESS = addressFromOctets(COPY_UNTIL_KEY)

/** The map of the programs that hang there already, so that nothing is forgotten; else a new one. */
export function openNodes(context: Context, linkIndex: number): BpfMap {
  return openTunnelMap(context, linkIndex) ?? createHashMap(context.libc, SHAPE)
}

function openTunnelMap(context: Context, linkIndex: number): BpfMap | undefined {
  const attached = attachedProgram(context, linkIndex, 'egress')
  if (attached === undefined || !attached.name.startsWith(PROGRAM_PREFIX)) return undefined
  const [map, ...others] = mapsOfProgram(context.libc, attached.programId, SHAPE)
  for (const other of others) other.close()
  return map
}

/**
 * Has the tunnel copy every packet to its capture points for a while rather than the rare kinds alone.
 * False, and nothing done, for other links.
 *
 * @param untilNanoseconds on the kernel's monotonic clock
 */
export function copyPackets(
  context: Context,
  linkIndex: number,
  untilNanoseconds: bigint,
): boolean {
  const map = openTunnelMap(context, linkIndex)
  if (map === undefined) return false
  const value = Buffer.alloc(SHAPE.valueOctets)
  value.writeBigUInt64LE(untilNanoseconds)
  map.set(COPY_UNTIL_KEY, value)
  map.close()
  return true
}
