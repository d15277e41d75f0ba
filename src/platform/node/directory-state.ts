import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Directories of text files under one root, a directory a name. */
export class DirectoryState {
  readonly #root: string

  constructor(root: string) {
    this.#root = root
  }

  names(): string[] {
    try {
      return readdirSync(this.#root, { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map(({ name }) => name)
        .sort()
    } catch (thrown) {
      if (isAbsent(thrown)) return []
      throw thrown
    }
  }

  /** Errors: RangeError for a name that would lead out of the root. */
  path(name: string, ...rest: string[]): string {
    if (name === '' || name === '.' || name === '..' || /[/\\\0]/.test(name)) {
      throw new RangeError(`"${name}" is no name of a directory here`)
    }
    return join(this.#root, name, ...rest)
  }

  read(name: string, file: string): string | undefined {
    try {
      return readFileSync(this.path(name, file), 'utf8')
    } catch (thrown) {
      if (isAbsent(thrown)) return undefined
      throw thrown
    }
  }

  /** Whoever reads sees the old text or the new one, whenever the writer is killed. */
  write(name: string, file: string, text: string): void {
    mkdirSync(this.path(name), { recursive: true, mode: 0o755 })
    const path = this.path(name, file)
    writeFileSync(`${path}.new`, text)
    renameSync(`${path}.new`, path)
  }

  remove(name: string): void {
    rmSync(this.path(name), { recursive: true, force: true })
  }
}

function isAbsent(thrown: unknown): boolean {
  return (thrown as NodeJS.ErrnoException).code === 'ENOENT'
}
