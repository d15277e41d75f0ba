import type { Closable } from '../lib/closable.ts'

/**
 * The datastore as the core sees it: etcd's model, keys and values as text.
 *
 * Every write raises the revision of the whole store by one and stamps the keys that it touched with it,
 * so that a list and a watch from the revision after it miss nothing and repeat nothing.
 */
export interface Store {
  /** The value now, and the revision at which that is true. */
  get(key: string): Promise<{ readonly row: Row | undefined; readonly revision: number }>
  /** All rows whose key begins with `prefix`, in order of key. */
  list(prefix: string): Promise<{ readonly rows: readonly Row[]; readonly revision: number }>
  /** All of `success` at once if every comparison holds, else nothing but the reads of `failure`. */
  transact(transaction: Transaction): Promise<TransactionResult>
  /**
   * Events of keys that begin with `prefix`, from `fromRevision` (inclusive; 0: from now) on, in order, none missing.
   * Ends with `onEnd` when the store has compacted that revision away ("compacted") or when the
   * connection is beyond repair; the watcher then lists again.
   */
  watch(prefix: string, fromRevision: number, handlers: WatchHandlers): Closable
  close(): void
}

export interface Row {
  readonly key: string
  readonly value: string
  readonly createRevision: number
  readonly modRevision: number
  /** 1 for a key just created. */
  readonly version: number
}

export type Comparison =
  /** 0 compares with "does not exist". */
  | { readonly key: string; readonly modRevision: number }
  | { readonly key: string; readonly exists: boolean }

export type Operation =
  | { readonly put: string; readonly value: string }
  | { readonly delete: string }

export interface Transaction {
  readonly compare: readonly Comparison[]
  readonly success: readonly Operation[]
  /** Keys to read when a comparison failed. */
  readonly failure?: readonly string[]
}

export interface TransactionResult {
  readonly succeeded: boolean
  /** Of the store after the transaction; the modRevision of what it put. */
  readonly revision: number
  /** What `failure` read, in its order. */
  readonly rows: readonly (Row | undefined)[]
}

export type WatchEvent =
  | { readonly kind: 'put'; readonly row: Row; readonly previous?: Row | undefined }
  | {
      readonly kind: 'delete'
      readonly key: string
      readonly modRevision: number
      /** The row as it was, where the store tells. */
      readonly previous?: Row | undefined
    }

export interface WatchHandlers {
  /** All events of one revision together. */
  onEvents(events: readonly WatchEvent[], revision: number): void
  onEnd(reason: 'compacted' | 'closed'): void
}

/** The store could not be reached or did not answer in time; what was asked may or may not have happened. */
export class StoreUnavailable extends Error {
  override readonly name = 'StoreUnavailable'
}
