import { clusterProblem, type Derived } from '../model/cluster-problem.ts'
import { identifierOf, type Node } from '../model/resource.ts'
import { parseInterfaceAddress, parsePrefix, type Prefix } from '../net/prefix.ts'

/** The ranges that the cluster gave a node (Node.status.podCIDRs). */
export function podCidrs(node: Node | undefined): Derived<readonly Prefix[]> {
  const texts = node?.status?.podCIDRs ?? []
  const value = texts.flatMap((text) => parsePrefix(text) ?? [])
  const problems = texts.flatMap((text, at) =>
    parsePrefix(text) === undefined
      ? clusterProblem(identifierOf('Node', node!.metadata.name), {
          field: `status.podCIDRs[${at}]`,
          value: text,
          expected:
            parseInterfaceAddress(text) === undefined
              ? 'expected a CIDR such as 10.211.0.0/24'
              : 'expected a CIDR, and this has host bits set',
          effect: 'no block is claimed for it',
        })
      : [],
  )
  return { value, problems }
}
