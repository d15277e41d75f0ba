import { z } from 'zod'
import type { Checks } from './checks.ts'
import { loose } from './loose.ts'
import type { Metadata } from './metadata.ts'

const cidrs = z.array(loose({ cidr: z.string() })).optional()

/** A reference to a key of a Kubernetes secret. */
export const secretReference = loose({
  secretKeyRef: loose({ name: z.string().optional(), key: z.string() }).optional(),
})

/** BGP of all nodes ("default") or of one ("node.<name>"). Absent fields: {@link BGP_DEFAULTS}. */
export const bgpConfigurationSpec = loose({
  logSeverityScreen: z.string().optional(),
  nodeToNodeMeshEnabled: z.boolean().optional(),
  asNumber: z.number().optional(),
  serviceLoadBalancerIPs: cidrs,
  serviceExternalIPs: cidrs,
  serviceClusterIPs: cidrs,
  /** Absent: Enabled. */
  serviceLoadBalancerAggregation: z.enum(['Enabled', 'Disabled']).optional(),
  communities: z
    .array(loose({ name: z.string().optional(), value: z.string().optional() }))
    .optional(),
  prefixAdvertisements: z
    .array(loose({ cidr: z.string(), communities: z.array(z.string()).optional() }))
    .optional(),
  listenPort: z.number().optional(),
  nodeMeshPassword: secretReference.optional(),
  nodeMeshMaxRestartTime: z.string().optional(),
  bindMode: z.enum(['None', 'NodeIP']).optional(),
  ignoredInterfaces: z.array(z.string()).optional(),
})

/** One range, community or advertisement that is wrong takes no other with it. */
export const BGP_CONFIGURATION_PARTS = [
  'serviceLoadBalancerIPs',
  'serviceExternalIPs',
  'serviceClusterIPs',
  'communities',
  'prefixAdvertisements',
  'ignoredInterfaces',
].flatMap((list) => [`spec.${list}`, `spec.${list}.*`])

export const BGP_DEFAULTS = {
  asNumber: 64512,
  nodeToNodeMeshEnabled: true,
  listenPort: 179,
  nodeMeshMaxRestartTimeSeconds: 120,
} as const

export function checkBgpConfiguration(
  checks: Checks,
  { metadata, spec }: { metadata: Metadata; spec: z.infer<typeof bgpConfigurationSpec> },
): void {
  const forNode = metadata.name.startsWith('node.')
  checks.require(
    metadata.name === 'default' || forNode,
    'metadata.name',
    metadata.name,
    'expected "default" or "node.<name of a node>"',
  )
  checks.require(
    !forNode || spec.nodeToNodeMeshEnabled === undefined,
    'spec.nodeToNodeMeshEnabled',
    spec.nodeToNodeMeshEnabled,
    'the node-to-node mesh can be set only in the BGPConfiguration "default"',
  )
  checks.asNumber('spec.asNumber', spec.asNumber)
  checks.integer('spec.listenPort', spec.listenPort, 1, 65535)
  for (const list of [
    'serviceLoadBalancerIPs',
    'serviceExternalIPs',
    'serviceClusterIPs',
  ] as const) {
    for (const [at, { cidr }] of (spec[list] ?? []).entries()) {
      checks.prefix(`spec.${list}[${at}].cidr`, cidr)
    }
  }
  for (const [at, { cidr }] of (spec.prefixAdvertisements ?? []).entries()) {
    checks.prefix(`spec.prefixAdvertisements[${at}].cidr`, cidr)
  }
  for (const [at, { value }] of (spec.communities ?? []).entries()) {
    checks.require(
      value !== undefined && /^\d{1,10}(:\d{1,10}){1,2}$/.test(value),
      `spec.communities[${at}].value`,
      value,
      'expected a community aa:nn or a large community aa:nn:mm',
    )
  }
}
