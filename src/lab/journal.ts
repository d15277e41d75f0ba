import type { Journal } from '../api/lab-status.ts'
import { UserError } from '../lib/errors.ts'
import { checkFileVersion, LaterVersion } from '../lib/file-version.ts'
import type { LabState } from './lab-ports.ts'
import type { LabNames } from './lab-names.ts'
import { neighborEntries } from './neighbor-entries.ts'
import { type LabPlan, namespacesOf } from './plan.ts'
import type { Topology } from './topology-schema.ts'

export const JOURNAL_FILE = 'lab.json'
const JOURNAL_VERSION = 1

export function journalOf(
  plan: LabPlan,
  topology: Topology,
  names: LabNames,
  startedAt: string,
): Journal {
  const { networks, routers } = topology
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
    neighborEntries: neighborEntries(topology),
  }
}

export function writeJournal(state: LabState, journal: Journal): void {
  state.write(journal.lab, JOURNAL_FILE, `${JSON.stringify(journal, undefined, 2)}\n`)
}

/** Undefined when the lab has none: nothing of it was made. Errors: UserError when it cannot be read. */
export function readJournal(state: LabState, lab: string): Journal | undefined {
  const text = state.read(lab, JOURNAL_FILE)
  if (text === undefined) return undefined
  try {
    const value = JSON.parse(text) as Partial<Journal> | null
    checkFileVersion(value?.version, JOURNAL_VERSION, `${state.directory(lab)}/${JOURNAL_FILE}`)
    const lists = [value?.namespaces, value?.networks, value?.routers, value?.nodes, value?.pods]
    if (value?.version === 1 && lists.every(Array.isArray)) return value as Journal
  } catch (thrown) {
    if (thrown instanceof LaterVersion) throw thrown
    // Reported below: whatever it is, it was not written by this version.
  }
  throw new UserError(
    `${state.directory(lab)}/${JOURNAL_FILE} is not a lab's journal of this version; ` +
      `remove its namespaces (ip netns list) and the directory by hand`,
  )
}
