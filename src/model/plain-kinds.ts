import { z } from 'zod'
import type { Checks } from './checks.ts'
import { loose } from './loose.ts'

/** What the cluster is; every part refuses to work while datastoreReady is false. */
export const clusterInformationSpec = loose({
  clusterGUID: z.string().optional(),
  clusterType: z.string().optional(),
  calicoVersion: z.string().optional(),
  datastoreReady: z.boolean().optional(),
  variant: z.string().optional(),
})

/** Parameters of Calico's Felix, kept as they are. */
export const felixConfigurationSpec = loose({
  /** Where pods of pools with natOutgoing keep their address: IPPoolsOnly, IPPoolsAndHostIPs. */
  natOutgoingExclusions: z.string().optional(),
  /** Source of what leaves such pools, and ports for it ("1024:65535"); absent: the kernel's choice. */
  natOutgoingAddress: z.string().optional(),
  natPortRange: z.union([z.string(), z.int()]).optional(),
  /** Hosts that are no nodes and whose tunnels are trusted all the same: addresses, networks. */
  externalNodesList: z.array(z.string()).optional(),
  /** Pods may send IPIP, VXLAN themselves. */
  allowIPIPPacketsFromWorkloads: z.boolean().optional(),
  allowVXLANPacketsFromWorkloads: z.boolean().optional(),
  /** IPIP on or off whatever the pools say; absent: as the pools say. */
  ipipEnabled: z.boolean().optional(),
  /** Octets inside tunl0; absent or 0: 20 less than the uplink. */
  ipipMTU: z.number().optional(),
  /** Regular expression for names of links whose smallest MTU is the host's; absent: Calico's. */
  mtuIfacePattern: z.string().optional(),
  /** The same of VXLAN; absent or 0: 50 less than the uplink. */
  vxlanEnabled: z.boolean().optional(),
  vxlanMTU: z.number().optional(),
  /** Network identifier; absent: 4096. */
  vxlanVNI: z.int().min(1).max(0xffffff).optional(),
  /** UDP port; absent: 4789. */
  vxlanPort: z.int().min(1).max(0xffff).optional(),
})

/** Addresses never given to anybody new. */
export const ipReservationSpec = loose({ reservedCIDRs: z.array(z.string()).optional() })

export function checkIpReservation(
  checks: Checks,
  { spec }: { spec: z.infer<typeof ipReservationSpec> },
): void {
  for (const [at, cidr] of (spec.reservedCIDRs ?? []).entries()) {
    if (cidr.includes('/')) checks.prefix(`spec.reservedCIDRs[${at}]`, cidr)
    else checks.ipAddress(`spec.reservedCIDRs[${at}]`, cidr)
  }
}

/** Which node a block belongs to. */
export const blockAffinitySpec = loose({
  /** Only a confirmed one may be used or announced; "" is an old way to say confirmed. */
  state: z.enum(['confirmed', 'pending', 'pendingDeletion', '']).default('confirmed'),
  node: z.string(),
  type: z.enum(['host', 'virtual']).optional(),
  cidr: z.string(),
  deleted: z.union([z.boolean(), z.string()]).optional(),
})

/** How addresses are given out in the whole cluster. */
export const ipamConfigurationSpec = loose({
  /** A node uses only addresses of its own blocks. */
  strictAffinity: z.boolean().default(false),
  /** Nodes claim blocks by themselves. */
  autoAllocateBlocks: z.boolean().default(true),
  /** 0: no limit of the cluster. */
  maxBlocksPerHost: z.number().default(0),
})

export function checkIpamConfiguration(
  checks: Checks,
  { spec }: { spec: z.infer<typeof ipamConfigurationSpec> },
): void {
  checks.require(
    spec.strictAffinity || spec.autoAllocateBlocks,
    'spec.autoAllocateBlocks',
    spec.autoAllocateBlocks,
    'cannot disable both strictAffinity and autoAllocateBlocks',
  )
  checks.integer('spec.maxBlocksPerHost', spec.maxBlocksPerHost, 0, 1_000_000)
}
