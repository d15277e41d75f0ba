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

/** Rows under keys that outlive the process; a write is durable when the call returns. */
export interface JsonFiles<Row> {
  list(): readonly Row[]
  put(key: string, row: Row): void
  /** Removing what is not there does nothing. */
  delete(key: string): void
}

export interface JsonFilesOptions<Row> {
  readonly folder: string
  readonly log: Log
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
  const { folder, document } = options
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const rows = readRows(options)
  return {
    list: () => [...rows.values()],
    put(key, row) {
      writeWhole(folder, `${key}.json`, `${JSON.stringify(document(row), undefined, 2)}\n`)
      rows.set(key, row)
    },
    delete(key) {
      if (rows.delete(key)) rmSync(join(folder, `${key}.json`), { force: true })
    },
  }
}

/** Of a write that a crash cut off. */
const UNFINISHED = '.json.new'

function readRows<Row>({ folder, log, parse }: JsonFilesOptions<Row>): Map<string, Row> {
  const rows = new Map<string, Row>()
  for (const name of readdirSync(folder)) {
    const path = join(folder, name)
    if (name.endsWith(UNFINISHED)) rmSync(path, { force: true, recursive: true })
    if (!name.endsWith('.json')) continue
    try {
      rows.set(name.slice(0, -'.json'.length), parse(JSON.parse(readFileSync(path, 'utf8'))))
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
