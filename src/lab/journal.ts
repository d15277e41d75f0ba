import { UserError } from '../lib/errors.ts'
import type { LabState } from './lab-ports.ts'
import type { LabNames } from './lab-names.ts'
import { type LabPlan, namespacesOf } from './plan.ts'
import type { Topology } from './topology-schema.ts'

/**
 * What a lab will have made when it is up, written before anything is made: whenever the one who builds it
 * is killed, what is named here is all that there can be.
 */
export interface Journal {
  readonly version: 1
  readonly lab: string
  /** RFC 3339. */
  readonly startedAt: string
  /** Every namespace, in the order in which they are made. */
  readonly namespaces: readonly string[]
  readonly networks: readonly { readonly name: string; readonly namespace: string }[]
  readonly routers: readonly { readonly name: string; readonly namespace: string }[]
  readonly nodes: readonly {
    readonly name: string
    readonly namespace: string
    readonly address: string
  }[]
  readonly pods: readonly {
    readonly namespace: string
    readonly name: string
    readonly netns: string
    readonly node: string
  }[]
}

const FILE = 'lab.json'

export function journalOf(
  plan: LabPlan,
  { networks, routers }: Topology,
  names: LabNames,
  startedAt: string,
): Journal {
  return {
    version: 1,
    lab: plan.lab,
    startedAt,
    namespaces: namespacesOf(plan),
    networks: networks.map(({ name }) => ({ name, namespace: names.network(name) })),
    routers: routers.map(({ name }) => ({ name, namespace: names.host(name) })),
    nodes: plan.nodes.map(({ name, namespace, address }) => ({
      name,
      namespace,
      address: address.address,
    })),
    pods: plan.pods.map(({ namespace, name, netns, node }) => ({ namespace, name, netns, node })),
  }
}

export function writeJournal(state: LabState, journal: Journal): void {
  state.write(journal.lab, FILE, `${JSON.stringify(journal, undefined, 2)}\n`)
}

/** Undefined when the lab has none: nothing of it was made. Errors: UserError when it cannot be read. */
export function readJournal(state: LabState, lab: string): Journal | undefined {
  const text = state.read(lab, FILE)
  if (text === undefined) return undefined
  try {
    const value = JSON.parse(text) as Partial<Journal> | null
    const lists = [value?.namespaces, value?.networks, value?.routers, value?.nodes, value?.pods]
    if (value?.version === 1 && lists.every(Array.isArray)) return value as Journal
  } catch {
    // Reported below: whatever it is, it was not written by this version.
  }
  throw new UserError(
    `${state.directory(lab)}/${FILE} is not a lab's journal of this version; ` +
      `remove its namespaces (ip netns list) and the directory by hand`,
  )
}
