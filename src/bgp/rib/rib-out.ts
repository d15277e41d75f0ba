import type { ExportRules } from './export-rules.ts'
import type { RowQueue } from './row-queue.ts'

/** A neighbor as its Adj-RIB-Out sees it. */
export interface Recipient {
  /** Its number as a source: what came from it does not go back to it. */
  readonly source: number
  /** Takes whole messages; the octets are valid only during the call. */
  send(octets: Uint8Array): void
}

/** What neighbors have been told of one family, and what they are still to be told. */
export interface RibOut {
  /** Rows that changed. */
  readonly queue: RowQueue
  readonly rules: ExportRules
  setRecipients(recipients: readonly Recipient[]): void
  /** Tells of up to a batch of changed rows. True if there are more. */
  flush(): boolean
  /** Whether the row is known to some neighbor or still to be told of. */
  holds(row: number): boolean
  /** Prefixes (with add-path: paths) that the neighbor with this source number has been told of. */
  countFor(source: number): number
  /** Whether the neighbor with this source number has been told of the row. */
  isAdvertisedTo(row: number, source: number): boolean
  /** Makes another of the same kind know what this one knows, for a neighbor that leaves it. */
  copyStateTo(other: RibOut): void
}
