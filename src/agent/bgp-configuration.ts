import type { NeighborConfig, SpeakerConfig } from '../bgp/config.ts'
import type { RoutePolicy } from '../bgp/policy.ts'
import { BGP_DEFAULTS } from '../model/bgp-configuration.ts'
import { parsePeerAddress } from '../model/bgp-peer.ts'
import type { BGPPeer, Node } from '../model/resource.ts'
import { familyOf, type IpAddress } from '../net/ip-address.ts'
import type { ClusterView } from './cluster-view.ts'
import { nodeAddress } from './node-addresses.ts'

/** What {@link speakerConfig} is told beside the resources. */
export interface BgpEnvironment {
  /** Whether labels satisfy a selector. */
  selects(selector: string, labels: Readonly<Record<string, string>>): boolean
  /** Policy on what is accepted from and announced to a neighbor. */
  policies(neighbor: {
    readonly internal: boolean
    /** Absent for neighbors of the mesh, to which BGPFilters do not apply. */
    readonly peer: BGPPeer | undefined
  }): { readonly importPolicy?: RoutePolicy; readonly exportPolicy?: RoutePolicy }
}

/**
 * What a node's speaker should be, from the cluster's resources: a full mesh of the nodes that are no
 * route reflectors, and the BGPPeers (Calico's confd templates, as of 3.32). Undefined while the node
 * has no IPv4 address.
 */
export function speakerConfig(
  view: ClusterView,
  nodeName: string,
  environment: BgpEnvironment,
): SpeakerConfig | undefined {
  const node = view.get('Node', nodeName)
  const own = node === undefined ? undefined : nodeAddress(node)
  if (node === undefined || own === undefined) return undefined
  const common = view.get('BGPConfiguration', 'default')?.spec
  const mine = view.get('BGPConfiguration', `node.${nodeName}`)?.spec
  const port = mine?.listenPort ?? common?.listenPort ?? BGP_DEFAULTS.listenPort
  const neighbors = new Map<string, NeighborConfig>()
  // A peer from a BGPPeer wins over the mesh, as the one that says more.
  for (const neighbor of [
    ...peerNeighbors(view, node, own.address, environment),
    ...meshNeighbors(view, node, own.address, environment),
  ]) {
    const key = `${neighbor.address} ${neighbor.port ?? 179}`
    if (!neighbors.has(key)) neighbors.set(key, neighbor)
  }
  const clusterId = clusterIdOf(node)
  return {
    localAs: asNumberOf(view, node),
    routerId: own.address,
    listen: [
      (mine?.bindMode ?? common?.bindMode) === 'NodeIP' ? { address: own.address, port } : { port },
    ],
    neighbors: [...neighbors.values()],
    gracefulRestart: { restartTimeSeconds: BGP_DEFAULTS.nodeMeshMaxRestartTimeSeconds },
    multipathMaximum: 16,
    ...(clusterId === undefined ? {} : { clusterId }),
  }
}

function asNumberOf(view: ClusterView, node: Node): number {
  return (
    node.spec.bgp?.asNumber ??
    view.get('BGPConfiguration', 'default')?.spec.asNumber ??
    BGP_DEFAULTS.asNumber
  )
}

function clusterIdOf(node: Node): IpAddress | undefined {
  const text = node.spec.bgp?.routeReflectorClusterID
  return text === undefined || text === '' ? undefined : (text as IpAddress)
}

function portOf(view: ClusterView, node: Node): number {
  return (
    view.get('BGPConfiguration', `node.${node.metadata.name}`)?.spec.listenPort ??
    view.get('BGPConfiguration', 'default')?.spec.listenPort ??
    BGP_DEFAULTS.listenPort
  )
}

function meshNeighbors(
  view: ClusterView,
  node: Node,
  own: IpAddress,
  environment: BgpEnvironment,
): NeighborConfig[] {
  const enabled = view.get('BGPConfiguration', 'default')?.spec.nodeToNodeMeshEnabled ?? true
  if (!enabled || clusterIdOf(node) !== undefined) return []
  return view
    .list('Node')
    .filter((other) => other !== node && clusterIdOf(other) === undefined)
    .flatMap((other) => nodeNeighbor(view, node, own, other, environment, undefined))
}

/**
 * Between tries to connect to another node. Nodes start together, and the first try often meets one that
 * does not listen yet; RFC 4271's 120 seconds are for links between networks.
 */
const MESH_RETRY_SECONDS = 1

/** A session with another node of the cluster. */
function nodeNeighbor(
  view: ClusterView,
  node: Node,
  own: IpAddress,
  other: Node,
  environment: BgpEnvironment,
  peer: BGPPeer | undefined,
): NeighborConfig[] {
  const address = nodeAddress(other)?.address
  if (address === undefined || address === own) return []
  const remoteAs = asNumberOf(view, other)
  const internal = remoteAs === asNumberOf(view, node)
  const reflects = clusterIdOf(node) !== undefined && clusterIdOf(other) !== clusterIdOf(node)
  return [
    {
      address,
      port: portOf(view, other),
      remoteAs,
      localAddress: own,
      // Strings are compared, not numbers: both ends must agree, and Calico's do it so.
      passive: address > own,
      connectRetrySeconds: MESH_RETRY_SECONDS,
      description: other.metadata.name,
      ...(internal && reflects ? { routeReflectorClient: true } : {}),
      ...environment.policies({ internal, peer }),
    },
  ]
}

function peerNeighbors(
  view: ClusterView,
  node: Node,
  own: IpAddress,
  environment: BgpEnvironment,
): NeighborConfig[] {
  const labelsOf = (of: Node) => of.metadata.labels ?? {}
  /** Whether the peering is one of this node, by name, by selector, or as one of all nodes. */
  const appliesTo = (peer: BGPPeer, to: Node): boolean => {
    if ((peer.spec.node ?? '') !== '') return peer.spec.node === to.metadata.name
    if ((peer.spec.nodeSelector ?? '') === '') return true
    return environment.selects(peer.spec.nodeSelector!, labelsOf(to))
  }
  const found: NeighborConfig[] = []
  for (const peer of view.list('BGPPeer')) {
    const selector = peer.spec.peerSelector ?? ''
    if (selector === '') {
      if (appliesTo(peer, node)) found.push(...addressNeighbor(view, node, own, peer, environment))
      continue
    }
    const isSelected = (other: Node): boolean => environment.selects(selector, labelsOf(other))
    for (const other of view.list('Node')) {
      if (other === node) continue
      const forward = appliesTo(peer, node) && isSelected(other)
      // The selected node gets the other half of the session by itself.
      const reverse =
        peer.spec.reversePeering !== 'Manual' && isSelected(node) && appliesTo(peer, other)
      if (forward || reverse) found.push(...nodeNeighbor(view, node, own, other, environment, peer))
    }
  }
  return found
}

/** A session with an address: a router outside, or a node written as one. */
function addressNeighbor(
  view: ClusterView,
  node: Node,
  own: IpAddress,
  peer: BGPPeer,
  environment: BgpEnvironment,
): NeighborConfig[] {
  const { spec } = peer
  const parsed = spec.peerIP === undefined ? undefined : parsePeerAddress(spec.peerIP)
  if (parsed === undefined || spec.asNumber === undefined || parsed.address === own) return []
  const address = parsed.address as IpAddress
  const internal = spec.asNumber === asNumberOf(view, node)
  const isNode = view.list('Node').some((other) => nodeAddress(other)?.address === address)
  return [
    {
      address,
      remoteAs: spec.asNumber,
      description: peer.metadata.name,
      ...(parsed.port === undefined ? {} : { port: parsed.port }),
      ...(spec.sourceAddress === 'None' || familyOf(address) !== 4 ? {} : { localAddress: own }),
      ...(isNode ? { passive: address > own } : {}),
      ...(spec.localASNumber === undefined ? {} : { localAs: spec.localASNumber }),
      ...(spec.numAllowedLocalASNumbers === undefined
        ? {}
        : { allowOwnAs: spec.numAllowedLocalASNumbers }),
      ...(spec.ttlSecurity === undefined || spec.ttlSecurity === 0
        ? { multihopTtl: 255 } // Calico's peers are always "multihop"
        : { ttlSecurityHops: spec.ttlSecurity }),
      ...(spec.nextHopMode === 'Self' ? { nextHop: 'self' as const } : {}),
      ...(spec.nextHopMode === 'Keep' || spec.keepOriginalNextHop === true
        ? { nextHop: 'keep' as const }
        : {}),
      ...(clusterIdOf(node) !== undefined && internal ? { routeReflectorClient: true } : {}),
      ...environment.policies({ internal, peer }),
    },
  ]
}
