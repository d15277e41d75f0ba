import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join, parse } from 'node:path'
import { build } from 'esbuild'

const root = join(import.meta.dirname, '../..')

/** A program as one file that plain Node runs, also where vitest would take too long to start. */
export class Bundle {
  #folder: string | undefined

  /** @param entryPoint path from the root of the repository; @returns the bundle's path */
  async build(entryPoint: string): Promise<string> {
    mkdirSync(join(root, 'dist'), { recursive: true })
    this.#folder = mkdtempSync(join(root, 'dist', '.test-'))
    const outfile = join(this.#folder, `${parse(entryPoint).name}.mjs`)
    await build({
      absWorkingDir: root,
      entryPoints: [entryPoint],
      outfile,
      bundle: true,
      platform: 'node',
      format: 'esm',
      packages: 'external',
      loader: { '.yaml': 'text' },
      sourcemap: 'inline',
      logLevel: 'error',
    })
    return outfile
  }

  remove(): void {
    if (this.#folder !== undefined) rmSync(this.#folder, { recursive: true, force: true })
  }
}
