import type { LabState } from '../lab/lab-ports.ts'
import { lockFile } from '../platform/node/lock-file.ts'
import { DirectoryState } from '../platform/node/directory-state.ts'
import { assertOwnFolder, makeOwnFolder } from '../platform/node/own-folder.ts'
import { LAB_ROOT, labPath } from './lab-paths.ts'

/** The files of this user's labs: a directory each. Errors: UserError when the folder is not the user's. */
export function labState(): LabState {
  assertOwnFolder(LAB_ROOT)
  const directories = new DirectoryState(labPath())
  return {
    labs: () => directories.names().filter((name) => !name.startsWith('.')),
    directory: (lab) => directories.path(lab),
    read: (lab, file) => directories.read(lab, file),
    write: (lab, file, text) => directories.write(lab, file, text),
    remove: (lab) => directories.remove(lab),
    lock(name) {
      makeOwnFolder(LAB_ROOT)
      return lockFile(`${LAB_ROOT}/${name}.lock`)
    },
  }
}
