import type { Clock, Timer } from '../lib/clock.ts'
import { messageOf } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import type { TextFile } from '../lib/text-file.ts'
import type { Row } from './store.ts'

/** A row as it was when it could last be read. */
export interface LastGoodRow {
  readonly row: Row
  /** Wall time since when what is stored under its key cannot be read; absent of a row that is as stored. */
  readonly outdatedSince?: number
}

export interface LastGoodRowsPorts {
  readonly file: TextFile
  readonly clock: Clock
  readonly log: Log
}

/** From a change to its writing, and between two writings however much changes. */
const FIRST_WRITE_MILLISECONDS = 1_000
const NEXT_WRITE_MILLISECONDS = 5_000
/** What is kept on disk at most, in characters of keys and values; and of one row. */
const TOTAL_MAX = 16 * 1024 * 1024
const ROW_MAX = 256 * 1024
const VERSION = 1

/** Names of fields that hold a secret, or say where one is: rows that have one stay off the disk. */
const SECRET_FIELD = /"[^"]*(?:password|secret|token|privatekey)[^"]*"\s*:/i

/**
 * The cluster as a node last saw it, over restarts: every row that it follows, as it was when it could
 * last be read. In memory all of them; on disk, a moment after each change, those without secrets.
 */
export class LastGoodRows {
  readonly #ports: LastGoodRowsPorts
  readonly #rows = new Map<string, LastGoodRow>()
  #timer: Timer | undefined
  #writing: Promise<void> | undefined
  #isDirty = false
  #writtenAt = -Infinity
  #toldOfSize = false
  #failure: string | undefined

  constructor(ports: LastGoodRowsPorts) {
    this.#ports = ports
    for (const entry of this.#load()) this.#rows.set(entry.row.key, entry)
  }

  /** All, in no order. */
  list(): readonly LastGoodRow[] {
    return [...this.#rows.values()]
  }

  get(key: string): LastGoodRow | undefined {
    return this.#rows.get(key)
  }

  /** The row can be read. */
  keep(row: Row): void {
    const known = this.#rows.get(row.key)
    const isKnown = known?.row.modRevision === row.modRevision && known.row.value === row.value
    if (isKnown && known.outdatedSince === undefined) return
    this.#rows.set(row.key, { row })
    this.#schedule()
  }

  /** What is stored under the key now cannot be read. @returns the row that stays in force, if any */
  outdate(key: string, since: number): LastGoodRow | undefined {
    const known = this.#rows.get(key)
    if (known === undefined || known.outdatedSince !== undefined) return known
    const outdated = { row: known.row, outdatedSince: since }
    this.#rows.set(key, outdated)
    this.#schedule()
    return outdated
  }

  /** There is no such row any more. */
  forget(key: string): void {
    if (this.#rows.delete(key)) this.#schedule()
  }

  /** Forgets what stands under a prefix and is not in a listing of it. */
  retain(prefix: string, listed: ReadonlySet<string>): void {
    for (const key of this.#rows.keys()) {
      if (key.startsWith(prefix) && !listed.has(key)) this.forget(key)
    }
  }

  /** Writes what has not been written yet. */
  async close(): Promise<void> {
    this.#timer?.cancel()
    this.#timer = undefined
    await this.#writing
    if (this.#isDirty) await this.#write()
  }

  #schedule(): void {
    this.#isDirty = true
    if (this.#timer !== undefined || this.#writing !== undefined) return
    const { clock } = this.#ports
    const next = this.#writtenAt + NEXT_WRITE_MILLISECONDS - clock.now()
    this.#timer = clock.after(Math.max(FIRST_WRITE_MILLISECONDS, next), () => {
      this.#timer = undefined
      this.#writing = this.#write().then(() => {
        this.#writing = undefined
        if (this.#isDirty) this.#schedule()
      })
    })
  }

  /** Never rejects: until the next start the rows in memory are what counts. */
  async #write(): Promise<void> {
    const { clock, file, log } = this.#ports
    this.#isDirty = false
    this.#writtenAt = clock.now()
    try {
      await file.write(`${JSON.stringify({ version: VERSION, rows: this.#rowsForDisk() })}\n`)
      this.#failure = undefined
    } catch (thrown) {
      const error = messageOf(thrown)
      if (error !== this.#failure)
        log.warn('Failed to save the last known state of the cluster', { error })
      this.#failure = error
    }
  }

  #rowsForDisk(): LastGoodRow[] {
    const rows: LastGoodRow[] = []
    let total = 0
    for (const entry of this.#rows.values()) {
      const { key, value } = entry.row
      const size = key.length + value.length
      if (size > ROW_MAX || SECRET_FIELD.test(value)) continue
      total += size
      if (total > TOTAL_MAX) {
        this.#tellOfSize()
        break
      }
      rows.push(entry)
    }
    return rows
  }

  #tellOfSize(): void {
    if (this.#toldOfSize) return
    this.#toldOfSize = true
    this.#ports.log.warn('The cluster is too large to be saved to disk completely', {
      most: TOTAL_MAX,
    })
  }

  #load(): readonly LastGoodRow[] {
    const { file, log } = this.#ports
    try {
      const text = file.read()
      if (text === undefined) return []
      const { version, rows } = JSON.parse(text) as { version?: unknown; rows?: unknown }
      if (version !== VERSION) throw new Error(`version ${String(version)}, expected ${VERSION}`)
      if (!Array.isArray(rows) || !rows.every(isLastGoodRow)) {
        throw new Error('expected rows, each with key, value and revisions')
      }
      return rows
    } catch (thrown) {
      const error = messageOf(thrown)
      log.warn('Failed to read the last known state of the cluster; the file is set aside', {
        error,
        ...this.#setAside(),
      })
      return []
    }
  }

  #setAside(): { readonly aside?: string } {
    try {
      return { aside: this.#ports.file.setAside() }
    } catch {
      return {}
    }
  }
}

function isLastGoodRow(entry: unknown): entry is LastGoodRow {
  const { row, outdatedSince } = (entry ?? {}) as { row?: Partial<Row>; outdatedSince?: unknown }
  return (
    typeof row?.key === 'string' &&
    typeof row.value === 'string' &&
    [row.createRevision, row.modRevision, row.version].every(Number.isSafeInteger) &&
    (outdatedSince === undefined || typeof outdatedSince === 'number')
  )
}
