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

  /** Starts `ip monitor` there, about routes and what else is named; it listens when this resolves. */
  monitorRoutes(target: string, ...more: string[]): Promise<Monitor> {
    return Monitor.start(this, target, ['ip', 'monitor', 'route', ...more], {
      mark: (number) => `192.0.2.${number}`,
      // In a table where nobody else has any.
      make: (mark) =>
        `for verb in add del; do ip route $verb blackhole ${mark} table 4242 || exit; done`,
    })
  }

  /** Starts `nft monitor` there; it listens when this resolves. */
  monitorPacketFilter(target: string): Promise<Monitor> {
    return Monitor.start(this, target, ['nft', 'monitor'], {
      mark: (number) => `mark${number}`,
      make: (mark) => `nft add table ip6 ${mark} && nft delete table ip6 ${mark}`,
    })
  }

  down(): void {
    say('lab', 'down', this.name)
  }
}

/** A change that nobody else makes, by which a monitor shows that it hears. */
interface Marking {
  readonly mark: (number: number) => string
  /** Shell that makes the change and undoes it. */
  readonly make: (mark: string) => string
}

/**
 * A program that tells of changes. Silence means something only of one that listens: it has to tell of a
 * mark before it counts, and of another before its silence is believed.
 */
export class Monitor {
  readonly #lab: TestLab
  readonly #target: string
  readonly #running: Beside
  readonly #marking: Marking
  #marks = 0

  private constructor(lab: TestLab, target: string, running: Beside, marking: Marking) {
    this.#lab = lab
    this.#target = target
    this.#running = running
    this.#marking = marking
  }

  static async start(
    lab: TestLab,
    target: string,
    command: readonly string[],
    marking: Marking,
  ): Promise<Monitor> {
    const monitor = new Monitor(lab, target, lab.beside(target, ...command), marking)
    await monitor.#hears()
    return monitor
  }

  until(pattern: RegExp): Promise<void> {
    return this.#running.until(pattern)
  }

  /** Ends it, when it has told all that was to tell; answers that, without the marks. */
  async stop(): Promise<string> {
    await this.#hears()
    const said = await this.#running.stop()
    const marks = Array.from({ length: this.#marks }, (_, at) => this.#marking.mark(at + 1))
    const lines = said.split(/(?<=\n)/)
    return lines
      .filter((line) => !line.startsWith('#') && !marks.some((mark) => holds(line, mark)))
      .join('')
  }

  async #hears(): Promise<void> {
    for (;;) {
      const mark = this.#marking.mark(++this.#marks)
      // Beside, not in place: several monitors at once would never get to read what they hear.
      await this.#lab.beside(this.#target, 'sh', '-c', this.#marking.make(mark)).ended()
      const deadline = performance.now() + 1000
      while (performance.now() < deadline) {
        if (holds(this.#running.output, mark)) return
        if (this.#running.child.exitCode !== null) {
          throw new Error(`The monitor ended:\n${this.#running.output}`)
        }
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    }
  }
}

const holds = (text: string, mark: string): boolean => new RegExp(`\\b${mark}\\b`).test(text)

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
