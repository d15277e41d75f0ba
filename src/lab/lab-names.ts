import { sleep } from '../lib/clock.ts'
import type { Closable } from '../lib/closable.ts'
import { UserError } from '../lib/errors.ts'
import type { LabPorts } from './lab-ports.ts'
import type { Topology, TopologyPod } from './topology-schema.ts'

/** The lock of who chooses names or gives them back; no lab is called so. */
export const NAMES_LOCK = '.names'

/** Longest that names are waited for; they are held only for as long as a journal takes to write. */
const NAMES_MILLISECONDS_MAX = 5_000

/** Which labs there are, and what they share, is changed by one process at a time. Errors: UserError. */
export async function lockNames({ state, clock }: LabPorts): Promise<Closable> {
  const deadline = clock.now() + NAMES_MILLISECONDS_MAX
  for (;;) {
    const lock = state.lock(NAMES_LOCK)
    if (lock !== undefined) return lock
    if (clock.now() > deadline) throw new UserError('Another lab is choosing its names; try again')
    await sleep(clock, 10)
  }
}

/** What the namespaces of a lab are called: the plain names, or those with the lab's name in front. */
export interface LabNames {
  readonly lab: string
  readonly network: (network: string) => string
  /** Of a node or a router. */
  readonly host: (host: string) => string
  readonly pod: (pod: Pick<TopologyPod, 'namespace' | 'name'>) => string
}

/**
 * Names every namespace of a lab. Each has the name of what it holds, so that `ip netns exec server01`
 * works as on a real host; where that is taken, by another lab or by anything else, it is
 * `<lab>-<name>`. Two pods of one name in different Kubernetes namespaces are `<namespace>.<name>`.
 */
export function chooseNames(lab: string, topology: Topology, taken: ReadonlySet<string>): LabNames {
  const counts = new Map<string, number>()
  for (const { name } of topology.pods) counts.set(name, (counts.get(name) ?? 0) + 1)
  const free = (name: string): string => (taken.has(name) ? `${lab}-${name}` : name)
  return {
    lab,
    network: free,
    host: free,
    pod: ({ namespace, name }) => free((counts.get(name) ?? 0) > 1 ? `${namespace}.${name}` : name),
  }
}
