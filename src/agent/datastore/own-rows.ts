import type { IPPool, Node } from '../../model/resource.ts'
import type { Prefix } from '../../net/prefix.ts'
import type { PoolEncapsulation } from '../../routes/encapsulation.ts'
import { wentBy } from '../cluster/pool-encapsulations.ts'
import { vtepMac, vxlanTunnelAddressOf } from '../tunnel/vxlan-settings.ts'
import type { OwnRows, OwnTunnel } from './own-rows-reconciler.ts'

export interface OwnRowsInputs {
  readonly own: Node
  readonly pools: readonly IPPool[]
  /** Own blocks that are confirmed. */
  readonly confirmedBlocks: readonly Prefix[]
  readonly formerPools: readonly (readonly PoolEncapsulation[])[]
  /** Whether packets may go through each kind of tunnel. */
  readonly usesIpip: boolean
  readonly usesVxlan: boolean
  /** Whether this node takes packets in VXLAN now. */
  readonly hasVxlanLink: boolean
}

/** What a node should have written about itself. */
export function ownRows(inputs: OwnRowsInputs): OwnRows {
  const { own, pools, confirmedBlocks, formerPools, usesIpip } = inputs
  const { bgp, ipv4VXLANTunnelAddr, vxlanTunnelMACAddr } = own.spec
  const podCidrs = own.status?.podCIDRs ?? []
  const hasIpipAddress = bgp?.ipv4IPIPTunnelAddr !== undefined
  const isToGoBack = hasIpipAddress && pools.every(({ spec }) => spec.ipipMode === 'Never')
  // Until the last node knows that nothing is tunnelled any more, answers come to the address.
  const isHeld = !usesIpip && wentBy('ipipMode', formerPools)
  const hasIpip = !isHeld && (usesIpip || isToGoBack)
  return {
    claims: podCidrs.filter((block) => !confirmedBlocks.includes(block)),
    tunnels: [...vxlanTunnel(inputs), ...(hasIpip ? [{ kind: 'ipip' } as const] : [])],
    isWithoutIpip: !isHeld && !hasIpip,
    inputs: {
      written: [bgp?.ipv4IPIPTunnelAddr, ipv4VXLANTunnelAddr, vxlanTunnelMACAddr],
      labels: own.metadata.labels,
      podCidrs,
      pools: pools.map(({ spec }) => spec),
    },
  }
}

function vxlanTunnel(inputs: OwnRowsInputs): readonly OwnTunnel[] {
  const { own, formerPools, usesVxlan, hasVxlanLink } = inputs
  // Others send as soon as they read of the address: vxlan.calico has to be there before.
  if (usesVxlan && !hasVxlanLink) return []
  // Until the last node knows that there is none any more, packets come to the address.
  if (!usesVxlan && wentBy('vxlanMode', formerPools)) return []
  if (!usesVxlan && vxlanTunnelAddressOf(own) === undefined) return []
  return [{ kind: 'vxlan', macAddress: vtepMac(own.metadata.name, own) }]
}
