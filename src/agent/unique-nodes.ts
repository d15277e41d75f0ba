import { type ClusterProblem, clusterProblem, type Derived } from '../model/cluster-problem.ts'
import { identifierOf, type Node } from '../model/resource.ts'
import { type Prefix, prefixAddress } from '../net/prefix.ts'
import type { DatedResource } from './cluster-view.ts'
import { nodePrefixes } from './node-addresses.ts'

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
    const claims = FAMILIES.flatMap((family) => nodePrefixes([resource], family))
    const taken = claims.find((claim) => owners.has(claim))
    if (taken === undefined) {
      value.push(resource)
      for (const claim of claims) owners.set(claim, resource)
    } else problems.push(contradiction(resource, taken, owners.get(taken)!))
  }
  return { value, problems }
}

const FAMILIES = [4, 6] as const

function contradiction(node: Node, claim: Prefix, owner: Node): ClusterProblem {
  const family = claim.includes(':') ? 6 : 4
  return clusterProblem(identifierOf('Node', node.metadata.name), {
    field: `spec.bgp.ipv${family}Address`,
    value: prefixAddress(claim),
    expected: `expected an address of its own, and ${identifierOf('Node', owner.metadata.name)}, which is older, has it`,
    effect: 'the node does not count',
  })
}
