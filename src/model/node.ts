import { z } from 'zod'
import type { Checks } from './checks.ts'
import { loose } from './loose.ts'

/** A host that routes for its pods. */
export const nodeSpec = loose({
  bgp: loose({
    /** Absent: that of the default BGPConfiguration. */
    asNumber: z.number().optional(),
    /** With prefix length, "172.16.170.128/24": its network decides CrossSubnet. */
    ipv4Address: z.string().optional(),
    ipv6Address: z.string().optional(),
    /** Address of tunl0, without length. */
    ipv4IPIPTunnelAddr: z.string().optional(),
    /** Dotted; set on route reflectors, which leave the mesh. */
    routeReflectorClusterID: z.string().optional(),
  }).optional(),
  ipv4VXLANTunnelAddr: z.string().optional(),
  vxlanTunnelMACAddr: z.string().optional(),
  ipv6VXLANTunnelAddr: z.string().optional(),
  vxlanTunnelMACAddrV6: z.string().optional(),
  orchRefs: z
    .array(loose({ nodeName: z.string().optional(), orchestrator: z.string() }))
    .optional(),
  wireguard: loose({
    interfaceIPv4Address: z.string().optional(),
    interfaceIPv6Address: z.string().optional(),
  }).optional(),
  addresses: z.array(loose({ address: z.string(), type: z.string().optional() })).optional(),
  interfaces: z
    .array(loose({ name: z.string(), addresses: z.array(z.string()).optional() }))
    .optional(),
})

export const nodeStatus = loose({
  wireguardPublicKey: z.string().optional(),
  wireguardPublicKeyV6: z.string().optional(),
  /** The blocks that Kubernetes gave the node, used where IPAM is host-local. */
  podCIDRs: z.array(z.string()).optional(),
})

export function checkNode(
  checks: Checks,
  {
    spec,
    status,
  }: { spec: z.infer<typeof nodeSpec>; status?: z.infer<typeof nodeStatus> | undefined },
): void {
  const { bgp } = spec
  if (bgp !== undefined) {
    checks.require(Object.keys(bgp).length > 0, 'spec.bgp', bgp, 'Spec.BGP should not be empty')
    checks.asNumber('spec.bgp.asNumber', bgp.asNumber)
    checks.interfaceAddress('spec.bgp.ipv4Address', bgp.ipv4Address, 4)
    checks.interfaceAddress('spec.bgp.ipv6Address', bgp.ipv6Address, 6)
    checks.ipAddress('spec.bgp.ipv4IPIPTunnelAddr', bgp.ipv4IPIPTunnelAddr, 4)
    checks.ipAddress('spec.bgp.routeReflectorClusterID', bgp.routeReflectorClusterID, 4)
  }
  checks.ipAddress('spec.ipv4VXLANTunnelAddr', spec.ipv4VXLANTunnelAddr, 4)
  checks.ipAddress('spec.ipv6VXLANTunnelAddr', spec.ipv6VXLANTunnelAddr, 6)
  for (const [at, { address }] of (spec.addresses ?? []).entries()) {
    if (address.includes('/')) checks.interfaceAddress(`spec.addresses[${at}].address`, address)
    else checks.ipAddress(`spec.addresses[${at}].address`, address)
  }
  for (const [at, cidr] of (status?.podCIDRs ?? []).entries()) {
    checks.prefix(`status.podCIDRs[${at}]`, cidr)
  }
}
