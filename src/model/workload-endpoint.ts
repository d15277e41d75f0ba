import { z } from 'zod'
import { parseIpAddress } from '../net/ip-address.ts'
import { contains, isHostPrefix, parsePrefix } from '../net/prefix.ts'
import type { Checks } from './checks.ts'
import { loose } from './loose.ts'
import type { Metadata } from './metadata.ts'
import { workloadEndpointName } from './workload-endpoint-name.ts'

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
  ipNetworks: z.array(z.string()).optional(),
  ipNATs: z.array(loose({ internalIP: z.string(), externalIP: z.string() })).optional(),
  ipv4Gateway: z.string().optional(),
  ipv6Gateway: z.string().optional(),
  profiles: z.array(z.string()).optional(),
  /** Name of the host's end: "cali50914021272". */
  interfaceName: z.string().optional(),
  /** MAC address of the workload's end. */
  mac: z.string().optional(),
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
export function completeWorkloadEndpoint(endpoint: { metadata: Metadata; spec: Spec }): void {
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

export function checkWorkloadEndpoint(
  checks: Checks,
  { metadata, spec }: { metadata: Metadata; spec: Spec },
): void {
  checkName(checks, metadata, spec)
  checks.interfaceName('spec.interfaceName', spec.interfaceName)
  const networks = spec.ipNetworks ?? []
  for (const [at, network] of networks.entries()) checkNetwork(checks, at, network)
  checks.ipAddress('spec.ipv4Gateway', spec.ipv4Gateway, 4)
  checks.ipAddress('spec.ipv6Gateway', spec.ipv6Gateway, 6)
  checks.require(
    spec.mac === undefined ||
      spec.mac === '' ||
      /^([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}$/.test(spec.mac),
    'spec.mac',
    spec.mac,
    'expected a MAC address such as 02:42:ac:11:00:02',
  )
  checks.require(
    spec.containerID === undefined ||
      /^([a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?)?$/.test(spec.containerID),
    'spec.containerID',
    spec.containerID,
    'expected letters, digits and "-", beginning and ending alphanumerically',
  )
  for (const [at, { internalIP, externalIP }] of (spec.ipNATs ?? []).entries()) {
    checks.ipAddress(`spec.ipNATs[${at}].externalIP`, externalIP)
    const inside = networks.some((network) => within(network, internalIP))
    checks.require(
      inside,
      `spec.ipNATs[${at}].internalIP`,
      internalIP,
      'expected one of spec.ipNetworks',
    )
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

function checkNetwork(checks: Checks, at: number, network: string): void {
  const field = `spec.ipNetworks[${at}]`
  const prefix = parsePrefix(network)
  if (prefix === undefined)
    checks.require(false, field, network, 'expected an address such as 10.211.0.6/32')
  else
    checks.require(isHostPrefix(prefix), field, network, 'IP network contains multiple addresses')
}

function within(network: string, address: string): boolean {
  const prefix = parsePrefix(network)
  const parsed = parseIpAddress(address)
  return prefix !== undefined && parsed !== undefined && contains(prefix, parsed)
}
