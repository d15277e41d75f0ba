import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { join } from 'node:path'

/** The built executable, as a user runs it. */
export const TORTIE = join(import.meta.dirname, '../../dist/tortie.js')

export interface Ran {
  readonly stdout: string
  readonly stderr: string
  readonly status: number | null
}

/** Runs `tortie` to its end. */
export function tortie(...args: string[]): Ran {
  const { stdout, stderr, status } = spawnSync(process.execPath, [TORTIE, ...args], {
    encoding: 'utf8',
    timeout: 60_000,
  })
  return { stdout, stderr, status }
}

/** Runs `tortie` and answers its output; throws with what it said if it fails. */
export function say(...args: string[]): string {
  const { stdout, stderr, status } = tortie(...args)
  if (status === 0) return stdout
  throw new Error(`tortie ${args.join(' ')} ended with ${status}\n${stdout}${stderr}`)
}

/** A lab of a test's own, up until `down`. */
export class TestLab {
  readonly name: string

  constructor(topology: string, name: string, ...options: string[]) {
    this.name = name
    say('lab', 'up', topology, '--name', name, ...options)
  }

  /** Runs a command in the namespace of a node or pod, and answers what it printed. */
  in(target: string, ...command: string[]): string {
    return say('lab', 'exec', '--lab', this.name, target, '--', ...command)
  }

  /** Starts a command there that goes on beside the test. */
  beside(target: string, ...command: string[]): Beside {
    return new Beside(['lab', 'exec', '--lab', this.name, target, '--', ...command])
  }

  down(): void {
    say('lab', 'down', this.name)
  }
}

/** A process beside the test whose output can be awaited. */
export class Beside {
  readonly child: ChildProcess
  output = ''
  readonly #ended: Promise<number | null>
  readonly #waiting = new Set<() => void>()

  constructor(args: readonly string[]) {
    this.child = spawn(process.execPath, [TORTIE, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
    const add = (text: Buffer): void => {
      this.output += text.toString()
      for (const look of this.#waiting) look()
    }
    this.child.stdout!.on('data', add)
    this.child.stderr!.on('data', add)
    this.#ended = new Promise((resolve) => {
      this.child.on('close', (code) => {
        resolve(code)
        for (const look of this.#waiting) look()
      })
    })
  }

  /** Resolves when the output so far matches; rejects when the process ends before it does. */
  until(pattern: RegExp): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        const done = pattern.test(this.output)
        if (!done && this.child.exitCode === null) return
        this.#waiting.delete(look)
        if (done) resolve()
        else reject(new Error(`ended before it said ${String(pattern)}:\n${this.output}`))
      }
      this.#waiting.add(look)
      look()
    })
  }

  ended(): Promise<number | null> {
    return this.#ended
  }

  async stop(signal: NodeJS.Signals = 'SIGINT'): Promise<string> {
    this.child.kill(signal)
    await this.#ended
    return this.output
  }
}

/** Prints why a suite is skipped, once, and says whether it can run. */
export function canRunLabs(what: string): boolean {
  const can = process.platform === 'linux' && process.getuid?.() === 0
  if (!can) console.log(`Skipped: ${what} needs Linux and root`)
  return can
}
