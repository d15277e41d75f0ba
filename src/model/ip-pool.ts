import * as z from 'zod'
import { overlaps, prefix, prefixFamily, prefixLength } from '../net/prefix.ts'
import type { Checks } from './checks.ts'
import { cidr, integer, selector } from './fields.ts'
import { loose } from './loose.ts'
import { nameColumn } from './column.ts'
import type { KindDefinition } from './kind-definition.ts'

const mode = z.enum(['Never', 'Always', 'CrossSubnet'])
export type EncapsulationMode = z.infer<typeof mode>

const fields = loose({
  cidr,
  vxlanMode: mode.default('Never'),
  ipipMode: mode.default('Never'),
  natOutgoing: z.boolean().optional(),
  disabled: z.boolean().optional(),
  disableBGPExport: z.boolean().optional(),
  /** Prefix length of a block; absent or 0: 26, or 122 for IPv6. */
  blockSize: integer(0, 128).default(0),
  nodeSelector: selector.transform((text) => text || 'all()').default('all()'),
  namespaceSelector: selector.optional(),
  allowedUses: z
    .array(z.enum(['Workload', 'Tunnel', 'LoadBalancer']))
    .default(['Workload', 'Tunnel']),
  assignmentMode: z.enum(['Automatic', 'Manual']).default('Automatic'),
})

const BLOCK_SIZES = {
  4: { least: 20, most: 32, usual: 26 },
  6: { least: 116, most: 128, usual: 122 },
} as const

/** A range of addresses out of which nodes claim blocks. */
export const ipPoolSpec = fields.transform((spec, context) => {
  const { least, most, usual } = BLOCK_SIZES[prefixFamily(spec.cidr)]
  const { blockSize } = spec
  if (blockSize !== 0 && (blockSize < least || blockSize > most)) {
    const message = `expected an integer from ${least} to ${most}`
    context.issues.push({ code: 'custom', input: blockSize, path: ['blockSize'], message })
  }
  return { ...spec, blockSize: blockSize || usual }
})

const RESERVED = [prefix('169.254.0.0/16'), prefix('fe80::/10')]

function checkIpPool(
  checks: Checks,
  { spec }: { spec: z.output<typeof ipPoolSpec> },
  document: { readonly spec: { readonly cidr?: unknown } },
): void {
  checks.require(
    spec.ipipMode === 'Never' || spec.vxlanMode === 'Never',
    'spec.ipipMode',
    spec.ipipMode,
    'ipipMode and vxlanMode cannot both be enabled on one IP pool',
  )
  const balancer = spec.allowedUses.includes('LoadBalancer')
  checks.require(
    !balancer || spec.allowedUses.length === 1,
    'spec.allowedUses',
    spec.allowedUses,
    'LoadBalancer cannot be combined with Workload or Tunnel',
  )
  checks.noHostBits('spec.cidr', document.spec.cidr)
  const isIpv6 = prefixFamily(spec.cidr) === 6
  checks.require(
    !RESERVED.some((range) => overlaps(range, spec.cidr)),
    'spec.cidr',
    spec.cidr,
    `IP pool range overlaps with ${isIpv6 ? 'IPv6 Link Local range fe80::/10' : 'IPv4 Link Local range 169.254.0.0/16'}`,
  )
  checks.require(
    !isIpv6 || spec.ipipMode === 'Never',
    'spec.ipipMode',
    spec.ipipMode,
    'IPIP is not supported on an IPv6 IP pool',
  )
  checks.require(
    spec.disabled === true || prefixLength(spec.cidr) <= spec.blockSize,
    'spec.cidr',
    spec.cidr,
    'IP pool size is too small for use with Calico IPAM. It must be equal to or greater than the block size.',
  )
}

interface Pool {
  readonly metadata: { readonly name: string }
  readonly spec: z.output<typeof ipPoolSpec>
}

/** Pools do not share addresses. */
function checkIpPoolAmongOthers(checks: Checks, pool: Pool, others: readonly Pool[]): void {
  const { cidr } = pool.spec
  const { name } = pool.metadata
  for (const other of others) {
    checks.require(
      other.metadata.name === name || !overlaps(cidr, other.spec.cidr),
      'spec.cidr',
      cidr,
      `IPPool(${name}) CIDR overlaps with IPPool(${other.metadata.name}) CIDR ${other.spec.cidr}`,
    )
  }
}

/** What addresses that were given out depend on stays. */
function checkIpPoolChange(checks: Checks, before: Pool, { spec }: Pool): void {
  const { cidr, blockSize } = before.spec
  checks.require(spec.cidr === cidr, 'spec.cidr', spec.cidr, 'IPPool CIDR cannot be modified')
  checks.require(
    spec.blockSize === blockSize,
    'spec.blockSize',
    spec.blockSize,
    'IPPool BlockSize cannot be modified',
  )
}

export const ipPool: KindDefinition<'IPPool'> = {
  plural: 'ippools',
  aliases: ['ipp', 'ipps', 'pool', 'pools'],
  namespaced: false,
  spec: ipPoolSpec,
  check: checkIpPool,
  checkAmong: checkIpPoolAmongOthers,
  checkChange: checkIpPoolChange,
  uses: {
    cidr: 'obeyed',
    vxlanMode: 'obeyed',
    ipipMode: 'obeyed',
    natOutgoing: 'obeyed',
    disabled: 'obeyed',
    disableBGPExport: 'obeyed',
    blockSize: 'obeyed',
    nodeSelector: 'obeyed',
    namespaceSelector: 'obeyed',
    allowedUses: 'obeyed',
    assignmentMode: 'obeyed',
  },
  kept: ['status'],
  columns: [
    nameColumn,
    { header: 'CIDR', value: ({ spec }) => spec.cidr },
    { header: 'SELECTOR', value: ({ spec }) => spec.nodeSelector },
  ],
  wideColumns: [
    nameColumn,
    { header: 'CIDR', value: ({ spec }) => spec.cidr },
    { header: 'NAT', value: ({ spec }) => String(spec.natOutgoing ?? false) },
    { header: 'IPIPMODE', value: ({ spec }) => spec.ipipMode },
    { header: 'VXLANMODE', value: ({ spec }) => spec.vxlanMode },
    { header: 'DISABLED', value: ({ spec }) => String(spec.disabled ?? false) },
    { header: 'DISABLEBGPEXPORT', value: ({ spec }) => String(spec.disableBGPExport ?? false) },
    { header: 'SELECTOR', value: ({ spec }) => spec.nodeSelector },
    { header: 'ASSIGNMENTMODE', value: ({ spec }) => spec.assignmentMode },
  ],
}
