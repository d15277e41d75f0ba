import { checkNeighbor, isAsNumber, isRouterId } from '../../bgp/check-config.ts'
import type { NeighborConfig, PrefixLimit, SpeakerConfig } from '../../bgp/config.ts'
import type { RoutePolicy } from '../../bgp/policy.ts'
import { messageOf } from '../../lib/errors.ts'
import { BGP_DEFAULTS } from '../../model/bgp-configuration.ts'
import { parsePeerAddress } from '../../model/bgp-peer.ts'
import { type ClusterProblem, clusterProblem, type Derived } from '../../model/cluster-problem.ts'
import {
  PREFIX_LIMIT_EXPECTED,
  PREFIX_LIMIT_FIELD,
  prefixLimitOf,
  writtenPrefixLimit,
} from '../../model/prefix-limit.ts'
import { type BGPPeer, identifierOf, type Node } from '../../model/resource.ts'
import { familyOf, type IpAddress } from '../../net/ip-address.ts'
import type { Prefix } from '../../net/prefix.ts'
import type { ViewOf } from '../cluster/derived.ts'
import { nodeAddress } from '../cluster/node-addresses.ts'

/** What {@link nodeSpeakerConfig} is told beside the resources. */
export interface BgpEnvironment {
  /** Whether labels satisfy a selector. Throws UserError on what is none. */
  selects(selector: string, labels: Readonly<Record<string, string>>): boolean
  /** Where nodes of the mesh have routes to; they have nothing to say of other networks. */
  meshRanges(): readonly Prefix[]
  /** Policy on what is accepted from and announced to a neighbor. */
  policies(neighbor: {
    readonly internal: boolean
    /** Absent for neighbors of the mesh, to which BGPFilters do not apply. */
    readonly peer: BGPPeer | undefined
  }): Derived<{ readonly importPolicy?: RoutePolicy; readonly exportPolicy?: RoutePolicy }>
}

/** What a speaker is configured from. */
export type BgpView = ViewOf<'Node' | 'BGPConfiguration' | 'BGPPeer' | 'BGPFilter'>

/** What neighbors follow from; what does not follow is added to the problems. */
interface Cluster {
  readonly view: BgpView
  readonly node: Node
  readonly own: IpAddress
  readonly environment: BgpEnvironment
  readonly problems: ClusterProblem[]
}

/**
 * What a node's speaker should be, from the cluster's resources: a full mesh of the nodes that are no
 * route reflectors, and the BGPPeers (Calico's confd templates, as of 3.32). Neighbor by neighbor: one
 * that a speaker cannot have is left out and named. Undefined while the node has no IPv4 address.
 */
export function nodeSpeakerConfig(
  view: BgpView,
  nodeName: string,
  environment: BgpEnvironment,
): Derived<SpeakerConfig | undefined> {
  const node = view.get('Node', nodeName)
  const address = node === undefined ? undefined : nodeAddress(node)
  if (node === undefined || address === undefined) return { value: undefined, problems: [] }
  const own = address.address
  const problems = settingProblems(view)
  const cluster = { view, node, own, environment, problems }
  const clusterId = clusterIdOf(node)
  const common = view.get('BGPConfiguration', 'default')?.spec
  const mine = view.get('BGPConfiguration', `node.${nodeName}`)?.spec
  const port = portOf(view, node)
  const value = {
    localAs: asNumberOf(view, node),
    routerId: own,
    listen: [(mine?.bindMode ?? common?.bindMode) === 'NodeIP' ? { address: own, port } : { port }],
    neighbors: neighborsOf(cluster),
    gracefulRestart: { restartTimeSeconds: BGP_DEFAULTS.nodeMeshMaxRestartTimeSeconds },
    multipathMaximum: 16,
    ...(clusterId === undefined ? {} : { clusterId }),
  }
  return { value, problems }
}

/** One neighbor an address: of a BGPPeer before one of the mesh, as the one that says more. */
function neighborsOf(cluster: Cluster): NeighborConfig[] {
  const { problems } = cluster
  const chosen = new Map<IpAddress, PeerNeighbor>()
  for (const candidate of peerNeighbors(cluster)) {
    const { peer, neighbor } = candidate
    const rival = chosen.get(neighbor.address)
    const expected = rival === undefined ? refusal(neighbor) : contradiction(rival, neighbor)
    if (expected !== undefined) problems.push(leftOut(peer, { expected }))
    else if (rival === undefined) chosen.set(neighbor.address, candidate)
  }
  const neighbors = [...chosen.values()].map(({ neighbor }) => neighbor)
  return [...neighbors, ...meshNeighbors(cluster).filter(({ address }) => !chosen.has(address))]
}

/** Why a speaker cannot have the neighbor. */
function refusal(neighbor: NeighborConfig): string | undefined {
  try {
    checkNeighbor(neighbor)
    return undefined
  } catch (thrown) {
    return messageOf(thrown)
  }
}

function contradiction(
  { peer, neighbor }: PeerNeighbor,
  other: NeighborConfig,
): string | undefined {
  if (isSameSession(neighbor, other)) return undefined
  const older = identifierOf('BGPPeer', peer.metadata.name)
  return `expected what ${older}, which is older, says of ${neighbor.address}`
}

function leftOut(
  { metadata }: BGPPeer,
  problem: Pick<Parameters<typeof clusterProblem>[1], 'field' | 'value' | 'expected'>,
): ClusterProblem {
  const resource = identifierOf('BGPPeer', metadata.name)
  return clusterProblem(resource, { ...problem, effect: 'the peer is left out' })
}

function isSameSession(a: NeighborConfig, b: NeighborConfig): boolean {
  return a.port === b.port && a.remoteAs === b.remoteAs && a.localAs === b.localAs
}

/** AS numbers, ports and cluster ids that are none: they are as good as absent, for every agent alike. */
function settingProblems(view: BgpView): ClusterProblem[] {
  const problems: ClusterProblem[] = []
  const check = (
    resource: string,
    field: string,
    value: string | number | undefined,
    [isRight, expected]: readonly [(value: never) => boolean, string],
  ): void => {
    if (value === undefined || isRight(value as never)) return
    problems.push(
      clusterProblem(resource, { field, value, expected, effect: 'as if it were absent' }),
    )
  }
  for (const { metadata, spec } of view.list('BGPConfiguration')) {
    const resource = identifierOf('BGPConfiguration', metadata.name)
    check(resource, 'spec.asNumber', spec.asNumber, AS_NUMBER)
    check(resource, 'spec.listenPort', spec.listenPort, PORT)
  }
  for (const kind of ['BGPConfiguration', 'BGPPeer'] as const) {
    for (const { metadata } of view.list(kind)) {
      const written = writtenPrefixLimit(metadata)
      const isRight = () => prefixLimitOf(metadata) !== undefined
      const rule = [isRight, PREFIX_LIMIT_EXPECTED] as const
      check(identifierOf(kind, metadata.name), PREFIX_LIMIT_FIELD, written, rule)
    }
  }
  for (const { metadata, spec } of view.list('Node')) {
    if (spec.bgp === undefined) continue
    const resource = identifierOf('Node', metadata.name)
    check(resource, 'spec.bgp.asNumber', spec.bgp.asNumber, AS_NUMBER)
    const clusterId = spec.bgp.routeReflectorClusterID || undefined
    check(resource, 'spec.bgp.routeReflectorClusterID', clusterId, ROUTER_ID)
  }
  return problems
}

const AS_NUMBER = [
  isAsNumber,
  'expected an AS number from 1 to 4294967295, other than 23456 (AS_TRANS)',
] as const
const PORT = [isPort, 'expected a TCP port from 1 to 65535'] as const
const ROUTER_ID = [isRouterId, 'expected an IPv4 address other than 0.0.0.0'] as const

function isPort(port: number): boolean {
  return Number.isInteger(port) && port >= 1 && port <= 0xffff
}

/** The first that is right. */
function firstRight<Value>(
  isRight: (value: Value) => boolean,
  values: readonly (Value | undefined)[],
  otherwise: Value,
): Value {
  return values.find((value) => value !== undefined && isRight(value)) ?? otherwise
}

function asNumberOf(view: BgpView, node: Node): number {
  const common = view.get('BGPConfiguration', 'default')?.spec.asNumber
  return firstRight(isAsNumber, [node.spec.bgp?.asNumber, common], BGP_DEFAULTS.asNumber)
}

function clusterIdOf(node: Node): IpAddress | undefined {
  const id = node.spec.bgp?.routeReflectorClusterID
  return id !== undefined && isRouterId(id) ? id : undefined
}

function portOf(view: BgpView, node: Node): number {
  const own = view.get('BGPConfiguration', `node.${node.metadata.name}`)?.spec.listenPort
  const common = view.get('BGPConfiguration', 'default')?.spec.listenPort
  return firstRight(isPort, [own, common], BGP_DEFAULTS.listenPort)
}

function meshNeighbors(cluster: Cluster): NeighborConfig[] {
  const { view, node, environment } = cluster
  const enabled = view.get('BGPConfiguration', 'default')?.spec.nodeToNodeMeshEnabled ?? true
  if (!enabled || clusterIdOf(node) !== undefined) return []
  const importRanges = environment.meshRanges()
  return view
    .list('Node')
    .filter((other) => other !== node && clusterIdOf(other) === undefined)
    .flatMap((other) => nodeNeighbor(cluster, other, undefined))
    .map((neighbor) => ({ ...neighbor, importRanges }))
}

/**
 * Between tries to connect to another node. Nodes start together, and the first try often meets one that
 * does not listen yet; RFC 4271's 120 seconds are for links between networks.
 */
const MESH_RETRY_SECONDS = 1

/** A session with another node of the cluster. */
function nodeNeighbor(cluster: Cluster, other: Node, peer: BGPPeer | undefined): NeighborConfig[] {
  const { view, node, own } = cluster
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
      prefixLimit: limitOf(view, peer),
      ...(internal && reflects ? { routeReflectorClient: true } : {}),
      ...policiesOf(cluster, { internal, peer }),
    },
  ]
}

/**
 * Prefixes of each family that a neighbor may announce, where nobody says another number: more than any
 * cluster's pods need, and what a node can take without harm.
 */
const PREFIX_LIMIT = 100_000

function limitOf(view: BgpView, peer: BGPPeer | undefined): PrefixLimit {
  const common = view.get('BGPConfiguration', 'default')
  const own = peer === undefined ? undefined : prefixLimitOf(peer.metadata)
  const maximum = own ?? (common === undefined ? undefined : prefixLimitOf(common.metadata))
  return { maximum: maximum ?? PREFIX_LIMIT, action: 'refuse' }
}

function policiesOf(
  { environment, problems }: Cluster,
  neighbor: Parameters<BgpEnvironment['policies']>[0],
): ReturnType<BgpEnvironment['policies']>['value'] {
  const policies = environment.policies(neighbor)
  problems.push(...policies.problems)
  return policies.value
}

interface PeerNeighbor {
  readonly peer: BGPPeer
  readonly neighbor: NeighborConfig
}

/** The oldest peer first: of two that contradict each other it is the one that counts. */
function peerNeighbors(cluster: Cluster): PeerNeighbor[] {
  const { view, problems } = cluster
  return view.listByAge('BGPPeer').flatMap((peer) => {
    try {
      return neighborsOfPeer(cluster, peer).map((neighbor) => ({ peer, neighbor }))
    } catch (thrown) {
      problems.push(leftOut(peer, { expected: messageOf(thrown) }))
      return []
    }
  })
}

/** Throws UserError on a selector that is none. */
function neighborsOfPeer(cluster: Cluster, peer: BGPPeer): NeighborConfig[] {
  const { view, node, environment } = cluster
  const labelsOf = (of: Node) => of.metadata.labels ?? {}
  /** Whether the peering is one of this node, by name, by selector, or as one of all nodes. */
  const appliesTo = (to: Node): boolean => {
    if ((peer.spec.node ?? '') !== '') return peer.spec.node === to.metadata.name
    if ((peer.spec.nodeSelector ?? '') === '') return true
    return environment.selects(peer.spec.nodeSelector!, labelsOf(to))
  }
  const selector = peer.spec.peerSelector ?? ''
  if (selector === '') return appliesTo(node) ? addressNeighbor(cluster, peer) : []
  const isSelected = (other: Node): boolean => environment.selects(selector, labelsOf(other))
  return view.list('Node').flatMap((other) => {
    if (other === node) return []
    const forward = appliesTo(node) && isSelected(other)
    // The selected node gets the other half of the session by itself.
    const reverse = peer.spec.reversePeering !== 'Manual' && isSelected(node) && appliesTo(other)
    return forward || reverse ? nodeNeighbor(cluster, other, peer) : []
  })
}

/** A session with an address: a router outside, or a node written as one. */
function addressNeighbor(cluster: Cluster, peer: BGPPeer): NeighborConfig[] {
  const { view, node, own, problems } = cluster
  const { spec } = peer
  if (spec.peerIP === undefined || spec.peerIP === '') return []
  const parsed = parsePeerAddress(spec.peerIP)
  const report = (field: string, value: unknown, expected: string): [] => {
    problems.push(leftOut(peer, { field: `spec.${field}`, value, expected }))
    return []
  }
  if (parsed === undefined) {
    return report('peerIP', spec.peerIP, 'expected an address, or an address and a port')
  }
  if (parsed.address === own) return []
  for (const field of ['asNumber', 'localASNumber'] as const) {
    const value = spec[field]
    if (value === undefined && field === 'localASNumber') continue
    if (value === undefined || !isAsNumber(value)) return report(field, value, AS_NUMBER[1])
  }
  const { address } = parsed
  const internal = spec.asNumber === asNumberOf(view, node)
  const isNode = view.list('Node').some((other) => nodeAddress(other)?.address === address)
  return [
    {
      address,
      remoteAs: spec.asNumber!,
      description: peer.metadata.name,
      prefixLimit: limitOf(view, peer),
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
      ...policiesOf(cluster, { internal, peer }),
    },
  ]
}
