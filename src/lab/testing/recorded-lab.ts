import type { AgentStatus } from '../../api/agent-status.ts'
import { fakeConnection } from '../../api/testing/fake-connection.ts'
import type { AgentApi, AgentConnection } from '../../api/methods.ts'
import { settled, VirtualClock } from '../../lib/clock.ts'
import { SeededRandom } from '../../lib/random.ts'
import { type Kernel, KernelError, type Link, type Machine } from '../../kernel/kernel.ts'
import type { Prefix } from '../../net/prefix.ts'
import { MemoryStore } from '../../store/memory-store.ts'
import type { Store } from '../../store/store.ts'
import type { LabPorts } from '../lab-ports.ts'
import { memoryState } from '../memory-state.ts'

/** A lab's surroundings that only keep account: which namespaces, programs and files there are. */
export interface RecordedLab extends LabPorts {
  readonly clock: VirtualClock
  readonly namespaces: Set<string>
  readonly files: Map<string, string>
  readonly programsUp: Set<string>
  /** By name of lab. */
  readonly stores: Map<string, MemoryStore>
  /** CNI requests, in order. */
  readonly requests: { readonly node: string; readonly params: unknown }[]
  /** What agents answer; a test changes it. */
  readonly behavior: {
    status(node: string): AgentStatus
    cni(node: string): unknown
  }
  readonly steps: string[]
  readonly warnings: string[]
  /** Called at every step; a test throws there. */
  onEveryStep: (name: string) => void
  /** Lets virtual time pass until the work is done. */
  run<T>(work: Promise<T>): Promise<T>
}

const CONVERGED: AgentStatus = {
  node: 'server01',
  learnedRoutes: 0,
  blocks: [],
  pods: 0,
  neighbors: [],
  packetFilter: { counters: {} },
  lacking: [],
  problems: [],
  converged: true,
}

export function recordedLab(): RecordedLab {
  const clock = new VirtualClock()
  const namespaces = new Set<string>()
  const files = new Map<string, string>()
  const programsUp = new Set<string>()
  const stores = new Map<string, MemoryStore>()
  const lab: RecordedLab = {
    clock,
    namespaces,
    files,
    programsUp,
    stores,
    requests: [],
    steps: [],
    warnings: [],
    onEveryStep() {},
    behavior: { status: () => CONVERGED, cni: () => null },
    random: new SeededRandom(1),
    progress() {},
    warn: (text) => void lab.warnings.push(text),
    onStep(name) {
      lab.steps.push(name)
      lab.onEveryStep(name)
    },
    machine: recordedMachine(namespaces),
    state: memoryState(files),
    programs: {
      startStore(name) {
        programsUp.add(`${name} store`)
        stores.set(name, new MemoryStore())
      },
      startAgent: (name, node) => void programsUp.add(`${name} agent ${node}`),
      openStore: (name) => Promise.resolve(clientOf(stores.get(name)!)),
      openAgent: (_, node) => Promise.resolve(agentOf(lab, node)),
      running: (name) =>
        [...programsUp]
          .filter((what) => what.startsWith(`${name} `))
          .map((what, pid) => ({ pid, what: what.slice(name.length + 1) })),
      endAgent(name, node) {
        programsUp.delete(`${name} agent ${node}`)
        return Promise.resolve()
      },
      endAll(name) {
        const own = [...programsUp].filter((what) => what.startsWith(`${name} `))
        for (const what of own) programsUp.delete(what)
        return Promise.resolve(own.length)
      },
    },
    async run(work) {
      let done = false
      const finished = work.finally(() => (done = true))
      finished.catch(() => {})
      for (await settled(); !done; await settled()) await clock.advance(10)
      return finished
    },
  }
  return lab
}

/** A client of the one store, to be opened and closed as often as anybody likes. */
function clientOf(store: MemoryStore): Store {
  return {
    get: (key) => store.get(key),
    list: (prefix) => store.list(prefix),
    transact: (transaction) => store.transact(transaction),
    watch: (prefix, from, handlers) => store.watch(prefix, from, handlers),
    close() {},
  }
}

function agentOf(lab: RecordedLab, node: string): AgentConnection {
  return fakeConnection<AgentApi>(async (method, params) => {
    if (method === 'status') return lab.behavior.status(node)
    lab.requests.push({ node, params })
    return lab.behavior.cni(node)
  })
}

function recordedMachine(namespaces: Set<string>): Machine {
  return {
    createNamespace(name) {
      if (namespaces.has(name)) throw new KernelError('EEXIST', `Create namespace ${name}`)
      namespaces.add(name)
      return recordedKernel(name)
    },
    openNamespace(name) {
      if (!namespaces.has(name)) throw new KernelError('ENOENT', `Open namespace ${name}`)
      return recordedKernel(name)
    },
    deleteNamespace(name) {
      if (!namespaces.delete(name)) throw new KernelError('ENOENT', `Delete namespace ${name}`)
    },
    namespaces: () => [...namespaces],
    namespacePath: (name) => `/run/netns/${name}`,
  }
}

/** Takes every change, has every link that it is asked for, and no route. */
function recordedKernel(name: string): Kernel {
  const link = (of: string): Link => ({ name: of, index: 1 }) as Link
  const known: Partial<Kernel> = {
    name,
    link,
    createLink: (spec) => link(spec.name),
    routes: () => [],
    close() {},
  }
  return new Proxy(known as Kernel, {
    get: (target, key) => target[key as keyof Kernel] ?? ((): void => {}),
  })
}

/** A status with one block that other nodes wait for a route to. */
export function withBlock(block: Prefix): AgentStatus {
  return { ...CONVERGED, blocks: [block] }
}
