import { messageOf, UserError } from '../lib/errors.ts'
import { ALL_KEYS } from './key-range.ts'
import { MemoryStore, type MemoryStoreOptions } from './memory-store.ts'
import type { RevisionedStore } from './revisioned-store.ts'
import type { Operation, Row } from './store.ts'

/**
 * The text form of a store in memory that outlives its process: a first line with all rows, then a line
 * for each commit. A line is written before its commit is answered, so nothing that was acknowledged is
 * missing; a last line that was cut off was not acknowledged, and is dropped.
 */
interface Head {
  /** Tells clients that this is the store they knew, so that their watches go on. */
  readonly clusterId: number
  readonly revision: number
  readonly rows: readonly Row[]
}

/** A commit: its revision and what it did. */
type Entry = readonly [revision: number, operations: readonly Operation[]]

export function journalHead(clusterId: number, store: RevisionedStore): string {
  const head: Head = { clusterId, revision: store.revision, rows: [...store.rows(ALL_KEYS)] }
  return `${JSON.stringify(head)}\n`
}

export function journalEntry(revision: number, operations: readonly Operation[]): string {
  const entry: Entry = [revision, operations]
  return `${JSON.stringify(entry)}\n`
}

/**
 * The store that a journal tells of; history before it is not kept.
 *
 * Throws UserError that names the line that cannot be used.
 */
export function readStoreJournal(
  text: string,
  options: MemoryStoreOptions = {},
): { readonly clusterId: number; readonly store: MemoryStore } {
  const [first = '', ...others] = text.split('\n')
  // What follows the last line end is empty, or a line that was cut off.
  others.pop()
  const { clusterId, revision, rows } = parseLine(first, 1) as Head
  const store = MemoryStore.restore({ rows, revision }, options)
  for (const [at, line] of others.entries()) {
    const [expected, operations] = parseLine(line, at + 2) as Entry
    store.commit(operations)
    if (store.revision !== expected) {
      throw new UserError(
        `line ${at + 2} of the journal is of revision ${expected}: expected ${store.revision}`,
      )
    }
  }
  return { clusterId, store }
}

function parseLine(text: string, number: number): unknown {
  try {
    return JSON.parse(text)
  } catch (thrown) {
    throw new UserError(`line ${number} of the journal cannot be read: ${messageOf(thrown)}`)
  }
}
