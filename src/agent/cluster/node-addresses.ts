import { shareEqual } from '../../lib/share-equal.ts'
import type { LinkAddress } from '../../kernel/kernel.ts'
import type { Node } from '../../model/resource.ts'
import { type Family, familyOf, type IpAddress } from '../../net/ip-address.ts'
import {
  hostPrefix,
  type InterfaceAddress,
  interfaceAddress,
  type InterfaceAddressText,
  type Prefix,
} from '../../net/prefix.ts'

/** The node's own IPv4 address with the length of its network. */
export function nodeAddress(node: Node): InterfaceAddress | undefined {
  const text = node.spec.bgp?.ipv4Address
  if (text === undefined) return undefined
  const own = interfaceAddress(text)
  return familyOf(own.address) === 4 ? own : undefined
}

/** Addresses by which others know a node, each as a prefix; undefined while it has none of a family. */
type OwnPrefixes = Readonly<Record<Family, Prefix | undefined>> & {
  readonly claims: readonly string[]
}

/** An address of a node's end of a tunnel, in the pod network, and the field that says so. */
export interface TunnelClaim {
  readonly field: 'spec.bgp.ipv4IPIPTunnelAddr' | 'spec.ipv4VXLANTunnelAddr'
  readonly address: IpAddress
}

/** The addresses of a node's ends of tunnels: each of no other node, whatever the tunnel. */
export function tunnelClaims({ spec }: Node): readonly TunnelClaim[] {
  const claims: TunnelClaim[] = []
  const [ipip, vxlan] = [spec.bgp?.ipv4IPIPTunnelAddr, spec.ipv4VXLANTunnelAddr]
  if (ipip !== undefined) claims.push({ field: 'spec.bgp.ipv4IPIPTunnelAddr', address: ipip })
  if (vxlan !== undefined) claims.push({ field: 'spec.ipv4VXLANTunnelAddr', address: vxlan })
  return claims
}

/** What Nodes say, read once for all agents of a process that are told of the same ones. */
const KNOWN_PREFIXES = new WeakMap<Node, OwnPrefixes>()

/** The addresses by which nodes know one, by family. */
export function ownPrefixesOf(node: Node): OwnPrefixes {
  let own = KNOWN_PREFIXES.get(node)
  if (own === undefined) {
    const { ipv4Address, ipv6Address } = node.spec.bgp ?? {}
    const prefixes = [ownPrefix(ipv4Address), ownPrefix(ipv6Address)] as const
    const tunnels = new Set(tunnelClaims(node).map(({ address }) => `tunnel ${address}`))
    const claims = [...prefixes.filter((prefix) => prefix !== undefined), ...tunnels]
    own = { 4: prefixes[0], 6: prefixes[1], claims }
    KNOWN_PREFIXES.set(node, own)
  }
  return own
}

/** What a node claims for itself alone: these addresses, and those of its ends of tunnels. */
export function ownClaims(node: Node): readonly string[] {
  return ownPrefixesOf(node).claims
}

function ownPrefix(text: InterfaceAddressText | undefined): Prefix | undefined {
  return text === undefined ? undefined : hostPrefix(interfaceAddress(text).address)
}

/** As last answered, for all agents of a process whose clusters are the same. */
const LAST_PREFIXES: Record<Family, readonly Prefix[]> = { 4: [], 6: [] }

/** The addresses of one family by which nodes know each other; equal lists are one array. */
export function nodePrefixes(nodes: readonly Node[], family: Family): readonly Prefix[] {
  const prefixes: Prefix[] = []
  for (const node of nodes) {
    const own = ownPrefixesOf(node)[family]
    if (own !== undefined) prefixes.push(own)
  }
  LAST_PREFIXES[family] = shareEqual(LAST_PREFIXES[family], prefixes)
  return LAST_PREFIXES[family]
}

/** The links that have an address, by index: other nodes' packets come in by them. */
export function linksWith(
  addresses: readonly LinkAddress[],
  own: IpAddress | undefined,
): readonly number[] {
  if (own === undefined) return []
  return addresses.flatMap(({ address, linkIndex }) => (address === own ? linkIndex : []))
}
