import type { CapturePoint, Netns, NodeSnapshot } from '../../api/node-access.ts'
import type { Prediction } from '../predict/prediction.ts'
import type { Ends } from '../resolve-ends.ts'
import type { TracedCluster } from '../tables/topology.ts'
import { isTunnel, isWired } from '../tables/link-facts.ts'

/**
 * Where to listen, by node: every interface that the packet should pass, both ends' own even when it
 * should not get so far, and where packets that go astray are mostly found: the nodes' uplinks and tunnels.
 */
export function capturePoints(
  topology: TracedCluster,
  predictions: readonly Prediction[],
  ends: Ends,
): ReadonlyMap<string, readonly CapturePoint[]> {
  const points = new Points()
  for (const { hops } of predictions) {
    for (const { node, netns, link } of hops) points.add(node, netns, link)
  }
  for (const end of [ends.from, ends.to]) {
    if (end.kind !== 'pod') continue
    const pod = topology.attachment(end.node, end.pod)
    if (pod === undefined) continue
    points.add(end.node, end.pod as Netns, pod.containerInterface)
    points.add(end.node, 'host', pod.hostInterface)
  }
  for (const node of topology.nodes) {
    for (const link of likelyLinks(topology, node)) points.add(node.node, 'host', link)
  }
  return points.byNode
}

/** A node's wired links with a global address, and its tunnels that are up. */
function likelyLinks(topology: TracedCluster, { node }: NodeSnapshot): readonly string[] {
  const view = topology.view(node, 'host')
  if (view === undefined) return []
  const addressed = new Set(
    view.snapshot.addresses
      .filter(({ scope }) => scope === 'global')
      .map(({ linkIndex }) => linkIndex),
  )
  return view.snapshot.links
    .filter((link) => link.up && (isTunnel(link) || (isWired(link) && addressed.has(link.index))))
    .map(({ name }) => name)
}

class Points {
  readonly byNode = new Map<string, CapturePoint[]>()

  add(node: string, netns: Netns, link: string): void {
    const points = this.byNode.get(node) ?? []
    this.byNode.set(node, points)
    if (!points.some((point) => point.netns === netns && point.link === link)) {
      points.push({ netns, link })
    }
  }
}
