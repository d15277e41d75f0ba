import { type ComposedAgent, composeAgent } from '../../src/composition/compose-agent.ts'
import { memorySysctls, type SavedSysctls } from '../../src/agent/dataplane/host-sysctls.ts'
import { type Attachment, attachmentKey, MemoryAttachmentStore } from '../../src/cni/attachment.ts'
import { Ipam } from '../../src/ipam/ipam.ts'
import { RowIpamStore } from '../../src/ipam/row-ipam-store.ts'
import { type Kernel, ROUTE_PROTOCOL } from '../../src/kernel/kernel.ts'
import { type Impairment } from '../../src/kernel/sim/links/device.ts'
import { Reachability } from '../../src/kernel/sim/reachability.ts'
import { createSimulatedMachine, type SimulatedMachine } from '../../src/kernel/sim/machine.ts'
import { Builder } from '../../src/lab/build.ts'
import { chooseNames } from '../../src/lab/lab-names.ts'
import { parseTopology } from '../../src/lab/parse-topology.ts'
import { type LabPlan, planLab } from '../../src/lab/plan.ts'
import { VirtualClock } from '../../src/lib/clock.ts'
import { MemoryTextFile } from '../../src/lib/text-file.ts'
import type { Sabotage } from './sabotage.ts'
import { type Log, silentLog } from '../../src/lib/log.ts'
import { SeededRandom } from '../../src/lib/random.ts'
import { FaultyStore } from '../../src/store/faulty-store.ts'
import { MemoryStore } from '../../src/store/memory-store.ts'
import { resourceKey } from '../../src/store/keys.ts'
import { Resources } from '../../src/store/resources.ts'
import { StoreUnavailable } from '../../src/store/store.ts'
import { FormerOwners } from './former-owners.ts'
import { PodRuntime } from './pod-runtime.ts'
import { SimulatedProcess } from './simulated-process.ts'

/** One node: what lives on when its agent dies, and the agent of now. */
export interface ClusterNode {
  readonly name: string
  readonly address: string
  /** For looking, never wrapped. */
  readonly kernel: Kernel
  readonly attachments: MemoryAttachmentStore
  readonly savedSysctls: SavedSysctls
  /** The cluster as the node last saw it. */
  readonly clusterFile: MemoryTextFile
  readonly runtime: PodRuntime
  process: SimulatedProcess | undefined
  agent: ComposedAgent | undefined
  /** How the agent sees the store; the one for the next agent as well. */
  storeDelayMilliseconds: number
  storeOutage: boolean
  /** The share of answers of the store that are lost. */
  storeLoss: number
  /** The machine has died, and nothing has taken its place yet. */
  gone: boolean
  store: FaultyStore | undefined
}

export interface ClusterOptions {
  readonly seed: number
  readonly nodes: number
  /** Every third node is in a second network, behind a router. */
  readonly twoNetworks: boolean
  /** What packets between the networks travel in; IPIP when absent. With VXLAN nobody speaks BGP. */
  readonly encapsulation?: 'ipip' | 'vxlan'
  /** Of the pool, whose blocks have eight addresses, perhaps too few for all nodes; 10.211.0.0/24 when absent. */
  readonly pool?: string
  readonly log?: Log
  /** A mistake built into every agent, to see whether it is found. */
  readonly sabotage?: Sabotage
}

/** A whole cluster on one virtual clock and one source of randomness. */
export class SimulatedCluster {
  readonly clock = new VirtualClock()
  readonly random: SeededRandom
  readonly machine: SimulatedMachine
  readonly shared: MemoryStore
  readonly ipam: Ipam
  readonly nodes: readonly ClusterNode[]
  readonly reachability: Reachability
  readonly formerOwners: FormerOwners
  /** When the last fault was over; infinite until then. */
  quietSince = Infinity
  /** Keys of rows that somebody spoilt, until they are mended. */
  readonly spoilt = new Set<string>()
  readonly #log: Log
  readonly #plan: LabPlan
  readonly #sabotage: Sabotage
  readonly #options: ClusterOptions
  /** The link that has each node's address in the pod network. */
  readonly tunnelLink: string

  constructor(options: ClusterOptions) {
    this.random = new SeededRandom(options.seed)
    this.#options = options
    this.#log = options.log ?? silentLog
    this.#sabotage = options.sabotage ?? {}
    this.tunnelLink = options.encapsulation === 'vxlan' ? 'vxlan.calico' : 'tunl0'
    const { clock, random } = this
    this.machine = createSimulatedMachine({ clock, random, log: this.#log })
    this.shared = new MemoryStore()
    this.formerOwners = new FormerOwners(this.shared, clock)
    const text = topologyText(options)
    const topology = parseTopology(text, 'cluster.yaml')
    this.#plan = planLab(topology, chooseNames('sim', topology, new Set()))
    const builder = new Builder(this.machine)
    for (const step of this.#plan.steps) builder.do(step)
    builder.close()
    const rows = new RowIpamStore({ store: this.shared, clock, random, log: silentLog })
    this.ipam = new Ipam({ store: rows, resources: this.#client(), clock, random })
    this.nodes = this.#plan.nodes.map(({ name, namespace, address }) => {
      const node: ClusterNode = {
        name,
        address: address.address,
        kernel: this.machine.openNamespace(namespace),
        attachments: new MemoryAttachmentStore(),
        savedSysctls: memorySysctls(),
        clusterFile: new MemoryTextFile(),
        runtime: new PodRuntime({
          clock,
          random,
          machine: this.machine,
          node: name,
          agent: () => (node.process?.alive === true ? node : undefined),
        }),
        process: undefined,
        agent: undefined,
        storeDelayMilliseconds: 0,
        storeOutage: false,
        storeLoss: 0,
        gone: false,
        store: undefined,
      }
      return node
    })
    const kernels = this.machine.namespaces().map((name) => this.machine.openNamespace(name))
    this.reachability = new Reachability(kernels)
  }

  /** Nodes whose machines are there, with an agent or without. */
  get present(): readonly ClusterNode[] {
    return this.nodes.filter(({ gone }) => !gone)
  }

  /** Fills the store and starts every agent. */
  async start(): Promise<void> {
    const client = this.#client()
    for (const draft of this.#plan.resources) await client.create(draft)
    const { pool } = this.#options
    if (pool !== undefined) {
      await client.delete('IPPool', 'pool')
      const drafts = this.#plan.resources.filter(({ kind }) => kind === 'IPPool')
      for (const draft of drafts)
        await client.create({ ...draft, spec: { ...draft.spec, cidr: pool } })
    }
    for (const node of this.nodes) this.startAgent(node)
  }

  #client(): Resources {
    const { clock, random, shared } = this
    return new Resources({ store: shared, clock, random, log: silentLog })
  }

  startAgent(node: ClusterNode): void {
    if (node.gone || node.process?.alive === true) return
    const life = new SimulatedProcess()
    const clock = life.clock(this.clock)
    const store = new FaultyStore(unclosable(this.shared), this.clock)
    store.faults.delayMilliseconds = node.storeDelayMilliseconds
    store.faults.after = () => {
      if (this.random.fraction() < node.storeLoss) throw new StoreUnavailable('no answer')
    }
    if (node.storeOutage) store.beginOutage()
    node.store = store
    node.process = life
    const { kernel: spoilKernel, store: spoilStore, attachments: spoilAttachments } = this.#sabotage
    const open = (name: string): Kernel => {
      const kernel = this.machine.openNamespace(name)
      return life.kernel(kernel, spoilKernel?.(kernel, node.kernel))
    }
    node.agent = composeAgent({
      node: node.name,
      kernel: open(node.name),
      machine: { openNamespace: open },
      store: life.store(spoilStore?.(store) ?? store),
      clock,
      random: this.random,
      log: this.#log.child({ node: node.name }),
      attachments: life.port(spoilAttachments?.(node.attachments) ?? node.attachments),
      savedSysctls: life.port(node.savedSysctls),
      clusterFile: life.port(node.clusterFile),
      machineId: 'simulated',
    })
    node.agent.start().catch((thrown: unknown) => {
      // As a process that cannot start: it ends, and whoever watches over it starts it again.
      if (life.alive) this.#log.warn('agent could not start', { node: node.name, thrown })
      life.kill()
    })
  }

  killAgent(node: ClusterNode): void {
    node.process?.kill()
  }

  /** The machine of a node ends, with its pods and all that it remembers. */
  destroy(node: ClusterNode): void {
    if (node.gone) return
    node.gone = true
    this.killAgent(node)
    for (const way of ['out', 'in'] as const) this.impair(node, way, { cut: true })
    node.runtime.abandon()
    for (const row of node.attachments.list()) node.attachments.delete(attachmentKey(row))
    node.clusterFile.text = undefined
    wipe(node.kernel)
    this.formerOwners.died(node.name)
  }

  /** What a cluster's garbage collection does for a machine that is no more. */
  async clear(node: ClusterNode): Promise<void> {
    const client = this.#client()
    for (const { metadata, spec } of await client.list('WorkloadEndpoint')) {
      if (spec.node !== node.name) continue
      await client.delete('WorkloadEndpoint', metadata.name, { namespace: metadata.namespace! })
    }
    // Whatever stands there: somebody may have spoilt it.
    await this.shared.transact({
      compare: [],
      success: [{ delete: resourceKey('Node', node.name) }],
    })
    await this.ipam.releaseNode(node.name)
  }

  /** An empty machine takes the place of one that has died. */
  async restore(node: ClusterNode): Promise<void> {
    if (!node.gone) return
    const draft = this.#plan.resources.find(
      ({ kind, metadata }) => kind === 'Node' && metadata.name === node.name,
    )!
    await this.#client().create(draft)
    node.gone = false
    for (const way of ['out', 'in'] as const) this.impair(node, way, undefined)
    this.formerOwners.lives(node.name)
    this.startAgent(node)
  }

  /** Trouble on the cable between a node and its network: outwards, inwards or both. */
  impair(node: ClusterNode, way: 'out' | 'in', impairment: Impairment | undefined): void {
    if (node.gone && impairment?.cut !== true) return
    if (way === 'out') this.machine.impair(node.kernel, 'ens33', impairment)
    else {
      const network = this.machine.openNamespace(this.#networkOf(node))
      this.machine.impair(network, node.name, impairment)
      network.close()
    }
  }

  #networkOf(node: ClusterNode): string {
    return node.address.startsWith('172.16.170.') ? 'lan' : 'far'
  }

  setStoreOutage(node: ClusterNode, outage: boolean): void {
    node.storeOutage = outage
    if (node.process?.alive !== true) return
    if (outage) node.store?.beginOutage()
    else node.store?.endOutage()
  }

  setStoreTrouble(node: ClusterNode, milliseconds: number, loss: number): void {
    node.storeDelayMilliseconds = milliseconds
    node.storeLoss = loss
    if (node.store !== undefined) node.store.faults.delayMilliseconds = milliseconds
  }

  /** Pods that are attached, with the node they are on. */
  attached(): readonly { readonly node: ClusterNode; readonly attachment: Attachment }[] {
    return this.nodes.flatMap((node) =>
      node.attachments
        .list()
        .filter(({ state }) => state === 'ready')
        .map((attachment) => ({ node, attachment })),
    )
  }
}

/** Leaves of a host what its builder made. */
function wipe(kernel: Kernel): void {
  for (const route of kernel.routes()) {
    if (route.protocol === ROUTE_PROTOCOL.bird || route.protocol === ROUTE_PROTOCOL.felix) {
      kernel.deleteRoute(route)
    }
  }
  const tunnel = kernel.link('tunl0')
  for (const row of kernel.addresses()) {
    if (row.linkIndex === tunnel?.index) kernel.deleteAddress(row)
  }
  const vxlan = kernel.link('vxlan.calico')
  if (vxlan !== undefined) kernel.deleteLink(vxlan.index)
}

function unclosable(store: MemoryStore): ConstructorParameters<typeof FaultyStore>[0] {
  return {
    get: (key) => store.get(key),
    list: (prefix) => store.list(prefix),
    transact: (transaction) => store.transact(transaction),
    watch: (prefix, fromRevision, handlers) => store.watch(prefix, fromRevision, handlers),
    close() {},
  }
}

function topologyText(options: ClusterOptions): string {
  const { nodes, twoNetworks, encapsulation = 'ipip' } = options

  const hosts = Array.from({ length: nodes }, (_, at) => {
    const isFar = twoNetworks && at % 3 === 2
    const address = isFar ? `172.16.171.${128 + at}/24` : `172.16.170.${128 + at}/24`
    return `  - { name: n${at}, interfaces: [{ name: ens33, network: ${isFar ? 'far' : 'lan'}, address: ${address} }] }`
  })
  const router = `routers:
  - name: router
    interfaces:
      - { name: eth0, network: lan, address: 172.16.170.1/24 }
      - { name: eth1, network: far, address: 172.16.171.1/24 }
`
  return `name: sim
networks:
  - { name: lan, cidr: 172.16.170.0/24 }
${twoNetworks ? '  - { name: far, cidr: 172.16.171.0/24 }\n' : ''}nodes:
${hosts.join('\n')}
${twoNetworks ? router : ''}pools:
  - { name: pool, cidr: 10.211.0.0/24, blockSize: 29, ${encapsulation}Mode: CrossSubnet }
bgp: { nodeToNodeMeshEnabled: ${encapsulation === 'ipip'} }
`
}
