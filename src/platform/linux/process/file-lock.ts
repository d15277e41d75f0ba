import { closeSync, fstatSync, openSync, statSync, unlinkSync } from 'node:fs'
import type { Closable } from '../../../lib/closable.ts'
import { checked, loadLibc } from './libc.ts'

const LOCK_EX = 2
const LOCK_NB = 4
const EWOULDBLOCK = 11

/**
 * Holds a lock on a file until it is closed or this process ends, however it ends (flock(2)); undefined
 * while another holds it. The file is made, and removed on closing.
 */
export function lockFileByKernel(path: string): Closable | undefined {
  const libc = loadLibc()
  for (;;) {
    const fd = openSync(path, 'a', 0o600)
    const locked = libc.lockFile(fd, LOCK_EX | LOCK_NB)
    if (locked === -EWOULDBLOCK) {
      closeSync(fd)
      return undefined
    }
    checked(`Lock ${path}`, locked)
    // The last holder may have removed the file between our opening and our locking it.
    if (statSync(path, { throwIfNoEntry: false })?.ino !== fstatSync(fd).ino) {
      closeSync(fd)
      continue
    }
    let held = true
    return {
      close() {
        if (!held) return
        held = false
        unlinkSync(path)
        closeSync(fd)
      },
    }
  }
}
