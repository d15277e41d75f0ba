import * as z from 'zod'
import type { Checks } from './checks.ts'
import { cidr, cidrOrAddress, integer } from './fields.ts'
import { loose } from './loose.ts'

/** What the cluster is; every part refuses to work while datastoreReady is false. */
export const clusterInformationSpec = loose({
  clusterGUID: z.string().optional(),
  clusterType: z.string().optional(),
  calicoVersion: z.string().optional(),
  datastoreReady: z.boolean().optional(),
  variant: z.string().optional(),
})

/** Addresses never given to anybody new. */
export const ipReservationSpec = loose({ reservedCIDRs: z.array(cidrOrAddress()).optional() })

/** One range that is wrong takes no other with it. */
export const IP_RESERVATION_PARTS = ['spec.reservedCIDRs', 'spec.reservedCIDRs.*']

export function checkIpReservation(
  checks: Checks,
  _reservation: unknown,
  { spec }: { readonly spec: { readonly reservedCIDRs?: unknown } },
): void {
  checks.noHostBitsIn('spec.reservedCIDRs', spec.reservedCIDRs)
}

/** Which node a block belongs to. */
export const blockAffinitySpec = loose({
  /** Only a confirmed one may be used or announced; "" is an old way to say confirmed. */
  state: z.enum(['confirmed', 'pending', 'pendingDeletion', '']).default('confirmed'),
  node: z.string(),
  type: z.enum(['host', 'virtual']).optional(),
  cidr,
  deleted: z.union([z.boolean(), z.string()]).optional(),
})

/** How addresses are given out in the whole cluster. */
export const ipamConfigurationSpec = loose({
  /** A node uses only addresses of its own blocks. */
  strictAffinity: z.boolean().default(false),
  /** Nodes claim blocks by themselves. */
  autoAllocateBlocks: z.boolean().default(true),
  /** 0: no limit of the cluster. */
  maxBlocksPerHost: integer(0, 1_000_000).default(0),
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
}
