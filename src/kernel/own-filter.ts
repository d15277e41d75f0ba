/** The one table of the packet filter that is the agent's; all others are somebody else's. */
export const FILTER_TABLE = 'tortie'

/** Counters of the table that count drops: what a person is told that they count. */
export const DROP_COUNTERS = {
  'spoofed-source': 'spoofed source',
  'reverse-path': 'source that is reached by another link',
  'to-gateway': 'sent to the gateway of pods itself',
  'tunnel-of-pod': 'tunnelled by a pod',
  'forged-ipip': 'forged IPIP',
  'forged-vxlan': 'forged VXLAN',
} as const satisfies Readonly<Record<string, string>>
export type DropCounter = keyof typeof DROP_COUNTERS

/** Counts the connections that were given the node's address. */
export const MASQUERADE_COUNTER = 'masqueraded'
