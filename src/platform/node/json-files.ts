import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'

/** Rows under keys that outlive the process; a write is durable when the call returns. */
export interface JsonFiles<Row> {
  list(): readonly Row[]
  put(key: string, row: Row): void
  /** Removing what is not there does nothing. */
  delete(key: string): void
}

/**
 * Rows as one JSON file each, named after the key, in a folder that only its owner can read. A file is
 * written beside its name and renamed, so that a crash leaves the old one or the new one.
 */
export function jsonFiles<Row>(folder: string): JsonFiles<Row> {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const rows = new Map<string, Row>()
  for (const name of readdirSync(folder)) {
    const path = join(folder, name)
    if (!name.endsWith('.json')) unlinkSync(path) // a write that a crash cut off
    else rows.set(name.slice(0, -'.json'.length), JSON.parse(readFileSync(path, 'utf8')) as Row)
  }
  return {
    list: () => [...rows.values()],
    put(key, row) {
      writeWhole(folder, `${key}.json`, `${JSON.stringify(row, undefined, 2)}\n`)
      rows.set(key, row)
    },
    delete(key) {
      if (rows.delete(key)) unlinkSync(join(folder, `${key}.json`))
    },
  }
}

function writeWhole(folder: string, name: string, text: string): void {
  const temporary = join(folder, `${name}.new`)
  const fd = openSync(temporary, 'w', 0o600)
  try {
    writeSync(fd, text)
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
  renameSync(temporary, join(folder, name))
}
