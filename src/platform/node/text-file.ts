import { mkdirSync, readFileSync, renameSync } from 'node:fs'
import { open, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { TextFile } from '../../lib/text-file.ts'

/** A file that only its owner can read, written beside its name and renamed. */
export function textFile(path: string): TextFile {
  return {
    read() {
      try {
        return readFileSync(path, 'utf8')
      } catch (thrown) {
        if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return undefined
        throw thrown
      }
    },
    async write(text) {
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
      const temporary = `${path}.new`
      const file = await open(temporary, 'w', 0o600)
      try {
        await file.writeFile(text)
        await file.sync()
      } finally {
        await file.close()
      }
      await rename(temporary, path)
    },
    setAside() {
      const aside = `${path}.unreadable`
      renameSync(path, aside)
      return aside
    },
  }
}
