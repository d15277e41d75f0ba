import { closeSync, fstatSync, openSync } from 'node:fs'
import { checked, type Libc } from './libc.ts'

const CLONE_NEWNET = 0x4000_0000

/**
 * The network namespace that the main thread is in, which it leaves only for the length of one
 * synchronous call. Nothing asynchronous may start inside: what runs on other threads (dns, fs.promises)
 * or later stays in the process's own namespace.
 */
export class ThreadNamespace {
  readonly #libc: Libc
  readonly #home: number
  #current: number

  constructor(libc: Libc) {
    this.#libc = libc
    // Not /proc/self, which is the thread group's leader whichever thread asks.
    this.#home = openSync('/proc/thread-self/ns/net', 'r')
    this.#current = this.#home
  }

  /**
   * The descriptor to enter for the namespace that `fd` refers to: that of the process's own if it is the
   * same, so that nothing is entered, which only root may.
   */
  toEnter(fd: number): number {
    const [wanted, home] = [fstatSync(fd), fstatSync(this.#home)]
    return wanted.ino === home.ino && wanted.dev === home.dev ? this.#home : fd
  }

  /** Runs `body` in the namespace that `fd` refers to, and comes back however it ends. */
  inside<Result>(fd: number, body: () => Result): Result {
    const before = this.#current
    if (fd === before) return body()
    this.#enter(fd)
    try {
      return body()
    } finally {
      this.#enter(before)
    }
  }

  /** Runs `body` in a namespace newly made, which is gone afterwards unless `body` pins it. */
  insideNew<Result>(body: () => Result): Result {
    const before = this.#current
    checked('Make a network namespace', this.#libc.unshare(CLONE_NEWNET))
    const fd = openSync('/proc/thread-self/ns/net', 'r')
    this.#current = fd
    try {
      return body()
    } finally {
      this.#enter(before)
      closeSync(fd)
    }
  }

  close(): void {
    closeSync(this.#home)
  }

  #enter(fd: number): void {
    checked('Enter a network namespace', this.#libc.setNamespace(fd, CLONE_NEWNET))
    this.#current = fd
  }
}
