import { readFileSync } from 'node:fs'
import type { CommandContext, Output } from '../cli/context.ts'
import { messageOf, UserError } from '../lib/errors.ts'
import { systemClock } from '../platform/node/clock.ts'
import { systemRandom } from '../platform/node/random.ts'

/** The context of a command that runs as a process: its streams, its environment, its machine. */
export function processContext(): CommandContext & { readonly exitCode: number } {
  let exitCode = 0
  return {
    out: output(process.stdout),
    err: output(process.stderr),
    env: process.env,
    clock: systemClock,
    random: systemRandom,
    async openLog(name) {
      const { createLog, LOG_LEVELS } = await import('../platform/node/log.ts')
      const level = LOG_LEVELS.find((level) => level === process.env['TORTIE_LOG']) ?? 'info'
      return createLog({ level, name })
    },
    readText: (path) => Promise.resolve(readText(path)),
    openStore: () => Promise.reject(new UserError('No datastore: this build has no client yet')),
    openAgents: () => Promise.reject(new UserError('No lab is up. Start one: tortie lab up seed')),
    openKernel: () => Promise.reject(new UserError('This build has no Linux kernel port yet')),
    untilStopped: () =>
      new Promise((resolve) => {
        for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => resolve(name))
      }),
    setExitCode(code) {
      exitCode = code
    },
    get exitCode() {
      return exitCode
    },
  }
}

function output(stream: NodeJS.WriteStream): Output {
  return {
    write: (text) => void stream.write(text),
    get isTty() {
      return stream.isTTY
    },
    get columns() {
      return stream.isTTY ? stream.columns : undefined
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
