import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild'

const root = join(import.meta.dirname, '../..')

export interface Ended {
  readonly status: number | null
  readonly out: string
  readonly err: string
}

export interface Running {
  readonly child: ChildProcess
  readonly done: Promise<Ended>
}

/** The command line built from the sources as they are, and the processes that a test starts of it. */
export class TortieProcesses {
  #folder = ''
  readonly #running = new Set<ChildProcess>()

  async build(): Promise<void> {
    mkdirSync(join(root, 'dist'), { recursive: true })
    this.#folder = mkdtempSync(join(root, 'dist', '.test-'))
    await build({
      absWorkingDir: root,
      stdin: {
        contents: "import { main } from './src/main/tortie.ts'; await main()",
        resolveDir: root,
      },
      outfile: this.program,
      bundle: true,
      platform: 'node',
      format: 'esm',
      packages: 'external',
      loader: { '.yaml': 'text' },
      logLevel: 'error',
    })
  }

  /** The built program, for those who start it in another way; node runs it. */
  get program(): string {
    return join(this.#folder, 'tortie.mjs')
  }

  run(...argv: string[]): Running {
    const child = spawn(process.execPath, [this.program, ...argv])
    this.#running.add(child)
    let out = ''
    let err = ''
    child.stdout.on('data', (text) => (out += String(text)))
    child.stderr.on('data', (text) => (err += String(text)))
    const done = new Promise<Ended>((resolve) => {
      child.on('close', (status) => {
        this.#running.delete(child)
        resolve({ status, out, err })
      })
    })
    return { child, done }
  }

  /** Ends what is still running. */
  killAll(): void {
    for (const child of this.#running) child.kill('SIGKILL')
    this.#running.clear()
  }

  remove(): void {
    this.killAll()
    if (this.#folder !== '') rmSync(this.#folder, { recursive: true, force: true })
  }
}

/** A loopback network (its first three octets) and a port that no other test process has. */
export function ownLoopback(): { readonly net: string; readonly port: number } {
  const { pid } = process
  return {
    net: `127.${1 + (pid % 254)}.${1 + ((pid >> 8) % 254)}`,
    port: 20_000 + (pid % 12_000),
  }
}
