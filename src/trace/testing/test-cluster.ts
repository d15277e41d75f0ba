import { type Family, familyOf, type IpAddress, ip } from '../../net/ip-address.ts'
import { mac } from '../../net/mac-address.ts'
import { contains, hostPrefix, prefix, prefixOf } from '../../net/prefix.ts'
import {
  isKernelError,
  type Kernel,
  type Machine,
  type NextHop,
  type Route,
  ROUTE_PROTOCOL,
  ROUTE_TABLE,
} from '../../kernel/kernel.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Directory } from '../tables/directory.ts'
import { type LocalNode, localNode } from '../node/local-node.ts'

/** A node of a cluster that tests build by the kernel port alone, with one pod. */
export interface TestNode {
  /** What its tunnel of programs counted, if it had one. */
  readonly tunnelDrops: Record<string, number>
  readonly name: string
  readonly kernel: Kernel
  /** In 172.16.170.0/24, or in 172.16.180.0/24 of nodes behind the router. */
  readonly address: IpAddress
  readonly pod: string
  readonly podKernel: Kernel
  readonly podAddress: IpAddress
  readonly hostInterface: string
  readonly access: LocalNode
}

export interface TestCluster {
  /** server01 and server02 in one subnet; server03, if tunnels were asked for, in another. */
  readonly nodes: readonly TestNode[]
  readonly directory: Directory
  /** The router's address in the network of server01. */
  readonly router: IpAddress
  /** Where the nodes' cables end: "port1" is server01's. */
  readonly network: Kernel
  close(): void
}

const GATEWAY = ip('169.254.1.1')
const CALI_MAC = mac('ee:ee:ee:ee:ee:ee')
/** What the host's end of a pod's link has by its MAC address. */
const CALI_LINK_LOCAL = ip('fe80::ecee:eeff:feee:eeee')

type Side = 'near' | 'far'

/** The addresses of a cluster, by family; `at` counts nodes from 0. */
const PLAN = {
  4: {
    router: { near: ip('172.16.170.2'), far: ip('172.16.180.2') },
    node: (at: number, side: Side) => ip(`172.16.${side === 'near' ? 170 : 180}.${128 + at}`),
    pod: (at: number) => ip(`10.211.${at}.4`),
    length: 24,
    everything: '0.0.0.0/0',
  },
  6: {
    router: { near: ip('fd00:170::ff'), far: ip('fd00:180::ff') },
    node: (at: number, side: Side) => ip(`fd00:${side === 'near' ? 170 : 180}::${at + 1}`),
    pod: (at: number) => ip(`fd00:211:0:${at}::4`),
    length: 64,
    everything: '::/0',
  },
} as const

export type Tunnel = 'ipip' | 'vxlan'

export interface TestClusterOptions {
  readonly machine: Machine
  readonly clock: Clock
  /** Before the names of namespaces, so that several test runs do not meet. */
  readonly unique: string
  /** A third node in another subnet, reached through it. Throws EOPNOTSUPP where the kernel has no IPIP. */
  readonly tunnel?: Tunnel
  /** Without a tunnel: a third node in the subnet of the other two. */
  readonly isOfThree?: boolean
  /** Of all addresses; 4 when absent. Tunnels are of IPv4. */
  readonly family?: Family
  /** Between two questions for a neighbor, in milliseconds; a second when absent, as kernels have it. */
  readonly neighborMilliseconds?: number
}

/** Nodes with a pod each, joined by a router, with routes as Calico's CrossSubnet has them. */
export function testCluster(options: TestClusterOptions): TestCluster {
  const builder = new Builder(options)
  try {
    return builder.build(options.tunnel)
  } catch (thrown) {
    builder.close()
    throw thrown
  }
}

/** Whether the kernel can make the tunnel that {@link TestClusterOptions.tunnel} asks for. */
export function hasIpip(machine: Machine, unique: string): boolean {
  const kernel = machine.createNamespace(`${unique}-probe`)
  try {
    kernel.createLink({ kind: 'ipip', name: 'tunl0' })
    return true
  } catch (thrown) {
    if (isKernelError(thrown, 'EOPNOTSUPP')) return false
    throw thrown
  } finally {
    machine.deleteNamespace(`${unique}-probe`)
  }
}

class Builder {
  readonly #options: TestClusterOptions
  readonly #names: string[] = []
  readonly #nodes: TestNode[] = []

  constructor(options: TestClusterOptions) {
    this.#options = options
  }

  build(tunnel: Tunnel | undefined): TestCluster {
    const { isOfThree = tunnel !== undefined } = this.#options
    const { router, length: prefixLength } = PLAN[this.#family]
    const network = this.#make('net')
    for (const bridge of ['near', 'far'] as const) {
      network.createLink({ kind: 'bridge', name: bridge })
      const linkIndex = up(network, bridge)
      network.addAddress({ linkIndex, address: router[bridge], prefixLength, scope: 'global' })
    }
    forwardPackets(network, this.#family)
    for (let at = 0; at < (isOfThree ? 3 : 2); at++) {
      this.#nodes.push(this.#node(network, at, at === 2 && tunnel !== undefined ? 'far' : 'near'))
    }
    for (const node of this.#nodes) joinTo(node, this.#nodes, tunnel)
    this.#hurryNeighbors()
    const close = (): void => this.close()
    const directory = directoryOf(this.#nodes, tunnel)
    return { nodes: this.#nodes, directory, network, router: router.near, close }
  }

  #hurryNeighbors(): void {
    const { neighborMilliseconds } = this.#options
    if (neighborMilliseconds === undefined) return
    for (const kernel of this.#nodes.flatMap((node) => [node.kernel, node.podKernel])) {
      for (const { name } of kernel.links()) {
        if (name === 'lo' || name === 'tunl0') continue
        const path = `ipv${this.#family}.neigh.${name.replaceAll('.', '/')}.retrans_time_ms`
        kernel.writeSysctl(path, String(neighborMilliseconds))
      }
    }
  }

  get #family(): Family {
    return this.#options.family ?? 4
  }

  close(): void {
    for (const node of this.#nodes) node.access.close()
    for (const name of this.#names.splice(0)) this.#options.machine.deleteNamespace(name)
  }

  #make(name: string): Kernel {
    const whole = `${this.#options.unique}-${name}`
    const kernel = this.#options.machine.createNamespace(whole)
    this.#names.push(whole)
    // Else an IPv6 address is not to be used before it is known to be nobody's.
    if (this.#family === 6) kernel.writeSysctl('ipv6.conf.default.accept_dad', '0')
    up(kernel, 'lo')
    return kernel
  }

  #node(network: Kernel, at: number, side: Side): TestNode {
    const { machine, clock, unique } = this.#options
    const plan = PLAN[this.#family]
    const serial = at + 1
    const [name, podName] = [`server0${serial}`, `pod${serial}`]
    const [kernel, podKernel] = [this.#make(name), this.#make(podName)]
    const [address, podAddress] = [plan.node(at, side), plan.pod(at)]
    const hostInterface = `cali0000000000${serial}`
    plugIn(network, kernel, `port${serial}`, side)
    const ens33 = up(kernel, 'ens33')
    const { length: prefixLength } = plan
    kernel.addAddress({ linkIndex: ens33, address, prefixLength, scope: 'global' })
    forwardPackets(kernel, this.#family)
    attachPod(kernel, podKernel, hostInterface, podAddress)
    const pod = `default/${podName}`
    const path = (which: string): string => machine.namespacePath(`${unique}-${which}`)
    const local = { pod, containerInterface: 'eth0', hostInterface, path: path(podName) }
    const tunnelDrops: Record<string, number> = {}
    const access = localNode({
      node: name,
      machine: 'this',
      host: kernel,
      path: path(name),
      clock,
      pods: () => [{ ...local, kernel: () => podKernel }],
      tunnelDrops: () => ({ ...tunnelDrops, ...programCounters(kernel) }),
    })
    return { name, tunnelDrops, kernel, address, pod, podKernel, podAddress, hostInterface, access }
  }
}

/** Counters of a table of the packet filter that stands for the programs of a tunnel. */
function programCounters(kernel: Kernel): Record<string, number> {
  const counters = kernel.packetFilterCounters('tunnel-programs')
  return Object.fromEntries([...counters].map(([name, { packets }]) => [name, packets]))
}

function forwardPackets(kernel: Kernel, family: Family): void {
  kernel.writeSysctl(family === 4 ? 'ipv4.ip_forward' : 'ipv6.conf.all.forwarding', '1')
}

function plugIn(network: Kernel, kernel: Kernel, port: string, bridge: string): void {
  network.createLink({ kind: 'veth', name: port, peer: { name: 'ens33', kernel } })
  const masterIndex = network.link(bridge)!.index
  network.changeLink(network.link(port)!.index, { masterIndex, up: true })
}

function attachPod(host: Kernel, pod: Kernel, hostInterface: string, address: IpAddress): void {
  const peer = { name: 'eth0', kernel: pod }
  host.createLink({ kind: 'veth', name: hostInterface, macAddress: CALI_MAC, peer })
  host.writeSysctl(`ipv4.conf.${hostInterface}.proxy_arp`, '1')
  host.writeSysctl(`ipv4.conf.${hostInterface}.rp_filter`, '1')
  host.writeSysctl(`ipv4.neigh.${hostInterface}.proxy_delay`, '0')
  const hostEnd = up(host, hostInterface)
  const eth0 = up(pod, 'eth0')
  const family = familyOf(address)
  const [prefixLength, gateway] = family === 4 ? [32, GATEWAY] : [128, CALI_LINK_LOCAL]
  pod.addAddress({ linkIndex: eth0, address, prefixLength, scope: 'global' })
  const scope = family === 4 ? 'link' : 'global'
  if (family === 4) pod.addRoute(route({ destination: gateway, scope, hop: { linkIndex: eth0 } }))
  const { everything } = PLAN[family]
  pod.addRoute(route({ destination: everything, hop: { linkIndex: eth0, gateway } }))
  host.addRoute(route({ destination: address, scope, hop: { linkIndex: hostEnd } }))
}

/** A block with its blackhole, the other nodes' blocks, and a default route, as proxy ARP needs one. */
function joinTo(node: TestNode, nodes: readonly TestNode[], tunnel: Tunnel | undefined): void {
  const { kernel } = node
  const ens33 = kernel.link('ens33')!.index
  const protocol = ROUTE_PROTOCOL.bird
  const { router, length, everything } = PLAN[familyOf(node.address)]
  const own = prefixOf(node.podAddress, length)
  kernel.addRoute({ ...route({ destination: own, protocol }), type: 'blackhole' })
  const isNear = contains(prefixOf(router.near, length), node.address)
  const gateway = isNear ? router.near : router.far
  kernel.addRoute(route({ destination: everything, hop: { linkIndex: ens33, gateway } }))
  if (tunnel === 'ipip') addTunnel(kernel, vtepOf(node))
  if (tunnel === 'vxlan') addVxlan(node)
  for (const other of nodes) {
    if (other === node) continue
    const destination = prefixOf(other.podAddress, length)
    const isDirect = prefixOf(other.address, length) === prefixOf(node.address, length)
    const hop = isDirect
      ? { linkIndex: ens33, gateway: other.address }
      : tunnel === 'vxlan'
        ? { linkIndex: kernel.link(VXLAN)!.index, gateway: vtepOf(other), onlink: true }
        : { linkIndex: kernel.link('tunl0')!.index, gateway: other.address, onlink: true }
    if (!isDirect && tunnel === 'vxlan') addVtep(kernel, other)
    kernel.addRoute(route({ destination, protocol, hop }))
  }
}

/** The first address of the node's block. */
function vtepOf({ podAddress }: TestNode): IpAddress {
  return ip(podAddress.replace(/\d+$/, '1'))
}

const VXLAN = 'vxlan.calico'
const vtepMac = ({ name }: TestNode) => mac(`66:00:00:00:00:${name.slice(-2)}`)

function addVxlan(node: TestNode): void {
  const { kernel, address: localAddress } = node
  const parentIndex = kernel.link('ens33')!.index
  const vxlan = { vni: 4096, port: 4789, localAddress, parentIndex, learning: false }
  kernel.createLink({ kind: 'vxlan', name: VXLAN, macAddress: vtepMac(node), vxlan })
  const linkIndex = up(kernel, VXLAN)
  kernel.addAddress({ linkIndex, address: vtepOf(node), prefixLength: 32, scope: 'global' })
}

function addVtep(kernel: Kernel, other: TestNode): void {
  const linkIndex = kernel.link(VXLAN)!.index
  const macAddress = vtepMac(other)
  kernel.setForwardingEntry({ linkIndex, macAddress, remoteAddress: other.address })
  kernel.setNeighbor({ linkIndex, address: vtepOf(other), macAddress, state: 'permanent' })
}

/** tunl0 with its address. */
function addTunnel(kernel: Kernel, address: IpAddress): void {
  const { index } =
    kernel.link('tunl0') ?? kernel.createLink({ kind: 'ipip', name: 'tunl0', mtu: 1480 })
  kernel.changeLink(index, { up: true, mtu: 1480 })
  kernel.addAddress({ linkIndex: index, address, prefixLength: 32, scope: 'global' })
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

/** The route of the main table to exactly this destination. */
export function routeTo(kernel: Kernel, destination: string): Route {
  return kernel.routes().find((each) => each.destination === destination)!
}

function up(kernel: Kernel, name: string): number {
  const { index } = kernel.link(name)!
  kernel.changeLink(index, { up: true })
  return index
}

function directoryOf(nodes: readonly TestNode[], tunnel: Tunnel | undefined): Directory {
  return {
    nodes: nodes.map((node) => ({
      name: node.name,
      addresses: [node.address, ...(tunnel === undefined ? [] : [vtepOf(node)])],
    })),
    endpoints: nodes.map(({ name, pod, podAddress, hostInterface }) => ({
      pod,
      node: name,
      addresses: [podAddress],
      containerInterface: 'eth0',
      hostInterface,
    })),
  }
}
