import type { Kernel } from '../kernel/kernel.ts'
import type { Node } from '../model/resource.ts'
import type { IpAddress } from '../net/ip-address.ts'
import {
  hostPrefix,
  type InterfaceAddress,
  parseInterfaceAddress,
  type Prefix,
} from '../net/prefix.ts'

/** The node's own IPv4 address with the length of its network. */
export function nodeAddress(node: Node): InterfaceAddress | undefined {
  const text = node.spec.bgp?.ipv4Address
  return text === undefined ? undefined : parseInterfaceAddress(text)
}

/** The addresses of a node by which others know it, of both families. */
export type AddressesOf = (node: Node) => readonly Prefix[]

/** {@link AddressesOf}, which remembers what it was asked for. */
export function rememberAddresses(): AddressesOf {
  const known = new WeakMap<Node, readonly Prefix[]>()
  return (node) => {
    let prefixes = known.get(node)
    if (prefixes === undefined) {
      const texts = [node.spec.bgp?.ipv4Address, node.spec.bgp?.ipv6Address]
      const addresses = texts.flatMap((text) => parseInterfaceAddress(text ?? '')?.address ?? [])
      known.set(node, (prefixes = addresses.map(hostPrefix)))
    }
    return prefixes
  }
}

/** The links that have an address, by index: other nodes' packets come in by them. */
export function linksWith(kernel: Kernel, own: IpAddress | undefined): readonly number[] {
  if (own === undefined) return []
  return kernel.addresses().flatMap(({ address, linkIndex }) => (address === own ? linkIndex : []))
}
