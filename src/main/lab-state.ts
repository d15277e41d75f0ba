import { mkdirSync } from 'node:fs'
import type { LabState } from '../lab/lab-ports.ts'
import { lockFile } from '../platform/node/lock-file.ts'
import { DirectoryState } from '../platform/node/directory-state.ts'
import { LAB_ROOT, labPath } from './lab-paths.ts'

/** The files of this user's labs: a directory each. */
export function labState(): LabState {
  const directories = new DirectoryState(labPath())
  return {
    labs: () => directories.names(),
    directory: (lab) => directories.path(lab),
    read: (lab, file) => directories.read(lab, file),
    write: (lab, file, text) => directories.write(lab, file, text),
    remove: (lab) => directories.remove(lab),
    lock(name) {
      mkdirSync(LAB_ROOT, { recursive: true, mode: 0o755 })
      return lockFile(`${LAB_ROOT}/${name}.lock`)
    },
  }
}
