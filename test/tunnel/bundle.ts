import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild'

const root = join(import.meta.dirname, '../..')

/** A program as one file that plain Node runs, also where vitest would take too long to start. */
export class Bundle {
  #folder: string | undefined

  /** @returns its path */
  async build(entryPoint = 'test/tunnel/run-checks.ts'): Promise<string> {
    mkdirSync(join(root, 'dist'), { recursive: true })
    this.#folder = mkdtempSync(join(root, 'dist', '.test-'))
    const outfile = join(this.#folder, 'run-checks.mjs')
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
