import type { Journal } from '../api/lab-status.ts'
import type { AgentConnection } from '../api/methods.ts'
import { messageOf, UserError } from '../lib/errors.ts'
import { attachPods } from './attach-pods.ts'
import { awaitRoutes, RoutesMissing } from './await-routes.ts'
import { Builder } from './build.ts'
import { journalOf, readJournal, writeJournal } from './journal.ts'
import { dismantle } from './lab-down.ts'
import { chooseNames, lockNames } from './lab-names.ts'
import type { LabPorts } from './lab-ports.ts'
import { raiseNeighborTable } from './neighbor-table.ts'
import { type LabPlan, namespacesOf, planLab } from './plan.ts'
import { seedStore } from './seed-store.ts'
import type { Topology } from './topology-schema.ts'

export interface LabUpOptions {
  readonly topology: Topology
  /** The name of the lab. */
  readonly name: string
  /** Text of the topology file, kept beside the journal. */
  readonly text: string
  /** Ends the building; what was made is unmade. */
  readonly signal?: AbortSignal
}

/**
 * Builds a lab and answers when every node has a route to every block. The order of things:
 *
 *     journal, store starts, namespaces and cables, agents start      (programs start side by side)
 *     resources and blocks into the store                             (as soon as it answers)
 *     a CNI ADD for each pod                                          (as soon as its node's agent does)
 *     routes to every block on every node                             (BGP has done its work)
 *
 * Whatever fails on the way is undone before the error is thrown, except when only routes are missing:
 * then the lab stays, to be looked at. Errors: UserError.
 */
export async function labUp(options: LabUpOptions, ports: LabPorts): Promise<Journal> {
  const { name } = options
  const lock = ports.state.lock(name)
  if (lock === undefined) {
    throw new UserError(`Lab ${name} is being built or removed by another process`)
  }
  try {
    if (ports.state.labs().includes(name)) {
      throw new UserError(
        `Lab ${name} is up already, or was left half built; remove it with: tortie lab down ${name}`,
      )
    }
    const { plan, journal } = await reserve(options, ports)
    ports.onStep?.('journal')
    const made = new Set<string>()
    try {
      await build(plan, made, options, ports)
    } catch (thrown) {
      if (thrown instanceof RoutesMissing) {
        throw new UserError(
          `${thrown.message}\nLab ${name} stays up; see: tortie lab status ${name}`,
        )
      }
      ports.progress('removing what was made')
      // A namespace that somebody else made meanwhile under a name of ours is not ours to remove.
      const namespaces = journal.namespaces.filter((namespace) => made.has(namespace))
      writeJournal(ports.state, { ...journal, namespaces })
      await dismantle(name, ports)
      throw thrown instanceof UserError
        ? thrown
        : new UserError(`Lab ${name} could not be built: ${messageOf(thrown)}`, { cause: thrown })
    }
    return journal
  } finally {
    lock.close()
  }
}

/**
 * Decides what every namespace is called and writes the journal, alone on the machine, so that two labs
 * that start at once do not choose the same names.
 */
async function reserve(
  { topology, name, text }: LabUpOptions,
  ports: LabPorts,
): Promise<{ plan: LabPlan; journal: Journal }> {
  const { state, machine, clock } = ports
  const names = await lockNames(ports)
  try {
    const taken = new Set(machine.namespaces())
    for (const lab of state.labs()) {
      for (const namespace of readJournal(state, lab)?.namespaces ?? []) taken.add(namespace)
    }
    const chosen = chooseNames(name, topology, taken)
    const plan = planLab(topology, chosen)
    assertFree(namespacesOf(plan), taken)
    const startedAt = new Date(clock.wallTime()).toISOString()
    const journal = journalOf(plan, topology, chosen, startedAt)
    writeJournal(state, journal)
    state.write(name, 'topology.yaml', text)
    raiseNeighborTable(ports)
    return { plan, journal }
  } finally {
    names.close()
  }
}

function assertFree(namespaces: readonly string[], taken: ReadonlySet<string>): void {
  const seen = new Set<string>()
  for (const namespace of namespaces) {
    if (taken.has(namespace) || seen.has(namespace)) {
      throw new UserError(
        `A network namespace ${namespace} is there already; choose another name with --name`,
      )
    }
    seen.add(namespace)
  }
}

async function build(
  plan: LabPlan,
  made: Set<string>,
  { signal }: LabUpOptions,
  ports: LabPorts,
): Promise<void> {
  const { lab, nodes, pods } = plan
  const { programs, progress, onStep } = ports
  const agents = new Map<string, AgentConnection>()
  let isOver = false
  try {
    programs.startStore(lab)
    onStep?.('store started')
    progress(`${plan.nodes.length} nodes, ${plan.pods.length} pods: namespaces and cables`)
    makeNamespaces(plan, made, ports)
    progress('store and agents are starting')
    const starting = startAgents(plan, agents, ports, () => isOver)
    starting.catch(() => {}) // told of below, once the store is filled
    await alive(signal, seedStore(plan, ports))
    onStep?.('store filled')
    await alive(signal, starting)
    onStep?.('agents answer')
    progress('attaching pods')
    await alive(signal, attachPods(pods, agents, ports))
    progress('waiting for routes')
    await alive(signal, awaitRoutes(nodes, agents, ports))
    onStep?.('routes')
  } finally {
    isOver = true
    for (const agent of agents.values()) agent.close()
  }
}

/**
 * Agents that start at one time. Were it all of a large lab, each would wait for its turn at the
 * processor while its neighbors knock in vain.
 */
const STARTS_AT_ONCE = 8
/** Between two words of how far it is. */
const PROGRESS_MILLISECONDS = 2_000

/** Starts every node's agent, and keeps a connection to each in `agents`. Begins none once it is over. */
async function startAgents(
  { lab, nodes }: LabPlan,
  agents: Map<string, AgentConnection>,
  { programs, progress, clock, onStep }: LabPorts,
  isOver: () => boolean,
): Promise<void> {
  const waiting = [...nodes]
  let toldAt = clock.now()
  const worker = async (): Promise<void> => {
    for (let node = waiting.shift(); node !== undefined && !isOver(); node = waiting.shift()) {
      programs.startAgent(lab, node.name, node.namespace)
      onStep?.(`agent ${node.name} started`)
      const agent = await programs.openAgent(lab, node.name)
      if (isOver()) return agent.close()
      agents.set(node.name, agent)
      if (clock.now() < toldAt + PROGRESS_MILLISECONDS) continue
      toldAt = clock.now()
      progress(`${agents.size} of ${nodes.length} agents answer`)
    }
  }
  await Promise.all(Array.from({ length: STARTS_AT_ONCE }, worker))
}

function makeNamespaces({ steps }: LabPlan, made: Set<string>, ports: LabPorts): void {
  const builder = new Builder(ports.machine)
  try {
    for (const step of steps) {
      builder.do(step)
      if (step.do === 'namespace') made.add(step.namespace)
      ports.onStep?.(`${step.do} ${step.namespace}`)
    }
  } finally {
    builder.close()
  }
}

/** `work`, unless the signal comes first. */
async function alive<T>(signal: AbortSignal | undefined, work: Promise<T>): Promise<T> {
  if (signal === undefined) return work
  let onAbort = (): void => {}
  const aborted = new Promise<never>((_, reject) => {
    onAbort = (): void => reject(new UserError('Interrupted', { exitCode: 130 }))
    if (signal.aborted) onAbort()
    else signal.addEventListener('abort', onAbort)
  })
  try {
    return await Promise.race([work, aborted])
  } finally {
    signal.removeEventListener('abort', onAbort)
    work.catch(() => {}) // whatever it comes to after an interruption
  }
}
