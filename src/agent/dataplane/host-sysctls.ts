import { attemptEach } from '../../lib/attempt-each.ts'
import { checkFileVersion } from '../../lib/file-version.ts'
import { isKernelError, type Kernel } from '../../kernel/kernel.ts'

/** A setting as the host had it; the path is as in {@link Kernel.readSysctl}. */
export interface SavedSysctl {
  readonly path: string
  readonly value: string
}

const SAVED_SYSCTL_VERSION = 1

/** What the file of a saved setting holds. */
export function savedSysctlRecord(saved: SavedSysctl): object {
  return { version: SAVED_SYSCTL_VERSION, ...saved }
}

/** The setting of a file. Errors: LaterVersion; Error on what is none. */
export function parseSavedSysctl(document: unknown): SavedSysctl {
  const { version, path, value } = (document ?? {}) as Readonly<Record<string, unknown>>
  checkFileVersion(version, SAVED_SYSCTL_VERSION, 'the record of a setting')
  if (typeof path === 'string' && typeof value === 'string') return { path, value }
  throw new Error('expected a map with the texts path and value')
}

/** What the agent changed on its host, as it was before; outlives the agent. */
export interface SavedSysctls {
  list(): readonly SavedSysctl[]
  put(saved: SavedSysctl): void
  /** Removing what is not there does nothing. */
  delete(path: string): void
}

type Settings = Pick<Kernel, 'readSysctl' | 'writeSysctl'>

/**
 * Settings of the host that the agent needs otherwise. What each was before is written down first, and
 * comes back when nothing else is wanted any more.
 */
export class HostSysctls {
  readonly #kernel: Settings
  readonly #saved: SavedSysctls
  readonly #originals: Map<string, string>

  constructor(kernel: Settings, saved: SavedSysctls) {
    this.#kernel = kernel
    this.#saved = saved
    this.#originals = new Map(saved.list().map(({ path, value }) => [path, value]))
  }

  /**
   * Makes these as wanted, in their order, and gives all others back; writes only what differs. Errors: what
   * the kernel refused; all else is done.
   */
  reconcile(wanted: ReadonlyMap<string, string>): void {
    const over = [...this.#originals.keys()].filter((path) => !wanted.has(path))
    attemptEach([...over, ...wanted.keys()], (path) => {
      const value = wanted.get(path)
      if (value === undefined) this.#restore(path)
      else this.#keep(path, value)
    })
  }

  /** What the host had, or has where nothing was changed; undefined where there is no such setting. */
  original(path: string): string | undefined {
    return this.#originals.get(path) ?? this.#read(path)
  }

  #keep(path: string, wanted: string): void {
    const now = this.#read(path)
    if (now === undefined || now === wanted) return
    // What somebody set meanwhile, or the host itself after a reboot, is the host's own value now.
    if (this.#originals.get(path) !== now) {
      this.#saved.put({ path, value: now })
      this.#originals.set(path, now)
    }
    this.#kernel.writeSysctl(path, wanted)
  }

  #restore(path: string): void {
    const value = this.#originals.get(path)!
    if (this.#read(path) !== undefined) this.#kernel.writeSysctl(path, value)
    this.#originals.delete(path)
    this.#saved.delete(path)
  }

  /** Undefined for those of a link that is gone. */
  #read(path: string): string | undefined {
    try {
      return this.#kernel.readSysctl(path)
    } catch (thrown) {
      if (isKernelError(thrown, 'ENOENT')) return undefined
      throw thrown
    }
  }
}

/** For simulations: a host's memory, which outlives its agents. */
export function memorySysctls(): SavedSysctls {
  const rows = new Map<string, SavedSysctl>()
  return {
    list: () => [...rows.values()],
    put: (saved) => void rows.set(saved.path, saved),
    delete: (path) => void rows.delete(path),
  }
}
