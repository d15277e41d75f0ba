import { type ClusterProblem, clusterProblem, type Derived } from '../../model/cluster-problem.ts'
import { identifierOf, type Node } from '../../model/resource.ts'
import { type Prefix, prefixAddress } from '../../net/prefix.ts'
import type { DatedResource } from './kind-rows.ts'
import { ownPrefixesOf } from './node-addresses.ts'

/**
 * Nodes of which no two have one address: a node that claims that of an older one does not count.
 *
 * @param rows the oldest first
 */
export function uniqueNodes(rows: readonly DatedResource<'Node'>[]): Derived<readonly Node[]> {
  const owners = new Map<Prefix, Node>()
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
    } else problems.push(contradiction(resource, taken, owners.get(taken)!))
  }
  return { value, problems }
}

function contradiction(node: Node, claim: Prefix, owner: Node): ClusterProblem {
  const family = claim.includes(':') ? 6 : 4
  return clusterProblem(identifierOf('Node', node.metadata.name), {
    field: `spec.bgp.ipv${family}Address`,
    value: prefixAddress(claim),
    expected: `expected an address of its own, and ${identifierOf('Node', owner.metadata.name)}, which is older, has it`,
    effect: 'the node does not count',
  })
}
