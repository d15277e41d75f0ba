import { UserError } from '../lib/errors.ts'
import { isKernelError } from '../kernel/kernel.ts'
import { readJournal } from './journal.ts'
import { lockNames } from './lab-names.ts'
import type { LabPorts, LabState } from './lab-ports.ts'
import { restoreNeighborTable } from './neighbor-table.ts'

export interface Removed {
  readonly programs: number
  readonly namespaces: number
}

/**
 * Removes a lab wherever its building stopped: programs first, so that none makes anything new, then
 * namespaces, with which links and routes go, then files. Doing it again finds nothing and is fine.
 * Errors: UserError while another process builds or removes it.
 */
export async function labDown(lab: string, ports: LabPorts): Promise<Removed> {
  const lock = ports.state.lock(lab)
  if (lock === undefined) {
    throw new UserError(`Lab ${lab} is being built or removed by another process`)
  }
  try {
    return await dismantle(lab, ports)
  } finally {
    lock.close()
  }
}

/** Whoever was killed while holding a lock left its file, which goes when the lock is given back. */
export function removeLock(state: LabState, name: string): void {
  state.lock(name)?.close()
}

/** {@link labDown} for one who holds the lock. */
export async function dismantle(lab: string, ports: LabPorts): Promise<Removed> {
  const { state, programs, machine } = ports
  const journal = readJournal(state, lab)
  const ended = await programs.endAll(lab)
  let namespaces = 0
  for (const namespace of (journal?.namespaces ?? []).toReversed()) {
    try {
      machine.deleteNamespace(namespace)
      namespaces++
    } catch (thrown) {
      if (!isKernelError(thrown, 'ENOENT')) throw thrown
    }
  }
  const names = await lockNames(ports)
  try {
    restoreNeighborTable(lab, ports)
    state.remove(lab)
  } finally {
    names.close()
  }
  return { programs: ended, namespaces }
}
