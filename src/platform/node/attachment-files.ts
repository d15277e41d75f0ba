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
import { type Attachment, attachmentKey, type AttachmentStore } from '../../cni/attachment.ts'

/**
 * Attachments as one JSON file each in a folder that only its owner can read. A file is written beside
 * its name and renamed, so that a crash leaves the old one or the new one.
 */
export function attachmentFiles(folder: string): AttachmentStore {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const rows = new Map<string, Attachment>()
  for (const name of readdirSync(folder)) {
    const path = join(folder, name)
    if (!name.endsWith('.json')) unlinkSync(path) // a write that a crash cut off
    else {
      const row = JSON.parse(readFileSync(path, 'utf8')) as Attachment
      rows.set(attachmentKey(row), row)
    }
  }
  return {
    list: () => [...rows.values()],
    put(attachment) {
      const key = attachmentKey(attachment)
      writeWhole(folder, `${key}.json`, `${JSON.stringify(attachment, undefined, 2)}\n`)
      rows.set(key, attachment)
    },
    delete(key) {
      if (!rows.delete(key)) return
      unlinkSync(join(folder, `${key}.json`))
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
