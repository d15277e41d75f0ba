import koffi from 'koffi'

type PollHandle = ReturnType<typeof koffi.node.poll>

/**
 * Watchers by descriptor, for as long as they watch: a handle that nothing refers to is collected and
 * falls silent, and the same descriptor watched twice aborts the process. The process has one table of
 * descriptors, so this has one too.
 */
const watching = new Map<number, FdWatcher>()

/** Calls back whenever a descriptor can be read (or written). Must be closed before the descriptor is. */
export class FdWatcher {
  readonly #fd: number
  #handle: PollHandle | undefined

  constructor(fd: number, event: 'readable' | 'writable', onReady: () => void) {
    if (watching.has(fd)) throw new Error(`Descriptor ${fd} is watched already`)
    this.#fd = fd
    this.#handle = koffi.node.poll(fd, { [event]: true }, () => {
      try {
        onReady()
      } catch (thrown) {
        // An exception would stay pending in native code and surface in some later callback.
        setImmediate(() => {
          throw thrown
        })
      }
    })
    watching.set(fd, this)
  }

  /** Does not keep the process running for this alone. */
  unref(): void {
    this.#handle?.unref()
  }

  close(): void {
    if (this.#handle === undefined) return
    this.#handle.close()
    this.#handle = undefined
    watching.delete(this.#fd)
  }
}
