import { type IpAddress, ip } from '../../net/ip-address.ts'
import { mac } from '../../net/mac-address.ts'
import { hostPrefix, prefix, prefixOf } from '../../net/prefix.ts'
import {
  type Kernel,
  type Machine,
  type NextHop,
  type Route,
  ROUTE_PROTOCOL,
  ROUTE_TABLE,
} from '../../kernel/kernel.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Directory } from '../directory.ts'
import { type LocalNode, localNode } from '../local-node.ts'

/** A node of the cluster that tests build by the kernel port alone, with one pod. */
export interface RealNode {
  readonly name: string
  readonly kernel: Kernel
  readonly address: IpAddress
  readonly pod: string
  readonly podKernel: Kernel
  readonly podAddress: IpAddress
  readonly hostInterface: string
  readonly access: LocalNode
}

export interface RealCluster {
  readonly nodes: readonly RealNode[]
  readonly directory: Directory
  close(): void
}

const GATEWAY = ip('169.254.1.1')
const CALI_MAC = mac('ee:ee:ee:ee:ee:ee')

/** As many nodes as asked for on one bridge, each with a pod, joined by routes as the seed has them. */
export function realCluster(
  machine: Machine,
  clock: Clock,
  unique: string,
  count = 2,
): RealCluster {
  const names: string[] = []
  const make = (name: string): Kernel => {
    const kernel = machine.createNamespace(`${unique}-${name}`)
    names.push(`${unique}-${name}`)
    up(kernel, 'lo')
    return kernel
  }
  const close = (): void => {
    for (const node of nodes) node.access.close()
    for (const name of names) machine.deleteNamespace(name)
  }
  const nodes: RealNode[] = []
  try {
    const network = make('net')
    network.createLink({ kind: 'bridge', name: 'br0' })
    up(network, 'br0')
    for (let at = 0; at < count; at++) {
      nodes.push(realNode({ machine, clock, make, network, at, unique }))
    }
    for (const node of nodes) joinTo(node, nodes)
  } catch (thrown) {
    close()
    throw thrown
  }
  return { nodes, directory: directoryOf(nodes), close }
}

interface NodeRequest {
  readonly machine: Machine
  readonly clock: Clock
  readonly make: (name: string) => Kernel
  readonly network: Kernel
  readonly at: number
  readonly unique: string
}

function realNode({ machine, clock, make, network, at, unique }: NodeRequest): RealNode {
  const name = `server0${at + 1}`
  const [kernel, podKernel] = [make(name), make(`pod${at + 1}`)]
  const address = ip(`172.16.170.${128 + at}`)
  const podAddress = ip(`10.211.${at}.4`)
  const hostInterface = `cali0000000000${at + 1}`
  const port = `port${at + 1}`
  network.createLink({ kind: 'veth', name: port, peer: { name: 'ens33', kernel } })
  network.changeLink(network.link(port)!.index, {
    masterIndex: network.link('br0')!.index,
    up: true,
  })
  const ens33 = up(kernel, 'ens33')
  kernel.addAddress({ linkIndex: ens33, address, prefixLength: 24, scope: 'global' })
  kernel.writeSysctl('ipv4.ip_forward', '1')
  attachPod(kernel, podKernel, hostInterface, podAddress)
  const pod = `default/pod${at + 1}`
  const path = (which: string): string => machine.namespacePath(`${unique}-${which}`)
  const access = localNode({
    node: name,
    machine: 'this',
    host: kernel,
    path: path(name),
    clock,
    pods: () => [
      {
        pod,
        containerInterface: 'eth0',
        hostInterface,
        kernel: () => podKernel,
        path: path(`pod${at + 1}`),
      },
    ],
  })
  return { name, kernel, address, pod, podKernel, podAddress, hostInterface, access }
}

function attachPod(host: Kernel, pod: Kernel, hostInterface: string, address: IpAddress): void {
  const peer = { name: 'eth0', kernel: pod }
  host.createLink({ kind: 'veth', name: hostInterface, macAddress: CALI_MAC, peer })
  host.writeSysctl(`ipv4.conf.${hostInterface}.proxy_arp`, '1')
  host.writeSysctl(`ipv4.conf.${hostInterface}.rp_filter`, '1')
  host.writeSysctl(`ipv4.neigh.${hostInterface}.proxy_delay`, '0')
  const hostEnd = up(host, hostInterface)
  const eth0 = up(pod, 'eth0')
  pod.addAddress({ linkIndex: eth0, address, prefixLength: 32, scope: 'global' })
  pod.addRoute(route({ destination: GATEWAY, scope: 'link', hop: { linkIndex: eth0 } }))
  pod.addRoute(route({ destination: '0.0.0.0/0', hop: { linkIndex: eth0, gateway: GATEWAY } }))
  host.addRoute(route({ destination: address, scope: 'link', hop: { linkIndex: hostEnd } }))
}

/** A block with its blackhole, the other nodes' blocks, and a default route, as proxy ARP needs one. */
function joinTo(node: RealNode, nodes: readonly RealNode[]): void {
  const { kernel } = node
  const ens33 = kernel.link('ens33')!.index
  const bird = ROUTE_PROTOCOL.bird
  kernel.addRoute({
    ...route({ destination: prefixOf(node.podAddress, 24), protocol: bird }),
    type: 'blackhole',
  })
  const gateway = ip('172.16.170.2')
  kernel.addRoute(route({ destination: '0.0.0.0/0', hop: { linkIndex: ens33, gateway } }))
  for (const other of nodes) {
    if (other === node) continue
    const destination = prefixOf(other.podAddress, 24)
    const hop = { linkIndex: ens33, gateway: other.address }
    kernel.addRoute(route({ destination, protocol: bird, hop }))
  }
}

/** A route of the main table; `destination` is an address or a prefix. */
export function route(options: {
  readonly destination: string
  readonly scope?: Route['scope']
  readonly protocol?: number
  readonly hop?: NextHop
}): Route {
  const { destination, scope = 'global', protocol = ROUTE_PROTOCOL.boot, hop } = options
  return {
    destination: destination.includes('/') ? prefix(destination) : hostPrefix(ip(destination)),
    type: 'unicast',
    table: ROUTE_TABLE.main,
    protocol,
    scope,
    priority: 0,
    nextHops: hop === undefined ? [] : [hop],
  }
}

function up(kernel: Kernel, name: string): number {
  const { index } = kernel.link(name)!
  kernel.changeLink(index, { up: true })
  return index
}

function directoryOf(nodes: readonly RealNode[]): Directory {
  return {
    nodes: nodes.map(({ name, address }) => ({ name, addresses: [address] })),
    endpoints: nodes.map(({ name, pod, podAddress, hostInterface }) => ({
      pod,
      node: name,
      addresses: [podAddress],
      containerInterface: 'eth0',
      hostInterface,
    })),
  }
}
