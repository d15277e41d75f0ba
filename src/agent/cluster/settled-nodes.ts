import { shareEqual } from '../../lib/share-equal.ts'
import type { Node } from '../../model/resource.ts'
import type { ViewOf } from './derived.ts'
import type { Kind } from '../../model/resource.ts'

/**
 * The nodes of a cluster as what they say to others: each row stays the one that it was while only what a
 * node writes for itself changes (the addresses of its tunnels, its status), and all of them the same
 * array. In a large cluster such changes are most.
 *
 * @param before what this answered last
 * @param nodes in order of name, as `before`
 */
export function settledNodes(before: readonly Node[], nodes: readonly Node[]): readonly Node[] {
  let at = 0
  let isSame = before.length === nodes.length
  let isNew = true
  const settled = nodes.map((node, index) => {
    while (at < before.length && before[at]!.metadata.name < node.metadata.name) at++
    const known = before[at]
    const kept = known !== undefined && saysTheSame(known, node) ? known : node
    if (kept !== before[index]) isSame = false
    if (kept !== node) isNew = false
    return kept
  })
  if (isSame) return before
  return isNew ? nodes : settled
}

function saysTheSame(a: Node, b: Node): boolean {
  if (a === b) return true
  const [one, other] = [a.spec.bgp ?? {}, b.spec.bgp ?? {}]
  return (
    a.metadata.name === b.metadata.name &&
    one.ipv4Address === other.ipv4Address &&
    one.ipv6Address === other.ipv6Address &&
    one.asNumber === other.asNumber &&
    one.routeReflectorClusterID === other.routeReflectorClusterID &&
    (a.spec.bgp === undefined) === (b.spec.bgp === undefined) &&
    shareEqual(a.metadata.labels, b.metadata.labels) === a.metadata.labels
  )
}

/** A view with these nodes for its own. */
export function withNodes<K extends Kind>(
  view: ViewOf<Exclude<K, 'Node'>>,
  nodes: readonly Node[],
): ViewOf<K> {
  const others = view as ViewOf<K>
  const list = <One extends K>(kind: One) =>
    kind === 'Node' ? (nodes as readonly never[]) : others.list(kind)
  return {
    get: (kind, name) =>
      kind === 'Node'
        ? (nodes.find(({ metadata }) => metadata.name === name) as never)
        : others.get(kind, name),
    list,
    listByAge: (kind) => (kind === 'Node' ? list(kind) : others.listByAge(kind)),
  }
}
