import { type ClusterProblem, clusterProblem, type Derived } from '../../model/cluster-problem.ts'
import { identifierOf, type Node } from '../../model/resource.ts'
import type { IpAddress } from '../../net/ip-address.ts'
import { type Prefix, prefixAddress } from '../../net/prefix.ts'
import type { DatedResource } from './kind-rows.ts'
import { ownPrefixesOf, type TunnelClaim, tunnelClaims } from './node-addresses.ts'

/**
 * Nodes of which no two have one address: a node that claims that of an older one does not count. One that
 * claims the address of an older one's end of a tunnel counts, and is named.
 *
 * @param rows the oldest first
 */
export function uniqueNodes(rows: readonly DatedResource<'Node'>[]): Derived<readonly Node[]> {
  const owners = new Map<Prefix, Node>()
  const tunnelOwners = new Map<IpAddress, Node>()
  const problems: ClusterProblem[] = []
  const value: Node[] = []
  for (const { resource } of rows) {
    // Without a list of its own for each of a thousand nodes, at every change of one of them.
    const { 4: ipv4, 6: ipv6 } = ownPrefixesOf(resource)
    const isTaken = (claim: Prefix | undefined): claim is Prefix =>
      claim !== undefined && owners.has(claim)
    const taken = isTaken(ipv4) ? ipv4 : isTaken(ipv6) ? ipv6 : undefined
    if (taken === undefined) {
      value.push(resource)
      if (ipv4 !== undefined) owners.set(ipv4, resource)
      if (ipv6 !== undefined) owners.set(ipv6, resource)
      for (const claim of tunnelClaims(resource)) {
        const owner = tunnelOwners.get(claim.address)
        if (owner === undefined) tunnelOwners.set(claim.address, resource)
        else if (owner !== resource) problems.push(sharedTunnelAddress(resource, claim, owner))
      }
    } else problems.push(contradiction(resource, taken, owners.get(taken)!))
  }
  return { value, problems }
}

function contradiction(node: Node, claim: Prefix, owner: Node): ClusterProblem {
  const family = claim.includes(':') ? 6 : 4
  return clusterProblem(identifierOf('Node', node.metadata.name), {
    field: `spec.bgp.ipv${family}Address`,
    value: prefixAddress(claim),
    expected: expectedBeside(owner),
    effect: 'the node does not count',
  })
}

const TUNNEL_EFFECTS: Readonly<Record<TunnelClaim['field'], string>> = {
  'spec.bgp.ipv4IPIPTunnelAddr':
    'what the node itself sends through the tunnel may be answered to the other',
  'spec.ipv4VXLANTunnelAddr': 'its end of the tunnel does not count',
}

function sharedTunnelAddress(
  node: Node,
  { field, address }: TunnelClaim,
  owner: Node,
): ClusterProblem {
  return clusterProblem(identifierOf('Node', node.metadata.name), {
    field,
    value: address,
    expected: expectedBeside(owner),
    effect: TUNNEL_EFFECTS[field],
  })
}

function expectedBeside(owner: Node): string {
  return `expected an address of its own, and ${identifierOf('Node', owner.metadata.name)}, which is older, has it`
}
