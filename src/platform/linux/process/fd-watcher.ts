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
  readonly #event: 'readable' | 'writable'
  readonly #onReady: () => void
  #handle: PollHandle | undefined

  constructor(fd: number, event: 'readable' | 'writable', onReady: () => void) {
    if (watching.has(fd)) throw new Error(`Descriptor ${fd} is watched already`)
    this.#fd = fd
    this.#event = event
    this.#onReady = onReady
    this.#arm()
    watching.set(fd, this)
  }

  #arm(): void {
    // The types say that the callback is given events; what it is given first is a status.
    this.#handle = koffi.node.poll(this.#fd, { [this.#event]: true }, (status: unknown) => {
      try {
        this.#onReady()
      } catch (thrown) {
        // An exception would stay pending in native code and surface in some later callback.
        setImmediate(() => {
          throw thrown
        })
      }
      if (typeof status === 'number' && status < 0) this.#rearm()
    })
  }

  /**
   * libuv stops watching a descriptor with an error on it (POLLERR), such as lost notifications or a
   * link that went down under a capture. Reading has taken the error off by now.
   */
  #rearm(): void {
    if (this.#handle === undefined) return
    this.#handle.close()
    this.#arm()
  }

  close(): void {
    if (this.#handle === undefined) return
    this.#handle.close()
    this.#handle = undefined
    watching.delete(this.#fd)
  }
}
