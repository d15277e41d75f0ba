import { DROP_COUNTERS, type DropCounter } from '../kernel/own-filter.ts'
import type { AgentStatus } from '../api/agent-status.ts'

/** What the programs of a tunnel call packets from hosts that are no nodes. */
const STRANGER = 'stranger'

/** "forged IPIP 3, spoofed source 2": what a node dropped in its own defence; undefined if nothing. */
export function describeDrops({
  packetFilter,
  tunnel,
}: Pick<AgentStatus, 'packetFilter' | 'tunnel'>): string | undefined {
  const { counters } = packetFilter
  const counted = Object.keys(DROP_COUNTERS) as DropCounter[]
  const phrases = counted.flatMap((name) => {
    // Where tunl0 is made of programs, they see forged packets before the packet filter does.
    const earlier = name === 'forged-ipip' ? (tunnel?.drops?.[STRANGER] ?? 0) : 0
    const packets = (counters[name] ?? 0) + earlier
    return packets === 0 ? [] : [`${DROP_COUNTERS[name]} ${packets}`]
  })
  return phrases.length === 0 ? undefined : phrases.join(', ')
}
