import { closeSync, openSync, readFileSync, unlinkSync, writeSync } from 'node:fs'
import type { Closable } from '../../lib/closable.ts'
import { lockFileByKernel } from '../linux/process/file-lock.ts'

/**
 * Holds a lock on a file until it is closed or this process ends; undefined while another holds it.
 * Linux's kernel keeps it (flock); elsewhere the file names its holder, and a dead holder's is taken over.
 */
export function lockFile(path: string): Closable | undefined {
  return process.platform === 'linux' ? lockFileByKernel(path) : lockByName(path)
}

function lockByName(path: string): Closable | undefined {
  for (;;) {
    try {
      const fd = openSync(path, 'wx', 0o600)
      writeSync(fd, String(process.pid))
      closeSync(fd)
      return { close: () => unlinkSync(path) }
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code !== 'EEXIST') throw thrown
      if (isAlive(Number(readFileSync(path, 'utf8')))) return undefined
      unlinkSync(path)
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    return pid > 0 && process.kill(pid, 0)
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code === 'EPERM'
  }
}
