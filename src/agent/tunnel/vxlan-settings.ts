import { createHash } from 'node:crypto'
import type { EncapsulationMode } from '../../model/ip-pool.ts'
import type { IPPool, Node } from '../../model/resource.ts'
import type { IpAddress } from '../../net/ip-address.ts'
import { type MacAddress, macFromOctets } from '../../net/mac-address.ts'
import type { RemoteNode } from '../../routes/encapsulation.ts'
import * as vxlan from '../../wire/packet/vxlan.ts'
import type { ViewOf } from '../cluster/derived.ts'
import { felixParameter } from '../cluster/felix-parameter.ts'
import { nodeAddress } from '../cluster/node-addresses.ts'

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

/**
 * The mode of a pool as the agent serves it: IPv6 goes bare, since there is no vxlan-v6.calico here.
 */
export function vxlanModeOf({ spec }: IPPool): EncapsulationMode {
  return spec.cidr.includes(':') ? 'Never' : spec.vxlanMode
}

/** Whether any pool, disabled ones included, may send packets through VXLAN (Felix: vxlanEnabled auto). */
export function usesVxlan(view: ViewOf<'FelixConfiguration' | 'IPPool'>, node?: string): boolean {
  const forced = felixParameter(view, node, 'vxlanEnabled')
  return forced ?? view.list('IPPool').some((pool) => vxlanModeOf(pool) !== 'Never')
}

/** vxlan.calico as it should be where it is used; undefined where the node has no address. */
export function vxlanDevice(
  view: ViewOf<'FelixConfiguration' | 'Node'>,
  options: {
    readonly node: string
    readonly address: IpAddress | undefined
    readonly localAddress: IpAddress | undefined
    readonly mtu: number
  },
): VxlanDevice | undefined {
  const { node, address, localAddress, mtu } = options
  if (localAddress === undefined) return undefined
  return {
    mtu,
    vni: felixParameter(view, node, 'vxlanVNI') ?? DEFAULT_VNI,
    port: felixParameter(view, node, 'vxlanPort') ?? vxlan.PORT,
    macAddress: vtepMac(node, view.get('Node', node)),
    address,
    localAddress,
  }
}

/** The MAC address that a node has written, or else the one that follows from its name, as in Felix. */
export function vtepMac(name: string, node: Node | undefined): MacAddress {
  const written = node?.spec.vxlanTunnelMACAddr
  if (written !== undefined) return written
  const digest = createHash('sha1').update(name).digest()
  return macFromOctets(Uint8Array.of(0x66, ...digest.subarray(0, 5)))
}

/** What Nodes say, read once for all agents of a process that are told of the same ones. */
const KNOWN_ENDS = new WeakMap<Node, TunnelEnd>()

/**
 * Ends of the tunnel at other nodes, by name; nodes without an address have none, and one that claims the
 * tunnel address of an older node has none inside.
 */
export function tunnelEnds(
  view: Pick<ViewOf<'Node'>, 'list' | 'listByAge'>,
  self: string,
): ReadonlyMap<string, TunnelEnd> {
  const ends = new Map<string, TunnelEnd>()
  const addresses = new Set<IpAddress>()
  let isShared = false
  for (const node of view.list('Node')) {
    const end = KNOWN_ENDS.get(node) ?? tunnelEnd(node)
    if (end === undefined) continue
    KNOWN_ENDS.set(node, end)
    const { tunnelAddress } = end
    if (tunnelAddress !== undefined) {
      isShared ||= addresses.has(tunnelAddress)
      addresses.add(tunnelAddress)
    }
    if (node.metadata.name !== self) ends.set(node.metadata.name, end)
  }
  // Nodes are put in order of age only where it matters.
  if (isShared) withoutShared(ends, view.listByAge('Node'))
  return ends
}

function withoutShared(ends: Map<string, TunnelEnd>, byAge: readonly Node[]): void {
  const taken = new Set<IpAddress>()
  for (const node of byAge) {
    const { name } = node.metadata
    const address = vxlanTunnelAddressOf(node)
    const end = ends.get(name)
    if (address === undefined) continue
    if (taken.has(address) && end !== undefined)
      ends.set(name, { ...end, tunnelAddress: undefined })
    taken.add(address)
  }
}

/** A node as VXLAN sees it; undefined for one without an address. */
function tunnelEnd(node: Node): TunnelEnd | undefined {
  const address = nodeAddress(node)?.address
  if (address === undefined) return undefined
  const macAddress = vtepMac(node.metadata.name, node)
  return { address, tunnelAddress: vxlanTunnelAddressOf(node), macAddress }
}

/** The address of a node's vxlan.calico; undefined while it has none. */
export function vxlanTunnelAddressOf(node: Node | undefined): IpAddress | undefined {
  return node?.spec.ipv4VXLANTunnelAddr
}
