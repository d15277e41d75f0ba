import { memorySysctls } from '../../src/agent/dataplane/host-sysctls.ts'
import { MemoryAttachmentStore } from '../../src/cni/attachment.ts'
import { type Kernel, ROUTE_PROTOCOL, ROUTE_TABLE } from '../../src/kernel/kernel.ts'
import { SimulatedMachine } from '../../src/kernel/sim/machine.ts'
import { VirtualClock } from '../../src/lib/clock.ts'
import { silentLog } from '../../src/lib/log.ts'
import { SeededRandom } from '../../src/lib/random.ts'
import { composeAgent, type ComposedAgent } from '../../src/composition/compose-agent.ts'
import type { Draft } from '../../src/model/resource.ts'
import { ip, type IpAddress } from '../../src/net/ip-address.ts'
import { prefix } from '../../src/net/prefix.ts'
import type { DecodedRows } from '../../src/store/row-resource-store.ts'
import { MemoryStore } from '../../src/store/memory-store.ts'
import { Resources } from '../../src/store/resources.ts'

export interface ClusterSize {
  readonly nodes: number
  readonly podsPerNode: number
  /** Route reflectors, which are the first nodes; 0: a full mesh. */
  readonly reflectors: number
  readonly seed: number
}

/** Nodes on one segment; a router joins the segments. */
const NODES_PER_RACK = 50
/** A speaker's work takes time, in which more comes in: real ones batch for that reason too. */
const TURN_MILLISECONDS = 10
const NETWORK = 'k8s-pod-network'

interface SimulatedNode {
  readonly name: string
  readonly address: IpAddress
  readonly kernel: Kernel
  readonly composed: ComposedAgent
}

/**
 * A cluster of any size in this process, of the same parts as a lab's: a simulated machine, one store,
 * an agent for each node. Racks of 50 nodes are a segment each; one router joins them, so that between
 * racks packets go through tunl0 (ipipMode CrossSubnet).
 */
export class SimulatedCluster {
  readonly clock = new VirtualClock()
  readonly machine: SimulatedMachine
  readonly store = new MemoryStore()
  readonly nodes: SimulatedNode[] = []
  /** Names of the pods' namespaces, by node. */
  readonly pods = new Map<string, string[]>()
  readonly #random: SeededRandom
  readonly #decoded: DecodedRows = new WeakMap()
  readonly #size: ClusterSize
  #created = 0

  constructor(size: ClusterSize) {
    this.#size = size
    this.#random = new SeededRandom(size.seed)
    this.machine = new SimulatedMachine({ clock: this.clock, random: this.#random })
  }

  /** Lets virtual time run until `work` is done. */
  async run<T>(work: Promise<T>): Promise<T> {
    let done = false
    const finished = work.finally(() => (done = true))
    finished.catch(() => {})
    while (!done) await this.clock.advance(10)
    return finished
  }

  /** Namespaces, cables, the datastore's rows, and the agents, which start side by side. */
  async start(): Promise<void> {
    this.#build()
    await this.run(this.#fillStore())
    for (const { composed } of this.nodes) void composed.start()
  }

  #build(): void {
    const { machine } = this
    const fabric = machine.createNamespace('fabric')
    fabric.writeSysctl('ipv4.ip_forward', '1')
    for (let at = 0; at < this.#size.nodes; at++) {
      const rack = Math.floor(at / NODES_PER_RACK)
      const bridge = fabric.link(`rack${rack}`) ?? rackOf(fabric, rack)
      const name = `node${String(at).padStart(4, '0')}`
      const kernel = machine.createNamespace(name)
      const port = fabric.createLink({
        kind: 'veth',
        name: `port${at}`,
        mtu: 1500,
        peer: { name: 'eth0', kernel },
      })
      fabric.changeLink(port.index, { masterIndex: bridge.index, up: true })
      const address = ip(`10.0.${rack}.${(at % NODES_PER_RACK) + 10}`)
      giveAddress(kernel, 'eth0', address)
      kernel.changeLink(kernel.link('lo')!.index, { up: true })
      kernel.addRoute({
        destination: prefix('0.0.0.0/0'),
        type: 'unicast',
        table: ROUTE_TABLE.main,
        protocol: ROUTE_PROTOCOL.static,
        scope: 'global',
        priority: 0,
        nextHops: [{ linkIndex: kernel.link('eth0')!.index, gateway: ip(`10.0.${rack}.1`) }],
      })
      this.nodes.push({ name, address, kernel, composed: this.#agent(name, kernel) })
    }
  }

  #agent(node: string, kernel: Kernel): ComposedAgent {
    const { clock, machine, store } = this
    return composeAgent({
      node,
      kernel,
      machine,
      store,
      clock,
      random: this.#random,
      log: silentLog,
      attachments: new MemoryAttachmentStore(),
      savedSysctls: memorySysctls(),
      machineId: 'simulated',
      decoded: this.#decoded,
      defer: (task) => void clock.after(TURN_MILLISECONDS, task),
    })
  }

  async #fillStore(): Promise<void> {
    const { clock, store } = this
    const resources = new Resources({ store, clock, random: this.#random, log: silentLog })
    for (const draft of this.#drafts()) await resources.create(draft)
  }

  *#drafts(): Generator<Draft> {
    const { reflectors } = this.#size
    yield {
      kind: 'ClusterInformation',
      metadata: { name: 'default' },
      spec: { datastoreReady: true },
    }
    yield {
      kind: 'IPPool',
      metadata: { name: 'default-ipv4-ippool' },
      spec: { cidr: '10.64.0.0/10', blockSize: 26, ipipMode: 'CrossSubnet' },
    }
    if (reflectors > 0) {
      yield {
        kind: 'BGPConfiguration',
        metadata: { name: 'default' },
        spec: { nodeToNodeMeshEnabled: false },
      }
      yield {
        kind: 'BGPPeer',
        metadata: { name: 'reflectors' },
        spec: { nodeSelector: 'all()', peerSelector: "reflector == 'true'" },
      }
    }
    for (const [at, { name, address }] of this.nodes.entries()) {
      const reflects = at < reflectors
      yield {
        kind: 'Node',
        metadata: { name, labels: reflects ? { reflector: 'true' } : {} },
        spec: {
          bgp: {
            ipv4Address: `${address}/24`,
            ...(reflects ? { routeReflectorClusterID: '10.255.255.1' } : {}),
          },
        },
      }
    }
  }

  /** Attaches the pods of all nodes; each node takes its own one after another. */
  async attachPods(): Promise<void> {
    await this.run(
      Promise.all(
        this.nodes.map(async (node) => {
          for (let at = 0; at < this.#size.podsPerNode; at++) await this.attachPod(node)
        }),
      ),
    )
  }

  /** Attaches a new pod of a node, as a container runtime does. */
  async attachPod(node: SimulatedNode): Promise<string> {
    const name = `pod${this.#created++}`
    this.machine.createNamespace(name).close()
    for (;;) {
      try {
        await node.composed.methods['cni']!(this.#request('ADD', name))
        break
      } catch (thrown) {
        if ((thrown as { code?: unknown }).code !== 'CNI11') throw thrown
        await new Promise<void>((resolve) => void this.clock.after(100, resolve))
      }
    }
    const own = this.pods.get(node.name) ?? []
    this.pods.set(node.name, own)
    own.push(name)
    return name
  }

  async detachPod(node: SimulatedNode, name: string): Promise<void> {
    await node.composed.methods['cni']!(this.#request('DEL', name))
    this.machine.deleteNamespace(name)
    const own = this.pods.get(node.name)!
    own.splice(own.indexOf(name), 1)
  }

  #request(command: 'ADD' | 'DEL', name: string): unknown {
    return {
      command,
      containerId: name,
      networkNamespace: this.machine.namespacePath(name),
      interfaceName: 'eth0',
      arguments: { K8S_POD_NAMESPACE: 'default', K8S_POD_NAME: name },
      configuration: { cniVersion: '1.1.0', name: NETWORK, type: 'tortie-cni' },
    }
  }

  /** Lets virtual time run until every node has a route to every block; false if it takes too long. */
  async converge(mostMilliseconds: number): Promise<boolean> {
    const until = this.clock.now() + mostMilliseconds
    while (!this.isConverged()) {
      if (this.clock.now() > until) return false
      await this.clock.advance(100)
    }
    return true
  }

  isConverged(): boolean {
    const all = this.nodes.map(({ composed: { agent } }) => {
      agent.settle()
      return agent.status()
    })
    const blocks = all.reduce((sum, status) => sum + status.blocks.length, 0)
    return all.every(
      (status) => status.converged && status.learnedRoutes >= blocks - status.blocks.length,
    )
  }

  async stop(): Promise<void> {
    await this.run(
      Promise.all(this.nodes.map(({ composed }) => composed.stop({ graceful: false }))),
    )
  }
}

function rackOf(fabric: Kernel, rack: number) {
  const link = fabric.createLink({ kind: 'bridge', name: `rack${rack}`, mtu: 1500 })
  giveAddress(fabric, link.name, ip(`10.0.${rack}.1`))
  return link
}

function giveAddress(kernel: Kernel, name: string, address: IpAddress): void {
  const { index } = kernel.link(name)!
  kernel.addAddress({ linkIndex: index, address, prefixLength: 24, scope: 'global' })
  kernel.changeLink(index, { up: true })
}
