import { createHash } from 'node:crypto'
import type { Node } from '../model/resource.ts'
import type { IpAddress } from '../net/ip-address.ts'
import { type MacAddress, macFromOctets, parseMacAddress } from '../net/mac-address.ts'
import type { RemoteNode } from '../routes/encapsulation.ts'
import * as vxlan from '../wire/packet/vxlan.ts'
import { nodeAddress } from './bgp-configuration.ts'
import type { ClusterView } from './cluster-view.ts'

/** FelixConfiguration vxlanVNI where it says nothing. */
const DEFAULT_VNI = 4096

/** vxlan.calico as it should be. */
export interface VxlanDevice {
  /** Octets of a packet inside the tunnel. */
  readonly mtu: number
  readonly vni: number
  /** UDP port. */
  readonly port: number
  readonly macAddress: MacAddress
  /** The node's own address in the pod network; undefined while it has none. */
  readonly address: IpAddress | undefined
  /** The node's own address outside. */
  readonly localAddress: IpAddress
}

/** A node's end of the tunnel (VXLAN tunnel end point); without an address of its own it cannot be reached. */
export interface TunnelEnd extends RemoteNode {
  readonly macAddress: MacAddress
}

/** Whether any pool, disabled ones included, may send packets through VXLAN (Felix: vxlanEnabled auto). */
export function usesVxlan(view: ClusterView): boolean {
  const forced = view.get('FelixConfiguration', 'default')?.spec.vxlanEnabled
  if (forced !== undefined) return forced
  return view.list('IPPool').some(({ spec }) => spec.vxlanMode !== 'Never')
}

/** vxlan.calico as it should be where it is used; undefined where the node has no address. */
export function vxlanDevice(
  view: ClusterView,
  options: {
    readonly node: string
    readonly address: IpAddress | undefined
    readonly localAddress: IpAddress | undefined
    readonly uplinkMtu: number
  },
): VxlanDevice | undefined {
  const { node, address, localAddress, uplinkMtu } = options
  if (localAddress === undefined) return undefined
  const { vxlanMTU = 0, vxlanVNI, vxlanPort } = felix(view)
  return {
    mtu: vxlanMTU > 0 ? vxlanMTU : uplinkMtu - vxlan.OVERHEAD_OCTETS,
    vni: vxlanVNI ?? DEFAULT_VNI,
    port: vxlanPort ?? vxlan.PORT,
    macAddress: vtepMac(node, view.get('Node', node)),
    address,
    localAddress,
  }
}

function felix(view: ClusterView) {
  return view.get('FelixConfiguration', 'default')?.spec ?? {}
}

/** The MAC address that a node has written, or else the one that follows from its name, as in Felix. */
export function vtepMac(name: string, node: Node | undefined): MacAddress {
  const written = parseMacAddress(node?.spec.vxlanTunnelMACAddr ?? '')
  if (written !== undefined) return written
  const digest = createHash('sha1').update(name).digest()
  return macFromOctets(Uint8Array.of(0x66, ...digest.subarray(0, 5)))
}

/** A node as VXLAN sees it; undefined for one without an address. */
export function tunnelEnd(node: Node): TunnelEnd | undefined {
  const address = nodeAddress(node)?.address
  if (address === undefined) return undefined
  const tunnelAddress = node.spec.ipv4VXLANTunnelAddr as IpAddress | undefined
  return { address, tunnelAddress, macAddress: vtepMac(node.metadata.name, node) }
}
