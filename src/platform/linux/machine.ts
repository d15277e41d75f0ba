import type { Machine } from '../../kernel/kernel.ts'
import { type Log, silentLog } from '../../lib/log.ts'
import { type Libc, loadLibc } from './process/libc.ts'
import { LinuxKernel } from './linux-kernel.ts'
import {
  listNamespaces,
  makeNamespace,
  namespacePath,
  openNamespace,
  removeNamespace,
} from './process/namespaces.ts'
import { ThreadNamespace } from './process/thread-namespace.ts'

/**
 * The machine that this process runs on. For the main thread only: namespaces are entered by the
 * thread that asks. Needs root (CAP_SYS_ADMIN and CAP_NET_ADMIN) for all but reading.
 *
 * @param log told of each request to the kernel while its topic "netlink" is on
 */
export function createLinuxMachine(log: Log = silentLog): LinuxMachine {
  const libc = loadLibc()
  return new LinuxMachine(libc, new ThreadNamespace(libc), log)
}

export class LinuxMachine implements Machine {
  readonly #libc: Libc
  readonly #thread: ThreadNamespace
  readonly #open = new Set<{ readonly key: string; readonly kernel: LinuxKernel }>()

  readonly #log: Log

  constructor(libc: Libc, thread: ThreadNamespace, log: Log) {
    this.#log = log
    this.#libc = libc
    this.#thread = thread
  }

  createNamespace(name: string): LinuxKernel {
    makeNamespace(this.#libc, this.#thread, name)
    return this.openNamespace(name)
  }

  openNamespace(nameOrPath: string): LinuxKernel {
    const namespaceFd = openNamespace(nameOrPath)
    const [, name = nameOrPath] = /^(?:\/var)?\/run\/netns\/([^/]+)$/.exec(nameOrPath) ?? []
    const kernel = new LinuxKernel({
      name,
      libc: this.#libc,
      thread: this.#thread,
      namespaceFd,
      log: this.#log,
      onClose: () => this.#open.delete(entry),
    })
    const entry = { key: name, kernel }
    this.#open.add(entry)
    return kernel
  }

  /** Closes all that is open on the namespace through this machine, which would keep it alive. */
  deleteNamespace(name: string): void {
    removeNamespace(this.#libc, name)
    for (const { key, kernel } of this.#open) if (key === name) kernel.close()
  }

  namespaces(): readonly string[] {
    return listNamespaces()
  }

  namespacePath(name: string): string {
    return namespacePath(name)
  }

  /** Closes every kernel opened through this machine, and the machine. Namespaces stay. */
  close(): void {
    for (const { kernel } of this.#open) kernel.close()
    this.#thread.close()
  }
}
