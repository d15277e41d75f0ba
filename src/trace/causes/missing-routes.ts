import { familyOf, ip, type IpAddress } from '../../net/ip-address.ts'
import { contains, prefixOf } from '../../net/prefix.ts'
import { isTunnel } from '../tables/link-facts.ts'
import type { NamespaceView } from '../tables/namespace-view.ts'
import type { TracedCluster } from '../tables/topology.ts'

/** Gateway of every pod in IPv4; in IPv6 it is the link-local address of the pod's host end. */
const POD_GATEWAY = ip('169.254.1.1')

/**
 * Routes, as `ip route replace` takes them, by which a namespace would reach a destination as it should;
 * none where nothing that was read tells how.
 */
export function missingRoutes(
  topology: TracedCluster,
  view: NamespaceView,
  destination: IpAddress,
): readonly string[] {
  return view.netns === 'host'
    ? [...ownPodRoute(topology, view, destination), ...nodeRoute(topology, view, destination)]
    : podRoutes(topology, view, familyOf(destination))
}

/** The two routes of a pod. */
export function podRoutes(topology: TracedCluster, view: NamespaceView, family: 4 | 6): string[] {
  const attachment = topology.attachment(view.node, view.netns)
  if (attachment === undefined) return []
  const link = attachment.containerInterface
  if (family === 4) {
    return [`${POD_GATEWAY} dev ${link} scope link`, `default via ${POD_GATEWAY} dev ${link}`]
  }
  const gateway = linkLocalOf(topology.view(view.node, 'host'), attachment.hostInterface)
  return gateway === undefined ? [] : [`default via ${gateway} dev ${link}`]
}

function linkLocalOf(host: NamespaceView | undefined, link: string): IpAddress | undefined {
  const index = host?.linkNamed(link)?.index
  return host?.snapshot.addresses.find(
    ({ linkIndex, address }) => linkIndex === index && address.startsWith('fe80:'),
  )?.address
}

/** A node's route to a pod of its own. */
export function ownPodRoute(
  topology: TracedCluster,
  view: NamespaceView,
  destination: IpAddress,
): string[] {
  const pod = topology.registeredPod(destination)
  if (pod?.node !== view.node) return []
  const link = topology.attachment(view.node, pod.pod)?.hostInterface
  if (link === undefined || view.linkNamed(link) === undefined) return []
  return [`${destination} dev ${link}${familyOf(destination) === 4 ? ' scope link' : ''}`]
}

/** A node's route to the node that has a pod: straight where it is on a network of this one, else by tunl0. */
function nodeRoute(topology: TracedCluster, view: NamespaceView, destination: IpAddress): string[] {
  const owner = topology.registeredPod(destination)?.node
  if (owner === undefined || owner === view.node) return []
  const near = neighborOfNode(topology, view, owner, familyOf(destination))
  if (near !== undefined) return [`${destination} via ${near.address} dev ${near.link}`]
  const tunnel = view.snapshot.links.find(
    (link) => isTunnel(link) && link.vxlan === undefined && link.up,
  )
  const [address] = topology.nodeAddresses(owner)
  if (tunnel === undefined || address === undefined || familyOf(destination) === 6) return []
  return [`${destination} via ${address} dev ${tunnel.name} onlink`]
}

/** The address that a node has in a network of this one, and the link to it. */
export function neighborOfNode(
  topology: TracedCluster,
  view: NamespaceView,
  node: string,
  family: 4 | 6,
): { readonly address: IpAddress; readonly link: string } | undefined {
  for (const address of topology.nodeAddresses(node)) {
    if (familyOf(address) !== family) continue
    const own = view.snapshot.addresses.find(
      (each) =>
        familyOf(each.address) === family &&
        contains(prefixOf(each.address, each.prefixLength), address),
    )
    if (own !== undefined) return { address, link: view.linkName(own.linkIndex) }
  }
  return undefined
}
