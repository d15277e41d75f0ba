import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { removeLock } from '../lab/lab-down.ts'
import { JOURNAL_FILE } from '../lab/journal.ts'
import { NAMES_LOCK } from '../lab/lab-names.ts'
import type { LabStatus } from '../api/lab-status.ts'
import { connect } from '../api/connect.ts'
import type { Connection, LabHostApi, Method, Params, Result } from '../api/methods.ts'
import type { CommandResult } from '../kernel/sim/commands/command-result.ts'
import { sleep } from '../lib/clock.ts'
import { messageOf, UserError } from '../lib/errors.ts'
import { systemClock } from '../platform/node/clock.ts'
import { makeOwnFolder } from '../platform/node/own-folder.ts'
import { endProcesses, processesWith, startDetached } from '../platform/node/processes.ts'
import { connectUnix } from '../platform/node/unix-socket.ts'
import type { SimulatedLabs } from '../cli/lab/labs.ts'
import { HOST_FILE, HOST_SOCKET } from '../simulated-lab/host-file.ts'
import { LAB_ROOT, labPath } from './lab-paths.ts'
import { labState } from './lab-state.ts'

/** Longest that a simulated lab may take to come up, in milliseconds. */
const UP_MILLISECONDS_MAX = 120_000
/** Longest that the host may take to say that it goes; then it is made to. */
const ANSWER_MILLISECONDS_MAX = 3_000
/** Longest that one simulated command may run. */
const COMMAND_MILLISECONDS_MAX = 600_000

/** Simulated labs, each asked over its host's socket. */
export const simulatedLabs: SimulatedLabs = {
  has: isSimulated,
  unbegun: unbegunSimulatedLabs,
  start: startSimulatedLab,
  status: simulatedStatus,
  exec: simulatedExec,
  restart: simulatedRestart,
  down: simulatedDown,
  async host(lab, log) {
    const { hostLab } = await import('./simulated-lab-host.ts')
    return hostLab(lab, log)
  },
}

/** Beside the lab's directory, which must not be there when the host begins. */
function hostLog(lab: string): string {
  return labPath(`.${lab}.log`)
}

/** Whether a lab is simulated; also one whose host was killed before it had said so. */
export function isSimulated(lab: string): boolean {
  if (existsSync(labPath(lab, HOST_FILE))) return true
  // Begun, and perhaps killed before it could say so; a lab of namespaces has its journal before all else.
  return existsSync(hostLog(lab)) && !existsSync(labPath(lab, JOURNAL_FILE))
}

/** Simulated labs of which there is nothing but their host's log. */
function unbegunSimulatedLabs(): string[] {
  if (!existsSync(labPath())) return []
  const names = readdirSync(labPath()).flatMap((name) => /^\.(.+)\.log$/.exec(name)?.[1] ?? [])
  return names.filter((lab) => !existsSync(labPath(lab))).sort()
}

/** Starts the host of a lab as a process that outlives this one; answers when the lab is up. */
async function startSimulatedLab(lab: string, topologyPath: string): Promise<LabStatus> {
  if (labState().labs().includes(lab)) {
    throw new UserError(`Lab ${lab} is up already; remove it with: tortie lab down ${lab}`)
  }
  const logPath = hostLog(lab)
  makeOwnFolder(LAB_ROOT)
  mkdirSync(labPath(), { recursive: true, mode: 0o700 })
  const host = startDetached({
    command: process.execPath,
    args: [...process.execArgv, process.argv[1]!, 'lab', 'host', topologyPath, '--name', lab],
    env: { ...process.env, TORTIE_LAB: lab, TORTIE_LAB_DIR: labPath(lab) },
    logPath,
  })
  const deadline = systemClock.now() + UP_MILLISECONDS_MAX
  for (;;) {
    const client = await connectHost(lab).catch(() => undefined)
    if (client !== undefined) {
      try {
        return await client.call('status', {})
      } finally {
        client.close()
      }
    }
    if (host.ended !== undefined) {
      const said = lastLine(logPath)
      rmSync(logPath)
      throw new UserError(said)
    }
    if (systemClock.now() > deadline) {
      throw new UserError(`The host of lab ${lab} does not answer; its log is ${logPath}`)
    }
    await sleep(systemClock, 10)
  }
}

/** What the host said last, without the name of the program before it. */
function lastLine(path: string): string {
  const last = readFileSync(path, 'utf8').trimEnd().split('\n').at(-1) ?? ''
  return last.replace(/^tortie: /, '') || 'The host of the lab ended without a word'
}

async function connectHost(lab: string): Promise<Connection<LabHostApi>> {
  const stream = await connectUnix(labPath(lab, HOST_SOCKET))
  return connect<LabHostApi>(stream, systemClock, `the host of lab ${lab}`)
}

/** Asks the host of a lab. Errors: UserError when it is not there, or what it answers. */
async function ask<M extends Method<LabHostApi>>(
  lab: string,
  method: M,
  params: Params<LabHostApi, M>,
): Promise<Result<LabHostApi, M>> {
  const client = await connectHost(lab).catch((thrown: unknown) => {
    throw new UserError(
      `The host of lab ${lab} does not answer: ${messageOf(thrown)}; remove it with: tortie lab down ${lab}`,
    )
  })
  try {
    return await client.call(method, params, COMMAND_MILLISECONDS_MAX)
  } catch (thrown) {
    throw new UserError(messageOf(thrown))
  } finally {
    client.close()
  }
}

async function simulatedStatus(lab: string): Promise<LabStatus> {
  return ask(lab, 'status', {})
}

async function simulatedExec(
  lab: string,
  where: string,
  argv: readonly string[],
): Promise<CommandResult> {
  return ask(lab, 'exec', { where, argv })
}

async function simulatedRestart(lab: string, node: string): Promise<void> {
  await ask(lab, 'restart', { node })
}

/** Ends the host, if it runs, and removes what is left of the lab. */
async function simulatedDown(lab: string): Promise<void> {
  const client = await connectHost(lab).catch(() => undefined)
  if (client !== undefined) {
    await client.call('down', {}, ANSWER_MILLISECONDS_MAX).catch(() => undefined)
    client.close()
    const deadline = systemClock.now() + ANSWER_MILLISECONDS_MAX
    while (existsSync(labPath(lab, HOST_SOCKET)) && systemClock.now() < deadline) {
      await sleep(systemClock, 10)
    }
  }
  // A host that does not listen any more, or that was killed half way up.
  if (process.platform === 'linux') {
    await endProcesses(() => processesWith('TORTIE_LAB_DIR', labPath(lab)))
  }
  const state = labState()
  state.remove(lab)
  for (const name of [lab, NAMES_LOCK]) removeLock(state, name)
  rmSync(hostLog(lab), { force: true })
}
