import { fork } from 'node:child_process'
import { cpSync, mkdirSync, symlinkSync } from 'node:fs'
import { basename, join } from 'node:path'

/** A copy of a tree, and the process that runs tests in it. */
export class Slot {
  #root
  #folder
  #temporary
  #worker
  #settle = () => {}

  constructor(root, folder) {
    this.#root = root
    this.#folder = folder
    this.#temporary = `${folder}-tmp`
    mkdirSync(this.#temporary, { recursive: true })
    const ignored = new Set(['node_modules', '.git', 'dist', 'coverage'])
    cpSync(root, folder, { recursive: true, filter: (path) => !ignored.has(basename(path)) })
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  }

  /** Runs tests; an endless loop is over after so many milliseconds, and counts as noticed. */
  async run(job, milliseconds) {
    const worker = (this.#worker ??= await this.#start())
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.kill()
        this.#restore(job)
        resolve({ status: 'timeout', milliseconds })
      }, milliseconds)
      this.#settle = (answer) => {
        clearTimeout(timer)
        if (answer === undefined) this.#restore(job)
        resolve(answer ?? { status: 'killed', milliseconds: 0 })
      }
      worker.send(job)
    })
  }

  /** The process that was to do it is gone. */
  #restore({ path }) {
    if (path !== undefined) cpSync(join(this.#root, path), join(this.#folder, path))
  }

  async #start() {
    const worker = fork(join(import.meta.dirname, 'worker.mjs'), {
      cwd: this.#folder,
      env: { ...process.env, TMPDIR: this.#temporary },
      // A process group of its own: what it started ends with it.
      detached: true,
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    await new Promise((resolve, reject) => {
      worker.once('message', resolve)
      worker.once('exit', (code) => reject(new Error(`vitest ended with status ${code}`)))
    })
    worker.on('message', (answer) => this.#settle(answer))
    worker.on('exit', () => {
      if (this.#worker === worker) this.#worker = undefined
      this.#settle()
    })
    return worker
  }

  kill() {
    const worker = this.#worker
    this.#worker = undefined
    this.#settle = () => {}
    if (worker?.pid === undefined || worker.exitCode !== null) return
    try {
      process.kill(-worker.pid, 'SIGKILL')
    } catch {
      // It has ended meanwhile.
    }
  }
}
