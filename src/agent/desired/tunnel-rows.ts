import { VXLAN_LINK } from '../../routes/ownership.ts'
import { derived } from '../cluster/derived.ts'
import { externalNodes } from '../cluster/external-nodes.ts'
import { withNodes } from '../cluster/settled-nodes.ts'
import type { DesiredSysctls } from '../dataplane/sysctls-reconciler.ts'
import type { DesiredIpip } from '../tunnel/ipip-reconciler.ts'
import { TUNNEL_LINK } from '../tunnel/tunnel-device.ts'
import { hasTunnel, tunnelDevice, tunnelsAnything } from '../tunnel/tunnel-settings.ts'
import type { DesiredVxlan } from '../tunnel/vxlan-reconciler.ts'
import { vxlanDevice, vxlanTunnelAddressOf } from '../tunnel/vxlan-settings.ts'
import type { LocalFacts } from './local-facts.ts'
import type { Pieces, RowRule } from './row-rule.ts'

export function ipipOf(self: string): RowRule<DesiredIpip> {
  const ipip = derived(
    ['IPPool', 'FelixConfiguration'],
    (
      view,
      {
        nodes,
        ownAddress,
        uplinks,
        mtus,
        ipipAddress,
        isUnfiltered,
      }: Pieces<'nodes' | 'ownAddress' | 'uplinks' | 'mtus'> &
        Pick<LocalFacts, 'ipipAddress' | 'isUnfiltered'>,
    ): DesiredIpip => ({
      device: tunnelDevice(view, self, ipipAddress, mtus),
      isUsed: tunnelsAnything(view, self),
      isUnfiltered,
      ownAddress: ownAddress?.address,
      underlays: uplinks,
      nodes,
      externalNodes: externalNodes(view, self),
    }),
  )
  return ({ view, nodes, ownAddress, uplinks, mtus, local: { ipipAddress, isUnfiltered } }) =>
    ipip(view, { nodes, ownAddress, uplinks, mtus, ipipAddress, isUnfiltered })
}

export function vxlanOf(self: string): RowRule<DesiredVxlan> {
  const vxlan = derived(
    ['FelixConfiguration'],
    (
      view,
      {
        ownRow,
        ownAddress,
        uplinks: [uplink],
        mtus,
        ends,
      }: Pieces<'ownRow' | 'ownAddress' | 'uplinks' | 'mtus' | 'ends'>,
    ): DesiredVxlan => ({
      device:
        ends &&
        vxlanDevice(withNodes(view, ownRow), {
          node: self,
          address: vxlanTunnelAddressOf(ownRow[0]),
          localAddress: ownAddress?.address,
          mtu: mtus.vxlan,
        }),
      uplink,
      ends: [...(ends?.values() ?? [])],
    }),
  )
  return ({ view, ownRow, ownAddress, uplinks, mtus, ends }) =>
    vxlan(view, { ownRow, ownAddress, uplinks, mtus, ends })
}

/** A node that takes no tunnelled packets takes none by another link than it answers by. */
export function sysctlsOf(self: string): RowRule<DesiredSysctls> {
  const sysctls = derived(
    ['FelixConfiguration'],
    (
      view,
      {
        links,
        uplinks,
        hasVxlan,
      }: Pieces<'uplinks' | 'hasVxlan'> & Pick<LocalFacts['host'], 'links'>,
    ): DesiredSysctls => {
      const tunnels = [
        ...(hasTunnel(view, self) ? [TUNNEL_LINK] : []),
        ...(hasVxlan ? [VXLAN_LINK] : []),
      ]
      const isUplink = ({ index }: { index: number }): boolean => uplinks.includes(index)
      const forwardingLinks = [...links.filter(isUplink).map(({ name }) => name), ...tunnels]
      return { forwardingLinks, looseLinks: tunnels.length === 0 ? [] : forwardingLinks }
    },
  )
  return ({ view, uplinks, hasVxlan, local: { host } }) =>
    sysctls(view, { links: host.links, uplinks, hasVxlan })
}
