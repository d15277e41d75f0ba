import type { Family, IpAddress } from '../net/ip-address.ts'
import type { Prefix } from '../net/prefix.ts'

/** What is written beside an address: who has it and why. Keys: pod, namespace, node, timestamp, type. */
export type Attributes = Readonly<Record<string, string>>

/** What an address is for; pools may be kept for one use. */
export type Use = 'Workload' | 'Tunnel'

export interface AutoAssignRequest {
  /** The node that will use the addresses: blocks are claimed for it. */
  readonly node: string
  /** Names the owner, so that all that it has can be released without knowing it. */
  readonly handle: string
  readonly attributes: Attributes
  /** Only if the handle has nothing yet: else IpamError "taken". */
  readonly exclusive?: boolean
  readonly family: Family
  readonly use: Use
  /** How many addresses; default 1. */
  readonly count?: number
  /** Only these pools, whatever their selectors say; default: all automatic pools that select the node. */
  readonly pools?: readonly Prefix[]
  /**
   * Only these blocks, claimed if need be: a node's podCIDRs, where Kubernetes gives each node its block.
   * Pools do not matter then, and as with host-local the first two addresses and the last are not for pods.
   */
  readonly blocks?: readonly Prefix[]
  /** Labels of the node, for the pools' node selectors. */
  readonly nodeLabels?: Readonly<Record<string, string>>
  /** Labels of the pod's namespace, for the pools' namespace selectors. */
  readonly namespaceLabels?: Readonly<Record<string, string>>
  /** Most blocks that the node may own; 0 or absent: what the configuration says, else 20. */
  readonly maxBlocks?: number
}

export interface AssignAddressRequest {
  readonly address: IpAddress
  readonly node: string
  readonly handle: string
  readonly attributes: Attributes
  /** Only if the handle has nothing yet: else IpamError "taken". */
  readonly exclusive?: boolean
  readonly use: Use
  /** The block that the address is to be taken from, if it is not one of a pool. */
  readonly block?: Prefix
}

/** An address given out, and the block that it is of. */
export interface Assignment {
  readonly address: IpAddress
  readonly block: Prefix
}

export interface ReleaseRequest {
  readonly address: IpAddress
  /** Only if this handle has it. */
  readonly handle?: string
  /** Only this allocation of it, as {@link Ipam.inspect} told. */
  readonly sequenceNumber?: bigint
}
