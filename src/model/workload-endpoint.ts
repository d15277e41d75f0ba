import * as z from 'zod'
import { hostPrefix } from '../net/prefix.ts'
import type { Checks } from './checks.ts'
import { address, hostNetwork, macAddress } from './fields.ts'
import { loose } from './loose.ts'
import type { Metadata } from './metadata.ts'
import { workloadEndpointName } from './workload-endpoint-name.ts'
import { listCell, nameColumn } from './column.ts'
import type { Column, KindDefinition } from './kind-definition.ts'

/** One interface of one workload: for a pod, its eth0. */
export const workloadEndpointSpec = loose({
  /** "k8s", "cni", "libnetwork" or another. */
  orchestrator: z.string().optional(),
  workload: z.string().optional(),
  node: z.string(),
  containerID: z.string().optional(),
  pod: z.string().optional(),
  /** Name of the interface inside the workload. */
  endpoint: z.string().optional(),
  serviceAccountName: z.string().optional(),
  /** Host prefixes: "10.211.0.6/32". */
  ipNetworks: z.array(hostNetwork).optional(),
  ipNATs: z.array(loose({ internalIP: address(), externalIP: address() })).optional(),
  ipv4Gateway: address(4).optional(),
  ipv6Gateway: address(6).optional(),
  profiles: z.array(z.string()).optional(),
  /** Name of the host's end: "cali50914021272". */
  interfaceName: z.string().optional(),
  /** MAC address of the workload's end. */
  mac: macAddress.optional(),
  ports: z
    .array(
      loose({
        name: z.string().optional(),
        protocol: z.union([z.string(), z.number()]).optional(),
        port: z.number(),
        hostPort: z.number().optional(),
        hostIP: z.string().optional(),
      }),
    )
    .optional(),
  allowSpoofedSourcePrefixes: z.array(z.string()).optional(),
})

type Spec = z.infer<typeof workloadEndpointSpec>

/** What an endpoint can do without: all but where it is and which addresses it has. */
const WORKLOAD_ENDPOINT_PARTS = [
  'spec.ipNetworks.*',
  'spec.ipNATs',
  'spec.ipNATs.*',
  'spec.ipv4Gateway',
  'spec.ipv6Gateway',
  'spec.profiles',
  'spec.mac',
  'spec.ports',
  'spec.ports.*',
  'spec.serviceAccountName',
  'spec.allowSpoofedSourcePrefixes',
]

/** The name that the identifiers in `spec` demand; throws RangeError if one is missing. */
export function workloadEndpointNameOf(spec: Spec): string {
  const { node, orchestrator = '', endpoint = '' } = spec
  const third = {
    k8s: spec.pod,
    cni: spec.containerID,
    libnetwork: 'libnetwork',
  }[orchestrator]
  const workload = third ?? spec.workload ?? ''
  return workloadEndpointName(node, orchestrator, workload, endpoint)
}

/** Gives the name if it is missing, and the two labels that every endpoint carries. */
function completeWorkloadEndpoint(endpoint: { metadata: Metadata; spec: Spec }): void {
  const { metadata, spec } = endpoint
  if (metadata.name === '') {
    try {
      metadata.name = workloadEndpointNameOf(spec)
    } catch {
      // The check of the name tells what is missing.
    }
  }
  metadata.labels = {
    ...metadata.labels,
    'projectcalico.org/namespace': metadata.namespace ?? '',
    'projectcalico.org/orchestrator': spec.orchestrator ?? '',
  }
}

function checkWorkloadEndpoint(
  checks: Checks,
  { metadata, spec }: { metadata: Metadata; spec: Spec },
): void {
  checkName(checks, metadata, spec)
  checks.interfaceName('spec.interfaceName', spec.interfaceName)
  checks.require(
    spec.containerID === undefined ||
      /^([a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?)?$/.test(spec.containerID),
    'spec.containerID',
    spec.containerID,
    'expected letters, digits and "-", beginning and ending alphanumerically',
  )
  for (const [at, { internalIP }] of (spec.ipNATs ?? []).entries()) {
    const isOwn = spec.ipNetworks?.includes(hostPrefix(internalIP)) ?? false
    const expected = 'expected one of spec.ipNetworks'
    checks.require(isOwn, `spec.ipNATs[${at}].internalIP`, internalIP, expected)
  }
}

function checkName(checks: Checks, metadata: Metadata, spec: Spec): void {
  try {
    const expected = workloadEndpointNameOf(spec)
    checks.require(
      metadata.name === expected,
      'metadata.name',
      metadata.name,
      `the WorkloadEndpoint name does not match the primary identifiers assigned in the Spec: expected name ${expected}`,
    )
  } catch (thrown) {
    checks.require(false, 'spec', undefined, (thrown as Error).message)
  }
}

const COLUMNS: readonly Column<'WorkloadEndpoint'>[] = [
  { header: 'WORKLOAD', value: ({ spec }) => spec.workload || spec.pod || '' },
  { header: 'NODE', value: ({ spec }) => spec.node },
  { header: 'NETWORKS', value: ({ spec }) => listCell(spec.ipNetworks) },
  { header: 'INTERFACE', value: ({ spec }) => spec.interfaceName ?? '' },
]

export const workloadEndpoint: KindDefinition<'WorkloadEndpoint'> = {
  plural: 'workloadendpoints',
  aliases: ['wep', 'weps'],
  namespaced: true,
  spec: workloadEndpointSpec,
  parts: WORKLOAD_ENDPOINT_PARTS,
  complete: completeWorkloadEndpoint,
  check: checkWorkloadEndpoint,
  uses: {
    orchestrator: 'obeyed',
    workload: 'obeyed',
    node: 'obeyed',
    containerID: 'obeyed',
    pod: 'obeyed',
    endpoint: 'obeyed',
    serviceAccountName: 'kept',
    ipNetworks: 'obeyed',
    ipNATs: 'kept',
    ipv4Gateway: 'kept',
    ipv6Gateway: 'kept',
    profiles: 'kept',
    interfaceName: 'obeyed',
    mac: 'kept',
    ports: 'kept',
    allowSpoofedSourcePrefixes: 'kept',
  },
  kept: ['spec.qosControls'],
  columns: COLUMNS,
  wideColumns: [
    nameColumn,
    ...COLUMNS,
    { header: 'PROFILES', value: ({ spec }) => listCell(spec.profiles) },
    {
      header: 'NATS',
      value: ({ spec }) =>
        listCell(spec.ipNATs?.map(({ internalIP, externalIP }) => `${internalIP}/${externalIP}`)),
    },
  ],
}
