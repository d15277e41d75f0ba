import { memorySysctls } from '../agent/dataplane/host-sysctls.ts'
import { connect } from '../api/connect.ts'
import { PROTOCOL } from '../api/protocol.ts'
import type { AgentApi, AgentConnection } from '../api/methods.ts'
import { type Attachment, MemoryAttachmentStore } from '../cni/attachment.ts'
import type { SimulatedMachine } from '../kernel/sim/machine.ts'
import type { LabPorts, LabPrograms, LabState } from '../lab/lab-ports.ts'
import type { Clock } from '../lib/clock.ts'
import { UserError } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import type { Random } from '../lib/random.ts'
import { serveRpc, streamPair } from '../lib/rpc.ts'
import type { DecodedRows } from '../store/row-resource-store.ts'
import { MemoryStore } from '../store/memory-store.ts'
import type { RevisionedStore } from '../store/revisioned-store.ts'
import type { Store } from '../store/store.ts'
import { type AgentPorts, composeAgent, type ComposedAgent } from '../composition/compose-agent.ts'

export interface SimulatedLabOptions {
  readonly machine: SimulatedMachine
  readonly state: LabState
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** The datastore of a lab; one in memory when absent. */
  readonly makeStore?: () => RevisionedStore
  /** The store as one agent sees it, to put faults between them. */
  readonly storeOf?: (store: Store, node: string) => Store
  readonly progress?: (text: string) => void
}

/** A lab's programs as objects of this process, each agent with what outlives it. */
export interface SimulatedPrograms extends LabPrograms {
  /** The agent that runs on a node now. */
  agent(lab: string, node: string): ComposedAgent | undefined
  /** What the node remembers of its pods, agent or not. */
  attachments(lab: string, node: string): readonly Attachment[]
  store(lab: string): RevisionedStore | undefined
}

/**
 * The ports of a lab in one process: a simulated machine, programs as objects, all on one clock and one
 * source of randomness. With a virtual clock and a seed it is the same lab every time.
 */
export function simulatedLabPorts(
  options: SimulatedLabOptions,
): LabPorts & { readonly programs: SimulatedPrograms } {
  const { machine, state, clock, random, progress = () => {} } = options
  return {
    machine,
    state,
    clock,
    random,
    progress,
    warn: (text) => options.log.warn(text),
    programs: simulatedPrograms(options),
  }
}

interface Running {
  readonly node: string
  readonly composed: ComposedAgent
  close(): void
}

/** What outlives the agent of a node. */
type NodeMemory = Pick<AgentPorts, 'attachments' | 'savedSysctls'>

function simulatedPrograms(options: SimulatedLabOptions): SimulatedPrograms {
  const { machine, clock, random, log, makeStore = () => new MemoryStore() } = options
  const stores = new Map<string, RevisionedStore>()
  const agents = new Map<string, Map<string, Running>>()
  const decoded: DecodedRows = new WeakMap()
  const memories = new Map<string, NodeMemory>()

  const memoryOf = (lab: string, node: string): NodeMemory => {
    const key = `${lab}/${node}`
    let memory = memories.get(key)
    if (memory === undefined) {
      memory = { attachments: new MemoryAttachmentStore(), savedSysctls: memorySysctls() }
      memories.set(key, memory)
    }
    return memory
  }
  const storeOf = (lab: string): Store => {
    const store = stores.get(lab)
    if (store === undefined) throw new UserError(`Lab ${lab} has no store`)
    return store
  }

  function start(lab: string, node: string, namespace: string): void {
    const kernel = machine.openNamespace(namespace)
    const store = options.storeOf?.(storeOf(lab), node) ?? shared(storeOf(lab))
    const composed = composeAgent({
      node,
      kernel,
      machine,
      store,
      clock,
      random,
      log: log.child({ node }),
      ...memoryOf(lab, node),
      decoded,
      machineId: 'simulated',
      namespacePath: machine.namespacePath(namespace),
    })
    const running = { node, composed, close: () => (kernel.close(), store.close()) }
    const own = agents.get(lab) ?? new Map<string, Running>()
    agents.set(lab, own.set(node, running))
    void composed.start()
  }

  /** As a process that is killed: its sockets close, its kernel's state stays. */
  async function end(lab: string, node: string): Promise<void> {
    const running = agents.get(lab)?.get(node)
    if (running === undefined) return
    agents.get(lab)!.delete(node)
    await running.composed.stop({ graceful: true })
    running.close()
  }

  return {
    startStore: (lab) => void stores.set(lab, makeStore()),
    startAgent: start,
    openStore: (lab) => Promise.resolve(shared(storeOf(lab))),
    openAgent(lab, node) {
      const running = agents.get(lab)?.get(node)
      if (running === undefined) throw new UserError(`The agent of ${node} does not run`)
      return Promise.resolve(connectTo(running, clock))
    },
    running(lab) {
      const names = [...(agents.get(lab)?.keys() ?? [])].map((node) => `agent ${node}`)
      return [...(stores.has(lab) ? ['store'] : []), ...names].map((what) => ({ pid: 0, what }))
    },
    endAgent: end,
    async endAll(lab) {
      const nodes = [...(agents.get(lab)?.keys() ?? [])]
      for (const node of nodes) {
        await end(lab, node)
        memories.delete(`${lab}/${node}`)
      }
      const store = stores.get(lab)
      store?.close()
      stores.delete(lab)
      return nodes.length + (store === undefined ? 0 : 1)
    },
    agent: (lab, node) => agents.get(lab)?.get(node)?.composed,
    attachments: (lab, node) => memoryOf(lab, node).attachments.list(),
    store: (lab) => stores.get(lab),
  }
}

/** Requests to an agent of this process, through the same protocol as over a socket. */
function connectTo({ node, composed }: Running, clock: Clock): AgentConnection {
  const [near, far] = streamPair()
  serveRpc(far, composed.methods, PROTOCOL)
  return connect<AgentApi>(near, clock, `the agent of ${node}`)
}

/** One store for several users: closing is each user's own affair. */
function shared(store: Store): Store {
  return {
    get: (key) => store.get(key),
    list: (prefix) => store.list(prefix),
    transact: (transaction) => store.transact(transaction),
    watch: (prefix, fromRevision, handlers) => store.watch(prefix, fromRevision, handlers),
    close() {},
  }
}
