import { z } from 'zod'
import { overlaps, parsePrefix, prefix, prefixFamily, prefixLength } from '../net/prefix.ts'
import type { Checks } from './checks.ts'
import { loose } from './loose.ts'

const mode = z.enum(['Never', 'Always', 'CrossSubnet'])
export type EncapsulationMode = z.infer<typeof mode>

const fields = loose({
  cidr: z.string(),
  vxlanMode: mode.default('Never'),
  ipipMode: mode.default('Never'),
  natOutgoing: z.boolean().optional(),
  disabled: z.boolean().optional(),
  disableBGPExport: z.boolean().optional(),
  /** Prefix length of a block; absent: 26, or 122 for IPv6. */
  blockSize: z.number(),
  nodeSelector: z.string().default('all()'),
  namespaceSelector: z.string().optional(),
  allowedUses: z
    .array(z.enum(['Workload', 'Tunnel', 'LoadBalancer']))
    .default(['Workload', 'Tunnel']),
  assignmentMode: z.enum(['Automatic', 'Manual']).default('Automatic'),
})

/** A range of addresses out of which nodes claim blocks. */
export const ipPoolSpec = z.preprocess(withDefaults, fields)

/** Calico's defaults hold for empty values too, and the size of blocks depends on the family. */
function withDefaults(input: unknown): unknown {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) return input
  const spec: Record<string, unknown> = { ...input }
  for (const key of ['vxlanMode', 'ipipMode', 'nodeSelector', 'assignmentMode']) {
    if (spec[key] === '') delete spec[key]
  }
  if (spec['blockSize'] === undefined || spec['blockSize'] === 0) {
    spec['blockSize'] = String(spec['cidr']).includes(':') ? 122 : 26
  }
  return spec
}

const RESERVED = [prefix('169.254.0.0/16'), prefix('fe80::/10')]

export function checkIpPool(checks: Checks, { spec }: { spec: z.infer<typeof fields> }): void {
  const cidr = parsePrefix(spec.cidr)
  checks.prefix('spec.cidr', spec.cidr)
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
  checks.selector('spec.nodeSelector', spec.nodeSelector)
  checks.selector('spec.namespaceSelector', spec.namespaceSelector)
  if (cidr === undefined) return
  const ipv6 = prefixFamily(cidr) === 6
  checks.require(
    !RESERVED.some((range) => overlaps(range, cidr)),
    'spec.cidr',
    spec.cidr,
    `IP pool range overlaps with ${ipv6 ? 'IPv6 Link Local range fe80::/10' : 'IPv4 Link Local range 169.254.0.0/16'}`,
  )
  checks.require(
    !ipv6 || spec.ipipMode === 'Never',
    'spec.ipipMode',
    spec.ipipMode,
    'IPIP is not supported on an IPv6 IP pool',
  )
  checks.integer('spec.blockSize', spec.blockSize, ipv6 ? 116 : 20, ipv6 ? 128 : 32)
  checks.require(
    spec.disabled === true || prefixLength(cidr) <= spec.blockSize,
    'spec.cidr',
    spec.cidr,
    'IP pool size is too small for use with Calico IPAM. It must be equal to or greater than the block size.',
  )
}
