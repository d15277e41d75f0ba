import type { Draft } from '../model/resource.ts'
import type { IpAddress } from '../net/ip-address.ts'
import type { InterfaceAddress, Prefix } from '../net/prefix.ts'
import type { LabNames } from './lab-names.ts'
import type {
  Topology,
  TopologyInterface,
  TopologyNetwork,
  TopologyNode,
  TopologyPod,
  TopologyPool,
} from './topology-schema.ts'
import { underlayRoutes } from './underlay-routes.ts'

/**
 * All that a lab consists of, decided before anything is made:
 *
 *     topology --> plan --> steps (namespaces, bridges, cables, addresses, routes)  --> machine
 *                       --> resources (pools, nodes, BGP)                           --> store
 *                       --> nodes (an agent each), pods (a CNI ADD each)            --> programs
 */
export interface LabPlan {
  readonly lab: string
  readonly steps: readonly BuildStep[]
  readonly resources: readonly Draft[]
  readonly nodes: readonly PlannedNode[]
  readonly pods: readonly PlannedPod[]
}

/** One change of the machine; a later step may need an earlier one. */
export type BuildStep =
  | { readonly do: 'namespace'; readonly namespace: string; readonly role: NamespaceRole }
  | {
      readonly do: 'sysctl'
      readonly namespace: string
      readonly path: string
      readonly value: string
    }
  | {
      readonly do: 'bridge'
      readonly namespace: string
      readonly name: string
      readonly mtu: number
    }
  | {
      /** A veth pair: one end is the host's interface, the other a port of the network's bridge. */
      readonly do: 'cable'
      readonly namespace: string
      readonly name: string
      readonly mtu: number
      readonly bridgeNamespace: string
      readonly port: string
    }
  | {
      readonly do: 'address'
      readonly namespace: string
      readonly name: string
      readonly address: InterfaceAddress
    }
  | { readonly do: 'up'; readonly namespace: string; readonly name: string }
  | {
      readonly do: 'route'
      readonly namespace: string
      readonly destination: Prefix
      readonly gateway: IpAddress
      readonly name: string
    }

export type NamespaceRole = 'network' | 'node' | 'router' | 'pod'

export interface PlannedNode {
  readonly name: string
  readonly namespace: string
  /** Where the other nodes' agents reach this one. */
  readonly address: InterfaceAddress
}

export interface PlannedPod {
  readonly namespace: string
  readonly name: string
  readonly netns: string
  readonly node: string
  readonly address?: IpAddress
  readonly labels: Readonly<Record<string, string>>
  /** Octets of its interface; the agent's choice when absent. */
  readonly mtu?: number
}

/** The bridge of a network, in the namespace of that network. */
export const BRIDGE = 'br0'

export function planLab(topology: Topology, names: LabNames): LabPlan {
  const hosts = [
    ...topology.nodes.map((host) => ({ ...host, role: 'node' as const })),
    ...topology.routers.map((host) => ({ ...host, role: 'router' as const })),
  ]
  return {
    lab: names.lab,
    steps: [
      ...topology.networks.flatMap((network) => networkSteps(network, names)),
      ...hosts.flatMap((host) => hostSteps(host, topology, names)),
      ...topology.pods.flatMap((pod) => podSteps(names.pod(pod))),
    ],
    resources: resources(topology),
    nodes: topology.nodes.map((node) => ({
      name: node.name,
      namespace: names.host(node.name),
      address: nodeAddress(node),
    })),
    pods: topology.pods.map((pod) => ({
      ...plannedPod(pod, names),
      ...(topology.mtu.pod === undefined ? {} : { mtu: topology.mtu.pod }),
    })),
  }
}

/** Every namespace that the plan makes, in order. */
export function namespacesOf({ steps }: LabPlan): readonly string[] {
  return steps.flatMap((step) => (step.do === 'namespace' ? [step.namespace] : []))
}

function networkSteps({ name, mtu }: TopologyNetwork, names: LabNames): BuildStep[] {
  const namespace = names.network(name)
  return [
    { do: 'namespace', namespace, role: 'network' },
    { do: 'bridge', namespace, name: BRIDGE, mtu },
    { do: 'up', namespace, name: BRIDGE },
  ]
}

/**
 * Hosts forward. Reverse path filtering is set, strict on each interface, because a new namespace
 * would otherwise have whatever the machine's own has (net.core.devconf_inherit_init_net).
 */
const HOST_SYSCTLS = {
  'ipv4.ip_forward': '1',
  'ipv4.conf.all.rp_filter': '0',
  'ipv4.conf.default.rp_filter': '1',
} as const

function hostSteps(
  host: {
    readonly name: string
    readonly role: 'node' | 'router'
    readonly interfaces: readonly TopologyInterface[]
  },
  topology: Topology,
  names: LabNames,
): BuildStep[] {
  const namespace = names.host(host.name)
  const networks = new Map(topology.networks.map((network) => [network.name, network]))
  return [
    { do: 'namespace', namespace, role: host.role },
    { do: 'up', namespace, name: 'lo' },
    ...Object.entries(HOST_SYSCTLS).map(([path, value]): BuildStep => ({
      do: 'sysctl',
      namespace,
      path,
      value,
    })),
    ...host.interfaces.flatMap((own, at): BuildStep[] => [
      {
        do: 'cable',
        namespace,
        name: own.name,
        mtu: networks.get(own.network)!.mtu,
        bridgeNamespace: names.network(own.network),
        port: portName(host.name, at, topology),
      },
      { do: 'address', namespace, name: own.name, address: own.address },
      { do: 'up', namespace, name: own.name },
    ]),
    ...underlayRoutes(host, topology.routers).map(
      ({ network, gateway, interface: name }): BuildStep => ({
        do: 'route',
        namespace,
        destination: networks.get(network)!.cidr,
        gateway,
        name,
      }),
    ),
  ]
}

/** A bridge's port has the name of the host behind it, where that fits and is the only one. */
function portName(host: string, at: number, { nodes, routers }: Topology): string {
  const index = [...nodes, ...routers].findIndex(({ name }) => name === host)
  return at === 0 && host.length <= 15 && host !== BRIDGE ? host : `port${index}-${at}`
}

function podSteps(namespace: string): BuildStep[] {
  return [
    { do: 'namespace', namespace, role: 'pod' },
    { do: 'up', namespace, name: 'lo' }, // what the plugin "loopback" does in a cluster
  ]
}

function nodeAddress({ interfaces }: TopologyNode): InterfaceAddress {
  return interfaces[0]!.address
}

function plannedPod(pod: TopologyPod, names: LabNames): PlannedPod {
  const { namespace, name, node, labels, address } = pod
  const own = { namespace, name, netns: names.pod(pod), node, labels }
  return address === undefined ? own : { ...own, address }
}

/** What an installation of Calico would have put in the store before its nodes start. */
function resources({ pools, nodes, bgp, mtu }: Topology): Draft[] {
  const felix: Draft<'FelixConfiguration'>[] =
    mtu.tunnel === undefined
      ? []
      : [
          {
            kind: 'FelixConfiguration',
            metadata: { name: 'default' },
            spec: { ipipMTU: mtu.tunnel },
          },
        ]
  return [
    ...felix,
    {
      kind: 'ClusterInformation',
      metadata: { name: 'default' },
      spec: { clusterType: 'tortie,bgp', datastoreReady: true },
    },
    {
      kind: 'BGPConfiguration',
      metadata: { name: 'default' },
      spec: {
        asNumber: bgp.asNumber,
        nodeToNodeMeshEnabled: bgp.nodeToNodeMeshEnabled,
        logSeverityScreen: 'Info',
      },
    },
    ...pools.map(({ name, ...spec }): Draft<'IPPool'> => ({
      kind: 'IPPool',
      metadata: { name },
      spec: { ...spec, ipipMode: spec.ipipMode ?? usualIpipMode(spec) },
    })),
    ...nodes.map((node): Draft<'Node'> => {
      const { address, prefixLength } = nodeAddress(node)
      const status = node.podCIDR === undefined ? {} : { status: { podCIDRs: [node.podCIDR] } }
      return {
        kind: 'Node',
        metadata: { name: node.name, labels: { ...node.labels } },
        spec: {
          addresses: [{ address, type: 'InternalIP' }],
          bgp: { ipv4Address: `${address}/${prefixLength}` },
        },
        ...status,
      }
    }),
  ]
}

/** What the title of IPIP labs promises, unless the pool has VXLAN: it cannot have both. */
function usualIpipMode({ vxlanMode }: Pick<TopologyPool, 'vxlanMode'>): 'CrossSubnet' | 'Never' {
  return vxlanMode === 'Never' ? 'CrossSubnet' : 'Never'
}
