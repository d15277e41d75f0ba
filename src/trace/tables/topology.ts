import type { IpAddress } from '../../net/ip-address.ts'
import type { Link } from '../../kernel/kernel.ts'
import * as vxlan from '../../wire/packet/vxlan.ts'
import type { Directory } from './directory.ts'
import { NamespaceView } from './namespace-view.ts'
import {
  type Netns,
  NODE_LIMITS,
  type NodeSnapshot,
  type PodAttachment,
} from '../../api/node-access.ts'

/** A link of some namespace that another one reaches. */
export interface FarEnd {
  readonly view: NamespaceView
  readonly link: Link
}

/** The snapshots of some nodes as one network: what is at the other end of a link, who has an address. */
export class TracedCluster {
  readonly #views = new Map<string, NamespaceView>()
  readonly #nodes: ReadonlyMap<string, NodeSnapshot>
  readonly #directory: Directory

  constructor(snapshots: readonly NodeSnapshot[], directory: Directory) {
    this.#nodes = new Map(snapshots.map((snapshot) => [snapshot.node, snapshot]))
    this.#directory = directory
    for (const snapshot of snapshots) {
      for (const namespace of snapshot.namespaces) {
        const view = new NamespaceView(snapshot.node, namespace)
        this.#views.set(`${snapshot.node} ${namespace.netns}`, view)
      }
    }
  }

  get nodes(): readonly NodeSnapshot[] {
    return [...this.#nodes.values()]
  }

  node(name: string): NodeSnapshot | undefined {
    return this.#nodes.get(name)
  }

  view(node: string, netns: Netns): NamespaceView | undefined {
    return this.#views.get(`${node} ${netns}`)
  }

  /** Nodes' own namespaces. */
  hosts(): readonly NamespaceView[] {
    return [...this.#views.values()].filter((view) => view.netns === 'host')
  }

  /** UDP ports of the nodes' VXLAN links; VXLAN's own where there is none. */
  vxlanPorts(): readonly number[] {
    const namespaces = this.nodes.flatMap((node) => node.namespaces)
    const links = namespaces.flatMap(({ netns, links }) => (netns === 'host' ? links : []))
    const ports = new Set(links.flatMap((link) => link.vxlan?.port ?? []))
    return ports.size === 0 ? vxlan.PORTS : [...ports].slice(0, NODE_LIMITS.vxlanPorts)
  }

  /** The pod at the other end of a node's link. */
  podBehind(node: string, hostInterface: string): PodAttachment | undefined {
    return this.#nodes.get(node)?.pods.find((pod) => pod.hostInterface === hostInterface)
  }

  attachment(node: string, pod: string): PodAttachment | undefined {
    return this.#nodes.get(node)?.pods.find((each) => each.pod === pod)
  }

  /** The other end of a pod's pair, whichever end `link` is and whatever it is called; undefined for any other link. */
  peer(view: NamespaceView, link: Link): FarEnd | undefined {
    const { node, netns } = view
    if (netns === 'host') {
      const pod = this.podBehind(node, link.name)
      const there = pod === undefined ? undefined : this.view(node, pod.pod as Netns)
      const end =
        there?.linkNamed(pod!.containerInterface) ??
        there?.snapshot.links.find(({ peerIndex }) => peerIndex === link.index)
      return there === undefined || end === undefined ? undefined : { view: there, link: end }
    }
    const pod = this.attachment(node, netns)
    const host = this.view(node, 'host')
    const end = pod && host?.linkNamed(pod.hostInterface)
    const isIts = link.name === pod?.containerInterface || link.peerIndex === end?.index
    return host === undefined || end === undefined || !isIts ? undefined : { view: host, link: end }
  }

  /** Nodes whose own namespace has the address, by their snapshots; tunnels and `lo` included. */
  holders(address: IpAddress): readonly FarEnd[] {
    return this.hosts().flatMap((view) => {
      const link = view.link(view.holding(address)?.linkIndex ?? -1)
      return link === undefined ? [] : [{ view, link }]
    })
  }

  /** The node that the datastore says has the address; its snapshot may not have been taken. */
  registeredNode(address: IpAddress): string | undefined {
    return this.#directory.nodes.find(({ addresses }) => addresses.includes(address))?.name
  }

  /** What the datastore says that a node's addresses are, the one that others reach it by first. */
  nodeAddresses(node: string): readonly IpAddress[] {
    return this.#directory.nodes.find(({ name }) => name === node)?.addresses ?? []
  }

  /** A pod's namespace on its node. */
  viewOfPod(node: string, pod: string): NamespaceView | undefined {
    return this.view(node, pod as Netns)
  }

  /** The workload endpoint of a pod, "namespace/name". */
  registeredEndpoint(pod: string) {
    return this.#directory.endpoints.find((endpoint) => endpoint.pod === pod)
  }

  /** The pod that the datastore says has the address. */
  registeredPod(address: IpAddress) {
    return this.#directory.endpoints.find(({ addresses }) => addresses.includes(address))
  }
}
