import { VirtualClock } from '../../lib/clock.ts'
import { silentLog } from '../../lib/log.ts'
import { SeededRandom } from '../../lib/random.ts'
import type { CommandContext, Output } from '../context.ts'

export interface TestContext extends CommandContext {
  /** All that was written so far. */
  readonly written: { out: string; err: string }
  readonly exitCode: number
}

/** A context that keeps what is written; what a test needs besides is given in `overrides`. */
export function testContext(overrides: Partial<CommandContext> = {}): TestContext {
  const written = { out: '', err: '' }
  let exitCode = 0
  const output = (name: 'out' | 'err'): Output => ({
    write: (text) => void (written[name] += text),
    isTty: false,
    columns: undefined,
  })
  const absent = (what: string) => () => Promise.reject(new Error(`${what} is not in this test`))
  return {
    out: output('out'),
    err: output('err'),
    env: {},
    clock: new VirtualClock(),
    random: new SeededRandom(1),
    openLog: () => Promise.resolve(silentLog),
    readText: absent('a file'),
    openStore: absent('a store'),
    openResources: absent('a store'),
    openAgents: absent('an agent'),
    openLabs: absent('a lab'),
    openKernel: absent('a kernel'),
    untilStopped: () => new Promise(() => {}),
    untilInterrupted: () => new Promise(() => {}),
    expectRejections() {},
    setExitCode: (code) => void (exitCode = code),
    ...overrides,
    written,
    get exitCode() {
      return exitCode
    },
  }
}
