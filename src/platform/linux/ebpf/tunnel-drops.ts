/** Why the programs of the tunnel drop packets, in the order of their counters. New ones go last. */
export const DROPS = [
  /** From the node: not IPv4. */
  'not-ipv4',
  /** From the node: its route has no gateway, so there is no other end. */
  'no-gateway',
  /** From the node: no route to the other node, or one through the tunnel itself. */
  'no-way',
  /** From outside: the outer source is neither a node of the cluster nor one that is trusted like a node. */
  'stranger',
  /** From outside: no IPv4 packet within. */
  'malformed',
  /** From outside: marked as congested on its way, and the sender does not know marks (RFC 6040). */
  'congested',
  /** The kernel did not let the packet be changed: no memory, or a size beyond all limits. */
  'refused',
] as const
export type Drop = (typeof DROPS)[number]
