import type { OwnBlock } from '../../bgp/filters/calico-export.ts'
import type { IpAddress } from '../../net/ip-address.ts'
import type { Prefix } from '../../net/prefix.ts'
import type { PoolEncapsulation } from '../../routes/encapsulation.ts'
import type { HostLinks } from '../dataplane/kernel-view.ts'
import type { PodEnd } from '../dataplane/pod-links.ts'

/** A pod of this node, as far as the agent serves it. */
export interface LocalPod extends PodEnd {
  readonly namespace: string
  readonly pod: string
  readonly hostInterfaceName: string
  readonly addresses: readonly IpAddress[]
}

/**
 * What a node knows beside the cluster's resources: of its kernel, of its pods, and what its reconcilers
 * found out. Every field is the same object until it changes.
 */
export interface LocalFacts {
  /** Affinities of blocks to this node; undefined until they have been read. */
  readonly blocks: readonly OwnBlock[] | undefined
  readonly pods: readonly LocalPod[]
  /** Links and addresses of the kernel beside pods'. */
  readonly host: HostLinks
  /** Pools as they were a moment ago, latest first: nodes hear of a change one after the other. */
  readonly formerPools: readonly (readonly PoolEncapsulation[])[]
  /** Prefixes of pools that were there since the agent began: pods may have their addresses still. */
  readonly poolsSeen: readonly Prefix[]
  /** The address that tunl0 has in the pod network; undefined while it has none. */
  readonly ipipAddress: IpAddress | undefined
  /** Index of tunl0, undefined while there is none that is as desired. */
  readonly ipipLink: number | undefined
  /** Index of vxlan.calico, undefined while there is none that is as desired. */
  readonly vxlanLink: number | undefined
  /** Octets inside tunl0 towards nodes to which the path is narrower than it. */
  readonly pathMtus: Readonly<Record<IpAddress, number>>
  /**
   * Links by which the host, left alone, takes only what it would answer by the same (rp_filter 1);
   * undefined until that has been read.
   */
  readonly strictLinks: readonly string[] | undefined
  /** Whether this kernel can have no packet filter. */
  readonly isUnfiltered: boolean
  /** Routes of an agent before this one stay until BGP neighbors have announced theirs. */
  readonly isRestarting: boolean
  /** The blocks of other nodes, where VXLAN needs them, have all been read. */
  readonly knowsBlocks: boolean
}

/** Facts that somebody tells the agent; the others it looks up when it works out what follows. */
export type ToldFacts = Omit<LocalFacts, 'host' | 'formerPools' | 'poolsSeen'>

/** Of a node that has been told nothing yet. */
export const NO_FACTS: ToldFacts = {
  blocks: undefined,
  pods: [],
  ipipAddress: undefined,
  ipipLink: undefined,
  vxlanLink: undefined,
  pathMtus: {},
  strictLinks: undefined,
  isUnfiltered: false,
  isRestarting: false,
  knowsBlocks: false,
}
