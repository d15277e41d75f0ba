import { type ChildProcess, spawn, type SpawnOptions } from 'node:child_process'
import { command, tryCommand } from './command.ts'

/**
 * Network namespaces of one run: made here, removed by `close`, whatever became of the run. Names carry
 * the process id, so that two runs on one machine do not meet.
 */
export class Namespaces {
  readonly #prefix: string
  readonly #names: string[] = []
  readonly #children = new Set<ChildProcess>()
  #links = 0
  readonly #onExit = (): void => this.#remove()

  constructor(label: string) {
    this.#prefix = `${label}-${process.pid}`
    process.once('exit', this.#onExit)
  }

  /** Makes a namespace with its loopback up. @returns its full name */
  add(label: string): string {
    const name = `${this.#prefix}-${label}`
    command('ip', ['netns', 'add', name])
    this.#names.push(name)
    command('ip', ['-n', name, 'link', 'set', 'lo', 'up'])
    return name
  }

  /** Joins two namespaces by a veth pair with these interface names and addresses ("192.0.2.1/24"). */
  join(left: LinkEnd, right: LinkEnd): void {
    const [a, b] = [`tv${process.pid}a${this.#links}`, `tv${process.pid}b${this.#links}`]
    this.#links++
    command('ip', ['-n', left.namespace, 'link', 'add', a, 'type', 'veth', 'peer', 'name', b])
    command('ip', ['-n', left.namespace, 'link', 'set', b, 'netns', right.namespace])
    for (const [end, name] of [
      [left, a],
      [right, b],
    ] as const) {
      const lines = [`link set ${name} name ${end.interface}`]
      for (const address of end.addresses) {
        const nodad = address.includes(':') ? ' nodad' : ''
        lines.push(`addr add ${address} dev ${end.interface}${nodad}`)
      }
      this.batch(end.namespace, [...lines, `link set ${end.interface} up`])
    }
  }

  /** Runs `ip` subcommands inside a namespace, all in one process. */
  batch(namespace: string, lines: readonly string[]): void {
    command('ip', ['-n', namespace, '-batch', '-'], `${lines.join('\n')}\n`)
  }

  /** Starts a program inside a namespace; `close` ends it. */
  spawn(
    namespace: string,
    program: string,
    args: readonly string[],
    options: SpawnOptions = {},
  ): ChildProcess {
    const child = spawn(
      'nsenter',
      [`--net=/run/netns/${namespace}`, '--', program, ...args],
      options,
    )
    this.#children.add(child)
    child.once('exit', () => this.#children.delete(child))
    return child
  }

  /** Runs a program inside a namespace to its end. */
  run(namespace: string, program: string, args: readonly string[], input?: string): string {
    return command('nsenter', [`--net=/run/netns/${namespace}`, '--', program, ...args], input)
  }

  /** Processes inside a namespace, children of started programs included. */
  pids(namespace: string): number[] {
    return (tryCommand('ip', ['netns', 'pids', namespace]) ?? '')
      .split('\n')
      .filter((line) => line !== '')
      .map(Number)
  }

  close(): void {
    process.removeListener('exit', this.#onExit)
    this.#remove()
  }

  #remove(): void {
    for (const child of this.#children) child.kill('SIGKILL')
    for (const name of this.#names.splice(0)) {
      for (const pid of this.pids(name)) {
        try {
          process.kill(pid, 'SIGKILL')
        } catch {
          // It ended by itself in between.
        }
      }
      tryCommand('ip', ['netns', 'delete', name])
    }
  }
}

export interface LinkEnd {
  readonly namespace: string
  readonly interface: string
  readonly addresses: readonly string[]
}
