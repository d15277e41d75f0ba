import { createHash } from 'node:crypto'
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { messageOf } from '../../lib/errors.ts'
import { LaterVersion } from '../../lib/file-version.ts'
import type { Log } from '../../lib/log.ts'

/** Rows that outlive the process; a write is durable when the call returns. */
export interface JsonFiles<Row> {
  list(): readonly Row[]
  put(row: Row): void
  /** Removing what is not there does nothing. */
  delete(key: string): void
  /** Throws if a row could not be written now. */
  assertWritable(): void
}

export interface JsonFilesOptions<Row> {
  readonly folder: string
  readonly log: Log
  /** What a row is found by, which is also what its file is named after: characters of a file's name. */
  keyOf(row: Row): string
  /** The row of a document. Errors: LaterVersion, and any other on a document that is no row. */
  parse(document: unknown): Row
  /** The document of a row. */
  document(row: Row): object
}

/**
 * Rows as one JSON file each, named after the key, in a folder that only its owner can read. A file is
 * written beside its name and renamed, so that a crash leaves the old one or the new one.
 *
 * A file that cannot be read is set aside as "<name>.unreadable", with a warning, and the rest is served;
 * one of a later version is left where it is.
 */
export function jsonFiles<Row>(options: JsonFilesOptions<Row>): JsonFiles<Row> {
  const { folder, document, keyOf } = options
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const rows = readRows(options)
  return {
    list: () => [...rows.values()],
    put(row) {
      const key = keyOf(row)
      writeWhole(folder, fileName(key), `${JSON.stringify(document(row), undefined, 2)}\n`)
      rows.set(key, row)
    },
    delete(key) {
      if (rows.delete(key)) rmSync(join(folder, fileName(key)), { force: true })
    },
    assertWritable() {
      const probe = join(folder, `probe${UNFINISHED}`)
      try {
        writeFileSync(probe, 'x'.repeat(PROBE_OCTETS), { mode: 0o600 })
      } finally {
        rmSync(probe, { force: true })
      }
    },
  }
}

/** Of a write that a crash cut off. */
const UNFINISHED = '.json.new'
/** As many as a row may need. */
const PROBE_OCTETS = 4096
/** What every file system takes, with what is put behind it. */
const NAME_OCTETS_MAX = 200

function fileName(key: string): string {
  if (Buffer.byteLength(key) <= NAME_OCTETS_MAX) return `${key}.json`
  const digest = createHash('sha256').update(key).digest('hex')
  return `${key.slice(0, 64)}…${digest}.json`
}

function readRows<Row>({ folder, log, parse, keyOf }: JsonFilesOptions<Row>): Map<string, Row> {
  const rows = new Map<string, Row>()
  for (const name of readdirSync(folder)) {
    const path = join(folder, name)
    if (name.endsWith(UNFINISHED)) rmSync(path, { force: true, recursive: true })
    if (!name.endsWith('.json')) continue
    try {
      const row = parse(JSON.parse(readFileSync(path, 'utf8')))
      const key = keyOf(row)
      rows.set(key, row)
      // Versions before this one had other names.
      if (name !== fileName(key)) renameSync(path, join(folder, fileName(key)))
    } catch (thrown) {
      setAside(path, thrown, log)
    }
  }
  return rows
}

function setAside(path: string, thrown: unknown, log: Log): void {
  const error = messageOf(thrown)
  if (thrown instanceof LaterVersion) {
    log.warn('Ignored a file of a later version', { path, error })
    return
  }
  const aside = `${path}.unreadable`
  try {
    renameSync(path, aside)
    log.warn('Set aside an unreadable file', { path, aside, error })
  } catch (second) {
    log.warn('Failed to set aside an unreadable file', { path, error, setAside: messageOf(second) })
  }
}

function writeWhole(folder: string, name: string, text: string): void {
  const temporary = join(folder, `${name}.new`)
  const fd = openSync(temporary, 'w', 0o600)
  try {
    writeFileSync(fd, text)
    fsyncSync(fd)
  } catch (thrown) {
    rmSync(temporary, { force: true })
    throw thrown
  } finally {
    closeSync(fd)
  }
  renameSync(temporary, join(folder, name))
}
