import * as z from 'zod'
import type { Checks } from './checks.ts'
import { isCommunity } from './community.ts'
import { asNumber, cidrOrAddress, community, port } from './fields.ts'
import { loose } from './loose.ts'
import type { Metadata } from './metadata.ts'
import { checkPrefixLimit } from './prefix-limit.ts'
import { nameColumn, orDash } from './column.ts'
import { specFields } from './kept-fields.ts'
import type { KindDefinition } from './kind-definition.ts'

const cidrs = z.array(loose({ cidr: cidrOrAddress() })).optional()

/** A reference to a key of a Kubernetes secret. */
export const secretReference = loose({
  secretKeyRef: loose({ name: z.string().optional(), key: z.string() }).optional(),
})

const fields = loose({
  logSeverityScreen: z.string().optional(),
  nodeToNodeMeshEnabled: z.boolean().optional(),
  asNumber: asNumber.optional(),
  serviceLoadBalancerIPs: cidrs,
  serviceExternalIPs: cidrs,
  serviceClusterIPs: cidrs,
  /** Absent: Enabled. */
  serviceLoadBalancerAggregation: z.enum(['Enabled', 'Disabled']).optional(),
  communities: z.array(loose({ name: z.string().min(1), value: community })).optional(),
  /** Communities are values, or names out of `communities`. */
  prefixAdvertisements: z
    .array(loose({ cidr: cidrOrAddress(), communities: z.array(z.string()).optional() }))
    .optional(),
  listenPort: port.optional(),
  nodeMeshPassword: secretReference.optional(),
  nodeMeshMaxRestartTime: z.string().optional(),
  bindMode: z.enum(['None', 'NodeIP']).optional(),
  ignoredInterfaces: z.array(z.string()).optional(),
})

type Spec = z.infer<typeof fields>

/** BGP of all nodes ("default") or of one ("node.<name>"). Absent fields: {@link BGP_DEFAULTS}. */
export const bgpConfigurationSpec = fields.superRefine((spec, context) => {
  const names = new Set((spec.communities ?? []).map(({ name }) => name))
  for (const [at, { communities = [] }] of (spec.prefixAdvertisements ?? []).entries()) {
    for (const [index, text] of communities.entries()) {
      if (isCommunity(text) || names.has(text)) continue
      context.addIssue({
        code: 'custom',
        input: text,
        path: ['prefixAdvertisements', at, 'communities', index],
        message: 'expected a community aa:nn or aa:nn:mm, or the name of one in spec.communities',
      })
    }
  }
})

const SERVICE_RANGES = [
  'serviceLoadBalancerIPs',
  'serviceExternalIPs',
  'serviceClusterIPs',
] as const

/** One range, community or advertisement that is wrong takes no other with it. */
const BGP_CONFIGURATION_PARTS = [
  ...SERVICE_RANGES,
  'communities',
  'prefixAdvertisements',
  'ignoredInterfaces',
]
  .flatMap((list) => [`spec.${list}`, `spec.${list}.*`])
  .concat('spec.logSeverityScreen', 'spec.nodeMeshMaxRestartTime')

export const BGP_DEFAULTS = {
  asNumber: 64512,
  nodeToNodeMeshEnabled: true,
  listenPort: 179,
  nodeMeshMaxRestartTimeSeconds: 120,
} as const

function checkBgpConfiguration(
  checks: Checks,
  { metadata, spec }: { metadata: Metadata; spec: Spec },
  document: { readonly spec: Partial<Record<keyof Spec, unknown>> },
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
  checkPrefixLimit(checks, metadata)
  for (const list of [...SERVICE_RANGES, 'prefixAdvertisements'] as const) {
    checks.noHostBitsIn(`spec.${list}`, document.spec[list], 'cidr')
  }
}

export const bgpConfiguration: KindDefinition<'BGPConfiguration'> = {
  plural: 'bgpconfigurations',
  aliases: ['bgpconfig', 'bgpconfigs'],
  namespaced: false,
  spec: bgpConfigurationSpec,
  parts: BGP_CONFIGURATION_PARTS,
  check: checkBgpConfiguration,
  uses: {
    logSeverityScreen: 'kept',
    nodeToNodeMeshEnabled: 'obeyed',
    asNumber: 'obeyed',
    serviceLoadBalancerIPs: 'obeyed',
    serviceExternalIPs: 'obeyed',
    serviceClusterIPs: 'obeyed',
    serviceLoadBalancerAggregation: 'obeyed',
    communities: 'obeyed',
    prefixAdvertisements: 'obeyed',
    listenPort: 'obeyed',
    nodeMeshPassword: 'kept',
    nodeMeshMaxRestartTime: 'kept',
    bindMode: 'obeyed',
    ignoredInterfaces: 'kept',
  },
  kept: specFields(`
    ipv4NormalRoutePriority ipv6NormalRoutePriority localWorkloadPeeringIPV4
    localWorkloadPeeringIPV6 programClusterRoutes nodeMeshPassword.secretKeyRef.optional
  `),
  columns: [
    nameColumn,
    { header: 'LOGSEVERITY', value: ({ spec }) => orDash(spec.logSeverityScreen) },
    { header: 'MESHENABLED', value: ({ spec }) => orDash(spec.nodeToNodeMeshEnabled) },
    { header: 'ASNUMBER', value: ({ spec }) => orDash(spec.asNumber) },
  ],
}
