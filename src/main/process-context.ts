import { readFileSync } from 'node:fs'
import type { CommandContext, Output } from '../cli/context.ts'
import { messageOf, UserError } from '../lib/errors.ts'
import { type Log, silentLog } from '../lib/log.ts'
import { systemClock } from '../platform/node/clock.ts'
import { expectRejections } from '../platform/node/process-end.ts'
import { systemRandom } from '../platform/node/random.ts'

/** Longest that a process goes on after it was told to end, in milliseconds: what is not done stays undone. */
const STOP_MILLISECONDS_MAX = 900

/** The context of a command that runs as a process: its streams, its environment, its machine. */
export function processContext(): CommandContext & {
  readonly exitCode: number
  /** Resolves when what was printed has been taken by whoever reads it, or nobody does any more. */
  flush(): Promise<void>
} {
  let exitCode = 0
  const out = output(() => process.stdout)
  const err = output(() => process.stderr)
  return {
    out,
    err,
    flush: async () => void (await Promise.all([out.flush(), err.flush()])),
    env: process.env,
    clock: systemClock,
    random: systemRandom,
    async openLog(name) {
      const { createLog, LOG_LEVELS } = await import('../platform/node/log.ts')
      const level = LOG_LEVELS.find((level) => level === process.env['TORTIE_LOG']) ?? 'info'
      return createLog({ level, name })
    },
    readText: (path) => Promise.resolve(readText(path)),
    async openStore(target) {
      const { openTargetStore } = await import('./cluster-access.ts')
      return openTargetStore(target, process.env)
    },
    async openResources(target) {
      const { openTargetStore } = await import('./cluster-access.ts')
      const { Resources } = await import('../store/resources.ts')
      const store = await openTargetStore(target, process.env)
      const ports = { clock: systemClock, random: systemRandom, log: warnings }
      return { resources: new Resources({ store, ...ports }), close: () => store.close() }
    },
    async openAgents(target, nodes) {
      const { openTargetAgents } = await import('./cluster-access.ts')
      return openTargetAgents(target, process.env, nodes)
    },
    async openLabs() {
      const { machineLabs } = await import('./labs.ts')
      return machineLabs()
    },
    async openKernel(namespace) {
      if (process.platform !== 'linux') throw new UserError('This needs Linux')
      const { createLinuxMachine } = await import('../platform/linux/machine.ts')
      return createLinuxMachine().openNamespace(namespace ?? '/proc/self/ns/net')
    },
    async untilStopped() {
      const signal = await endSignal()
      setTimeout(() => process.exit(exitCode), STOP_MILLISECONDS_MAX)
      return signal
    },
    untilInterrupted: endSignal,
    expectRejections,
    setExitCode(code) {
      exitCode = code
    },
    get exitCode() {
      return exitCode
    },
  }
}

function endSignal(): Promise<string> {
  return new Promise((resolve) => {
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => resolve(name))
  })
}

/** What a command that a person typed has to say besides its result: warnings, as plain lines. */
const warnings: Log = {
  ...silentLog,
  warn: (message, fields) =>
    void process.stderr.write(`tortie: ${message} ${JSON.stringify(fields ?? {})}\n`),
  error: (message, fields) =>
    void process.stderr.write(`tortie: ${message} ${JSON.stringify(fields ?? {})}\n`),
  child: () => warnings,
}

/**
 * The stream is touched only when it is used: that changes the terminal or pipe behind it. A reader that
 * has gone, as `head` does, is no reason to leave undone what was asked for.
 */
function output(open: () => NodeJS.WriteStream): Output & { flush(): Promise<void> } {
  let opened: NodeJS.WriteStream | undefined
  const stream = (): NodeJS.WriteStream => {
    opened ??= open().on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error
    })
    return opened
  }
  return {
    write: (text) => void stream().write(text),
    flush: () =>
      new Promise((resolve) => {
        if (opened === undefined || opened.destroyed) resolve()
        else opened.write('', () => resolve())
      }),
    get isTty() {
      return stream().isTTY
    },
    get columns() {
      return stream().isTTY ? stream().columns : undefined
    },
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path === '-' ? 0 : path, 'utf8')
  } catch (thrown) {
    throw new UserError(`Cannot read ${path}: ${messageOf(thrown)}`)
  }
}
