/**
 * Why the programs of a tunnel drop packets, in the order of their counters (new ones go last): what a
 * person is told that each counts.
 */
export const TUNNEL_DROPS = {
  /** From the node. */
  'not-ipv4': 'something else than IPv4',
  /** From the node: its route has no gateway, so there is no other end. */
  'no-gateway': 'one routed into the tunnel without a gateway',
  /** From the node: no route to the other node, or one through the tunnel itself. */
  'no-way': 'one without a way to the other node',
  /** From outside: the outer source is neither a node of the cluster nor one that is trusted like a node. */
  stranger: 'forged IPIP',
  /** From outside. */
  malformed: 'one without a packet of IPv4 within',
  /** From outside: the sender of the inner packet does not know marks (RFC 6040). */
  congested: 'one marked as congested, which its sender cannot be told',
  /** The kernel did not let the packet be changed: no memory, or a size beyond all limits. */
  refused: 'one that the kernel does not let change',
  /** From outside: programs see fragments before the kernel puts them together. */
  fragment: 'a fragment of an outer header',
} as const satisfies Readonly<Record<string, string>>
export type TunnelDrop = keyof typeof TUNNEL_DROPS
