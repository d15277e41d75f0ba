import * as z from 'zod'
import type { Checks } from './checks.ts'
import { address, asNumber, cidr, addressOnLink, macAddress } from './fields.ts'
import { loose } from './loose.ts'
import { nameColumn } from './column.ts'
import type { KindDefinition, Uses } from './kind-definition.ts'
import type { ResourceOf } from './resource.ts'

const clusterId = address(4).refine((id) => id !== '0.0.0.0', {
  error: 'expected a cluster identifier written as an IPv4 address other than 0.0.0.0',
})

/** A host that routes for its pods. */
export const nodeSpec = loose({
  bgp: loose({
    /** Absent: that of the default BGPConfiguration. */
    asNumber: asNumber.optional(),
    /** With prefix length, "172.16.170.128/24": its network decides CrossSubnet. */
    ipv4Address: addressOnLink(4).optional(),
    ipv6Address: addressOnLink(6).optional(),
    /** Address of tunl0, without length. */
    ipv4IPIPTunnelAddr: address(4).optional(),
    /** Dotted; set on route reflectors, which leave the mesh. */
    routeReflectorClusterID: clusterId.optional(),
  }).optional(),
  ipv4VXLANTunnelAddr: address(4).optional(),
  vxlanTunnelMACAddr: macAddress.optional(),
  ipv6VXLANTunnelAddr: address(6).optional(),
  vxlanTunnelMACAddrV6: macAddress.optional(),
  orchRefs: z
    .array(loose({ nodeName: z.string().optional(), orchestrator: z.string() }))
    .optional(),
  wireguard: loose({
    interfaceIPv4Address: z.string().optional(),
    interfaceIPv6Address: z.string().optional(),
  }).optional(),
  /** Further addresses, with or without prefix length. */
  addresses: z
    .array(
      loose({
        address: z.union([address(), addressOnLink(4), addressOnLink(6)], {
          error: 'expected an IP address, with or without a prefix length',
        }),
        type: z.string().optional(),
      }),
    )
    .optional(),
  interfaces: z
    .array(loose({ name: z.string(), addresses: z.array(z.string()).optional() }))
    .optional(),
})

export const nodeStatus = loose({
  wireguardPublicKey: z.string().optional(),
  wireguardPublicKeyV6: z.string().optional(),
  /** The blocks that Kubernetes gave the node, used where IPAM is host-local. */
  podCIDRs: z.array(cidr).optional(),
})

/**
 * What a node can do without. Where its AS number, its IPv4 address or its cluster identifier is not as it
 * must be, nobody knows what it is.
 */
const NODE_PARTS = [
  'spec.bgp.ipv6Address',
  'spec.bgp.ipv4IPIPTunnelAddr',
  'spec.ipv4VXLANTunnelAddr',
  'spec.vxlanTunnelMACAddr',
  'spec.ipv6VXLANTunnelAddr',
  'spec.vxlanTunnelMACAddrV6',
  'spec.orchRefs',
  'spec.wireguard',
  'spec.addresses',
  'spec.addresses.*',
  'spec.interfaces',
  'status',
  'status.wireguardPublicKey',
  'status.wireguardPublicKeyV6',
  'status.podCIDRs',
  'status.podCIDRs.*',
]

function checkNode(
  checks: Checks,
  { spec: { bgp } }: { spec: z.infer<typeof nodeSpec> },
  { status }: { readonly status?: { readonly podCIDRs?: unknown } | undefined },
): void {
  if (bgp !== undefined) {
    checks.require(Object.keys(bgp).length > 0, 'spec.bgp', bgp, 'Spec.BGP should not be empty')
  }
  checks.noHostBitsIn('status.podCIDRs', status?.podCIDRs)
}

export const node: KindDefinition<'Node'> = {
  plural: 'nodes',
  aliases: ['no'],
  namespaced: false,
  spec: nodeSpec,
  status: nodeStatus,
  parts: NODE_PARTS,
  check: checkNode,
  uses: {
    bgp: {
      asNumber: 'obeyed',
      ipv4Address: 'obeyed',
      ipv6Address: 'obeyed',
      ipv4IPIPTunnelAddr: 'obeyed',
      routeReflectorClusterID: 'obeyed',
    } satisfies Uses<NonNullable<ResourceOf<'Node'>['spec']['bgp']>>,
    ipv4VXLANTunnelAddr: 'obeyed',
    vxlanTunnelMACAddr: 'obeyed',
    ipv6VXLANTunnelAddr: 'kept',
    vxlanTunnelMACAddrV6: 'kept',
    orchRefs: 'kept',
    wireguard: 'kept',
    addresses: 'obeyed',
    interfaces: 'kept',
  },
  columns: [nameColumn],
  wideColumns: [
    nameColumn,
    {
      header: 'ASN',
      value({ spec }, { defaultAsNumber }) {
        const own = spec.bgp?.asNumber
        return own === undefined ? `(${defaultAsNumber ?? 'unknown'})` : String(own)
      },
    },
    { header: 'IPV4', value: ({ spec }) => spec.bgp?.ipv4Address ?? '' },
    { header: 'IPV6', value: ({ spec }) => spec.bgp?.ipv6Address ?? '' },
  ],
}
