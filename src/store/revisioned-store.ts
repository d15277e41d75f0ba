import type { KeyRange } from './key-range.ts'
import type { Comparison, Row, Store, Transaction, TransactionResult } from './store.ts'

/**
 * A store that can be served to others in etcd's own protocol: rows at revisions, those of the past too.
 *
 * As in etcd, every revision since {@link compactedRevision} can be read and watched, and what is older is
 * gone. A store compacts when it is told to, and may by itself when the past takes too much room: its
 * watchers then list again. Keys are in the order of their octets in UTF-8.
 *
 * Reading is at once, out of memory or a file mapped into it, so that nothing comes between two reads.
 */
export interface RevisionedStore extends Store {
  /** Of the last write; 1 for a store that nobody has written yet. */
  readonly revision: number
  /** What happened before this revision is not known; that it may be one above {@link revision}: nor is what happened at it. */
  readonly compactedRevision: number
  /**
   * The rows of a range in order of key, as they were at a revision; default: as they are. To be taken before
   * the next write.
   *
   * Throws RevisionUnavailable.
   */
  rows(range: KeyRange, revision?: number): Iterable<Row>
  /**
   * Runs `change` with nothing else in between, and resolves when what it wrote is as safe as this store makes
   * it: one revision for all of it, none if it changes nothing. If it throws, nothing happens.
   */
  write<Result>(change: (transaction: WriteTransaction) => Result): Promise<Written<Result>>
  /**
   * Forgets the past before a revision; rows as they were at it stay readable.
   *
   * Throws RevisionUnavailable if that is forgotten already, or is still to come.
   */
  compact(revision: number): Promise<void>
}

/** Reads see what was written before them in the same transaction. */
export interface WriteTransaction {
  readonly row: (key: string) => Row | undefined
  /** To be taken before the next write. */
  readonly rows: (range: KeyRange) => Iterable<Row>
  /** Throws RangeError if the transaction has written the key already. */
  readonly put: (key: string, value: string) => void
  /** A key that is not there is no error. Throws RangeError if the transaction has written the key already. */
  readonly delete: (key: string) => void
}

export interface Written<Result> {
  readonly result: Result
  /** Of the store when it was done. */
  readonly revision: number
}

/** A revision that is forgotten, or still to come. */
export class RevisionUnavailable extends Error {
  override readonly name = 'RevisionUnavailable'
  readonly reason: 'compacted' | 'future'
  constructor(reason: 'compacted' | 'future', revision: number) {
    super(`revision ${revision} is ${reason === 'compacted' ? 'compacted away' : 'still to come'}`)
    this.reason = reason
  }
}

/** Does what {@link Store.transact} does as part of a {@link RevisionedStore.write}; undefined: it succeeded. */
export function runTransaction(
  { row, put, delete: remove }: WriteTransaction,
  { compare, success, failure = [] }: Transaction,
): TransactionResult['rows'] | undefined {
  if (!compare.every((comparison) => holds(comparison, row(comparison.key)))) {
    return failure.map((key) => row(key))
  }
  for (const operation of success) {
    if ('put' in operation) put(operation.put, operation.value)
    else remove(operation.delete)
  }
  return undefined
}

function holds(comparison: Comparison, row: Row | undefined): boolean {
  if ('exists' in comparison) return comparison.exists === (row !== undefined)
  return comparison.modRevision === (row?.modRevision ?? 0)
}
