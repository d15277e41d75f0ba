import { DROP_COUNTERS, type DropCounter } from '../kernel/own-filter.ts'

/** Before the names of the packet filter's counters, among the kernel's own. */
export const FILTER_PREFIX = 'PacketFilter.'

/** What a counter of the agent's packet filter takes packets for: "forged IPIP"; undefined of others. */
export function filterDrop(counter: string): string | undefined {
  const name = counter.slice(FILTER_PREFIX.length)
  return counter.startsWith(FILTER_PREFIX) && Object.hasOwn(DROP_COUNTERS, name)
    ? DROP_COUNTERS[name as DropCounter]
    : undefined
}
