import * as z from 'zod'
import type { Checks } from './checks.ts'
import { integer } from './fields.ts'
import { IPAM_CONFIG_KEY } from './ipam-keys.ts'
import { parseMap } from './json.ts'
import { loose } from './loose.ts'
import { nameColumn } from './column.ts'
import type { Column, KindDefinition } from './kind-definition.ts'

/** How addresses are given out in the whole cluster. */
export const ipamConfigurationSpec = loose({
  /** A node uses only addresses of its own blocks. */
  strictAffinity: z.boolean().default(false),
  /** Nodes claim blocks by themselves. */
  autoAllocateBlocks: z.boolean().default(true),
  /** 0: no limit of the cluster. */
  maxBlocksPerHost: integer(0, 1_000_000).default(0),
})

function checkIpamConfiguration(
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

/** The form in which IPAM keeps its configuration: what is absent in an object that exists is false. */
interface StoredIpamConfiguration {
  readonly strict_affinity?: boolean
  readonly auto_allocate_blocks?: boolean
  readonly maxBlocksPerHost?: number
}

const COLUMNS: readonly Column<'IPAMConfiguration'>[] = [
  nameColumn,
  { header: 'STRICTAFFINITY', value: ({ spec }) => String(spec.strictAffinity) },
  { header: 'AUTOALLOCATEBLOCKS', value: ({ spec }) => String(spec.autoAllocateBlocks) },
]

export const ipamConfiguration: KindDefinition<'IPAMConfiguration'> = {
  plural: 'ipamconfigurations',
  aliases: ['ipamconfig', 'ipamconfigs'],
  namespaced: false,
  spec: ipamConfigurationSpec,
  check: checkIpamConfiguration,
  uses: {
    strictAffinity: 'obeyed',
    autoAllocateBlocks: 'obeyed',
    maxBlocksPerHost: 'obeyed',
  },
  kept: ['spec.ipCooldownSeconds', 'spec.kubeVirtVMAddressPersistence'],
  columns: COLUMNS,
  wideColumns: [
    ...COLUMNS,
    { header: 'MAXBLOCKSPERHOST', value: ({ spec }) => String(spec.maxBlocksPerHost) },
  ],
  row: {
    prefix: () => IPAM_CONFIG_KEY,
    key: (name) => (name === 'default' ? IPAM_CONFIG_KEY : undefined),
    write({ spec }): StoredIpamConfiguration {
      const { strictAffinity, autoAllocateBlocks, maxBlocksPerHost, ...others } = spec
      return {
        ...others,
        ...(strictAffinity && { strict_affinity: true }),
        ...(autoAllocateBlocks && { auto_allocate_blocks: true }),
        ...(maxBlocksPerHost > 0 && { maxBlocksPerHost }),
      }
    },
    isOfKind: (key) => key === IPAM_CONFIG_KEY,
    read({ value }) {
      const {
        strict_affinity: strictAffinity = false,
        auto_allocate_blocks: autoAllocateBlocks = false,
        maxBlocksPerHost = 0,
        ...others
      }: StoredIpamConfiguration = parseMap(value)
      const spec = { strictAffinity, autoAllocateBlocks, maxBlocksPerHost, ...others }
      return { kind: 'IPAMConfiguration', metadata: { name: 'default' }, spec }
    },
  },
}
