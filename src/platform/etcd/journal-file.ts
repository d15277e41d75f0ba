import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'
import type { Closable } from '../../lib/closable.ts'
import { messageOf, UserError } from '../../lib/errors.ts'
import { journalEntry, journalHead, readStoreJournal } from '../../store/journal.ts'
import { MemoryStore } from '../../store/memory-store.ts'
import type { Operation } from '../../store/store.ts'

/** Octets of commits after which the journal is written anew as one head. */
const REWRITE_OCTETS = 16 * 1024 * 1024

export interface JournaledStore extends Closable {
  readonly store: MemoryStore
  /** The number of this store since it was first made. */
  readonly clusterId: number
}

/**
 * The store in memory that a file tells of, or a new one; from now on the file follows every commit.
 * What was acknowledged survives the death of the process, not that of the machine.
 *
 * Throws UserError if the file cannot be used.
 */
export function openJournaledStore(path: string, newClusterId: number): JournaledStore {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  let descriptor: number | undefined
  let octets = 0
  const onCommit = (revision: number, operations: readonly Operation[]): void => {
    if (descriptor === undefined) return
    if (octets > REWRITE_OCTETS) rewrite()
    // After a write that failed the last line may be torn: the next commit begins the file anew.
    const before = octets
    octets = Number.POSITIVE_INFINITY
    octets = before + writeSync(descriptor, journalEntry(revision, operations))
  }
  const { clusterId, store } = existsSync(path)
    ? read(path, onCommit)
    : { clusterId: newClusterId, store: new MemoryStore({ onCommit }) }
  const rewrite = (): void => {
    writeFileSync(`${path}.new`, journalHead(clusterId, store), { mode: 0o600 })
    renameSync(`${path}.new`, path)
    if (descriptor !== undefined) closeSync(descriptor)
    descriptor = openSync(path, 'a')
    octets = 0
  }
  rewrite()
  return {
    store,
    clusterId,
    close() {
      if (descriptor !== undefined) closeSync(descriptor)
      descriptor = undefined
    },
  }
}

function read(
  path: string,
  onCommit: (revision: number, operations: readonly Operation[]) => void,
): { clusterId: number; store: MemoryStore } {
  try {
    return readStoreJournal(readFileSync(path, 'utf8'), { onCommit })
  } catch (thrown) {
    throw new UserError(`${path} cannot be used: ${messageOf(thrown)}`)
  }
}
