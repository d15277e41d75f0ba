import { checkedMethods } from '../api/checked-methods.ts'
import type { AgentApi } from '../api/methods.ts'
import { debugMethods } from '../api/debug-methods.ts'
import { AGENT_PARAMS } from '../api/params-schemas.ts'
import { NodeAgent } from '../agent/agent.ts'
import type { SavedSysctls } from '../agent/dataplane/host-sysctls.ts'
import { NodeIpam } from '../agent/datastore/node-ipam.ts'
import { storeFeed } from '../agent/cluster/store-feed.ts'
import type { TunnelKind, TunnelPrograms } from '../agent/tunnel/tunnel-device.ts'
import { NetworkProfiles } from '../agent/cluster/network-profiles.ts'
import { WorkloadEndpoints } from '../agent/cluster/workload-endpoints.ts'
import { bgpControlMethods } from '../bgpd/control-methods.ts'
import { createSpeaker } from '../bgp/index.ts'
import { type Attachment, type AttachmentStore } from '../cni/attachment.ts'
import { CniService } from '../cni/service.ts'
import { Ipam } from '../ipam/ipam.ts'
import { RowIpamStore } from '../ipam/row-ipam-store.ts'
import type { Clock } from '../lib/clock.ts'
import { AGENT_TOPICS } from '../lib/debug-topics.ts'
import type { Log } from '../lib/log.ts'
import type { Random } from '../lib/random.ts'
import type { RpcMethods } from '../lib/rpc.ts'
import type { TextFile } from '../lib/text-file.ts'
import type { Kernel, Machine } from '../kernel/kernel.ts'
import type { DecodedRows } from '../store/row-resource-store.ts'
import { LastGoodRows } from '../store/last-good-rows.ts'
import { Resources } from '../store/resources.ts'
import type { Store } from '../store/store.ts'
import { localNode } from '../trace/node/local-node.ts'
import { nodeMethods } from '../trace/node/node-rpc.ts'

/** All that one node's agent stands on: real in `main/agent.ts`, simulated in a simulated cluster. */
export interface AgentPorts {
  /** Name of the Node resource. */
  readonly node: string
  /** The node's network namespace. */
  readonly kernel: Kernel
  /** Where pods' network namespaces are opened. */
  readonly machine: Pick<Machine, 'openNamespace'>
  /** What tunl0 is to be made of; "auto" when absent. */
  readonly tunnelKind?: TunnelKind
  /** For kernels without the ipip module. */
  readonly tunnelPrograms?: TunnelPrograms
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly attachments: AttachmentStore
  /** What the agent changed on its host. */
  readonly savedSysctls: SavedSysctls
  /** Where the cluster is kept as last seen; absent: it is not kept. */
  readonly clusterFile?: TextFile
  /** Where agents of one process share what the rows of their store mean. */
  readonly decoded?: DecodedRows
  /** Equal on nodes whose packet clocks can be compared. */
  readonly machineId: string
  /** Path of the node's network namespace, where it has one that a person can type. */
  readonly namespacePath?: string
  /** Runs a task after the I/O that waits now; by the clock when absent. */
  readonly defer?: (task: () => void) => void
}

export interface ComposedAgent {
  readonly agent: NodeAgent
  /** What the agent's socket answers. */
  readonly methods: RpcMethods
  start(): Promise<void>
  stop(options: { readonly graceful: boolean }): Promise<void>
}

/**
 * One node, top to bottom:
 *
 *     store ──> Resources ──feed──> NodeAgent ──> kernel (routes, tunl0)
 *       │           ^                 │  ^
 *       └─> Ipam    │endpoints        │  └─best paths── Speaker <──TCP── other nodes
 *             ^     │                 └──own blocks───────^
 *             │     │
 *     socket ─┴─ CniService ──> kernel, pods' kernels
 *           └─── LocalNode ───> tables, captures, probes (trace)
 */
export function composeAgent(ports: AgentPorts): ComposedAgent {
  const { node, kernel, machine, store, clock, random, log, attachments } = ports

  const { clusterFile, decoded } = ports
  const lastGood = clusterFile && new LastGoodRows({ file: clusterFile, clock, log })
  const resources = new Resources({ store, clock, random, log, decoded, lastGood })
  const rows = new RowIpamStore({ store, clock, random, log, decoded })
  const ipam = new Ipam({ store: rows, resources, clock, random })
  const nodeIpam = new NodeIpam({ node, ipam, resources, clock })
  const speaker = createSpeaker({
    clock,
    random,
    tcp: kernel.tcp,
    log: log.child({ part: 'bgp' }),
    ...(ports.defer === undefined ? {} : { defer: ports.defer }),
  })
  const agent = new NodeAgent({
    node,
    kernel,
    machine,
    tunnelKind: ports.tunnelKind ?? 'auto',
    ...(ports.tunnelPrograms === undefined ? {} : { tunnelPrograms: ports.tunnelPrograms }),
    feed: storeFeed(resources, ipam),
    addresses: nodeIpam,
    savedSysctls: ports.savedSysctls,
    speaker,
    clock,
    random,
    log: log.child({ part: 'agent' }),
    pods: () => attachments.list(),
  })
  const cni = new CniService({
    node,
    boot: ports.machineId,
    host: kernel,
    machine,
    addresses: nodeIpam,
    endpoints: new WorkloadEndpoints(
      resources,
      node,
      new NetworkProfiles({ store, clock, random }),
    ),
    attachments,
    log: log.child({ part: 'cni' }),
    clock,
    random,
    podMtu: () => agent.podMtu(),
    notReady: () => agent.notReady(),
    lacking: () => agent.status().lacking,
    onChange: () => agent.podsChanged(),
  })
  const podKernels = new PodKernels(machine, attachments)
  const traced = localNode({
    node,
    machine: ports.machineId,
    host: kernel,
    ...(ports.namespacePath === undefined ? {} : { path: ports.namespacePath }),
    pods: () => podKernels.list(),
    clock,
    tunnelDrops: () => agent.tunnelDrops(),
  })

  return {
    agent,
    methods: checkedMethods<AgentApi>(AGENT_PARAMS, {
      status: () => {
        agent.settle()
        return Promise.resolve(agent.status())
      },
      cni: (request) => cni.handle(request),
      ...debugMethods(log, AGENT_TOPICS),
      ...nodeMethods(traced),
      ...bgpControlMethods(speaker),
    }),
    start() {
      cni.recover()
      agent.start()
      return Promise.resolve()
    },
    async stop(options) {
      cni.stop()
      traced.close()
      podKernels.close()
      await agent.stop(options)
      await lastGood?.close()
    },
  }
}

/** The namespaces of this node's pods, each opened when first looked at and closed when its pod is gone. */
class PodKernels {
  readonly #machine: Pick<Machine, 'openNamespace'>
  readonly #attachments: AttachmentStore
  readonly #open = new Map<string, Kernel>()

  constructor(machine: Pick<Machine, 'openNamespace'>, attachments: AttachmentStore) {
    this.#machine = machine
    this.#attachments = attachments
  }

  list() {
    const rows = this.#attachments.list().filter((row) => row.state === 'ready')
    const live = new Set(rows.map((row) => row.networkNamespace))
    for (const [path, kernel] of this.#open) {
      if (live.has(path)) continue
      kernel.close()
      this.#open.delete(path)
    }
    return rows.map((row) => ({
      pod: `${row.namespace}/${row.pod}`,
      containerInterface: row.interfaceName,
      hostInterface: row.hostInterfaceName,
      path: row.networkNamespace,
      kernel: () => this.#kernelOf(row),
    }))
  }

  #kernelOf({ networkNamespace }: Attachment): Kernel {
    let kernel = this.#open.get(networkNamespace)
    if (kernel === undefined) {
      kernel = this.#machine.openNamespace(networkNamespace)
      this.#open.set(networkNamespace, kernel)
    }
    return kernel
  }

  close(): void {
    for (const kernel of this.#open.values()) kernel.close()
    this.#open.clear()
  }
}
