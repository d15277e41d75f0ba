import { closeSync, mkdirSync, openSync, readdirSync, unlinkSync } from 'node:fs'
import { KernelError } from '../../../kernel/kernel.ts'
import { checked, type Libc } from './libc.ts'
import type { ThreadNamespace } from './thread-namespace.ts'

/** Where iproute2 keeps the names of namespaces: each a file on which the namespace is mounted. */
const FOLDER = '/run/netns'

const MS_BIND = 0x1000
const MS_REC = 0x4000
const MS_SHARED = 1 << 20
const MNT_DETACH = 2
const LOCK_EX = 2
const EINVAL = 22

export function namespacePath(name: string): string {
  return `${FOLDER}/${name}`
}

/** Names of namespaces, in order; none where no namespace was ever made. */
export function listNamespaces(): string[] {
  try {
    return readdirSync(FOLDER).sort()
  } catch (thrown) {
    if ((thrown as { readonly code?: unknown }).code === 'ENOENT') return []
    throw thrown
  }
}

/** Makes a namespace as `ip netns add` does, so that each finds what the other made. */
export function makeNamespace(libc: Libc, thread: ThreadNamespace, name: string): void {
  const what = `Create namespace ${name}`
  checkName(what, name)
  shareFolder(libc)
  const path = namespacePath(name)
  try {
    closeSync(openSync(path, 'wx', 0o000))
  } catch (thrown) {
    throw new KernelError(codeOf(thrown), what)
  }
  try {
    thread.insideNew(() => {
      checked(what, libc.mount('/proc/thread-self/ns/net', path, 'none', MS_BIND))
    })
  } catch (thrown) {
    unlinkSync(path)
    throw thrown
  }
}

/** Forgets the name. The namespace ends when nothing is in it and nothing holds it open. */
export function removeNamespace(libc: Libc, name: string): void {
  const what = `Delete namespace ${name}`
  checkName(what, name)
  const path = namespacePath(name)
  // EINVAL: only the file is there, left by one who was stopped between making it and mounting on it.
  const unmounted = libc.unmount(path, MNT_DETACH)
  if (unmounted !== -EINVAL) checked(what, unmounted)
  try {
    unlinkSync(path)
  } catch (thrown) {
    throw new KernelError(codeOf(thrown), what)
  }
}

/** A descriptor of a namespace by name or absolute path. */
export function openNamespace(nameOrPath: string): number {
  const what = `Open namespace ${nameOrPath}`
  if (!nameOrPath.startsWith('/')) checkName(what, nameOrPath)
  try {
    return openSync(nameOrPath.startsWith('/') ? nameOrPath : namespacePath(nameOrPath), 'r')
  } catch (thrown) {
    throw new KernelError(codeOf(thrown), what)
  }
}

/**
 * Makes the folder a mount of its own that propagates, as `ip netns add` does: a name made here must
 * show in other mount namespaces, and one removed there must not stay busy here.
 */
function shareFolder(libc: Libc): void {
  mkdirSync(FOLDER, { recursive: true, mode: 0o755 })
  const lock = openSync(FOLDER, 'r')
  try {
    checked(`Lock ${FOLDER}`, libc.lockFile(lock, LOCK_EX))
    const share = (): number => libc.mount('', FOLDER, 'none', MS_SHARED | MS_REC)
    const shared = share()
    if (shared !== -EINVAL) checked(`Share ${FOLDER}`, shared)
    else {
      // Not a mount point yet.
      const bound = libc.mount(FOLDER, FOLDER, 'none', MS_BIND | MS_REC)
      checked(`Mount ${FOLDER} on itself`, bound)
      checked(`Share ${FOLDER}`, share())
    }
  } finally {
    closeSync(lock)
  }
}

function checkName(what: string, name: string): void {
  if (name === '' || name.includes('/') || name === '.' || name === '..' || name.length > 255) {
    throw new KernelError('EINVAL', `${what}: a name is a file name without slashes`)
  }
}

function codeOf(thrown: unknown): string {
  const code = (thrown as { readonly code?: unknown }).code
  return typeof code === 'string' ? code : 'EIO'
}
