import { DROP_COUNTERS } from '../../kernel/own-filter.ts'
import { TUNNEL_DROPS } from '../../kernel/tunnel-drops.ts'

/** What counts drops on behalf of the agent, and what its counters are called beside the kernel's own. */
const COUNTERS = { filter: DROP_COUNTERS, tunnel: TUNNEL_DROPS } as const
const PREFIXES = { filter: 'PacketFilter.', tunnel: 'Tunnel.' } as const
type Counting = keyof typeof COUNTERS

/** Drops that the agent's packet filter or the programs of its tunnel counted. */
export interface CountedDrop {
  readonly by: Counting
  /** What the packets were taken for: "forged IPIP". */
  readonly as: string
}

/** What a counter is called among those of the kernel: "Tunnel.fragment". */
export function counterName(by: Counting, name: string): string {
  return `${PREFIXES[by]}${name}`
}

/** What a counter by its {@link counterName} says; undefined of those that are the kernel's own. */
export function countedDrop(counter: string): CountedDrop | undefined {
  for (const by of ['filter', 'tunnel'] as const) {
    const words: Readonly<Record<string, string>> = COUNTERS[by]
    const name = counter.slice(PREFIXES[by].length)
    if (counter === counterName(by, name) && Object.hasOwn(words, name)) {
      return { by, as: words[name]! }
    }
  }
  return undefined
}
