import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { connect } from '../api/connect.ts'
import type { AgentApi, AgentConnection } from '../api/methods.ts'
import { messageOf, UserError } from '../lib/errors.ts'
import { sleep } from '../lib/clock.ts'
import type { LabPorts, LabPrograms, LabState } from '../lab/lab-ports.ts'
import { createLinuxMachine, type LinuxMachine } from '../platform/linux/machine.ts'
import { systemClock } from '../platform/node/clock.ts'
import {
  type DetachedProcess,
  endProcesses,
  type FoundProcess,
  processesWith,
  startDetached,
} from '../platform/node/processes.ts'
import { systemRandom } from '../platform/node/random.ts'
import { connectUnix } from '../platform/node/unix-socket.ts'
import { labPath } from './lab-paths.ts'
import { labState } from './lab-state.ts'
import { isSimulated } from './simulated-labs.ts'

/*
 * The lab on the real machine: namespaces of this kernel, a directory under /run, and for each program a
 * process whose environment says of which lab it is.
 */

/**
 * Longest that a program may take to answer for the first time. Generous: one that has died is noticed at
 * once, and many that start together on a small machine each take their time.
 */
const START_MILLISECONDS_MAX = 60_000
/** A lab's programs speak TLS with nobody, and with this Node takes three times as long to start. */
const NO_CERTIFICATES = { NODE_EXTRA_CA_CERTS: undefined }
/** Lines of a log that are shown when its program has ended. */
const LOG_LINES_SHOWN = 8

export function linuxLabPorts(said: Pick<LabPorts, 'progress' | 'warn'>): LabPorts {
  const machine = createLinuxMachine()
  return {
    machine,
    host: machine.openNamespace('/proc/self/ns/net'),
    state: realLabs(),
    programs: labPrograms(machine),
    clock: systemClock,
    random: systemRandom,
    ...said,
  }
}

/** Labs on the real kernel: the namespaces of simulated ones take no names away. */
function realLabs(): LabState {
  const all = labState()
  return { ...all, labs: () => all.labs().filter((lab) => !isSimulated(lab)) }
}

function labPrograms(machine: LinuxMachine): LabPrograms {
  const started = new Map<string, DetachedProcess>()
  const start = (lab: string, log: string, args: readonly string[]): DetachedProcess =>
    startDetached({
      command: process.execPath,
      args: [...process.execArgv, process.argv[1]!, ...args],
      env: { ...process.env, ...NO_CERTIFICATES, TORTIE_LAB: lab, TORTIE_LAB_DIR: labPath(lab) },
      logPath: log,
    })
  const find = (lab: string): FoundProcess[] => processesWith('TORTIE_LAB_DIR', labPath(lab))
  return {
    startStore(lab) {
      mkdirSync(labPath(lab), { recursive: true })
      const args = ['store', '--socket', labPath(lab, 'store.sock'), '--state-dir', labPath(lab)]
      started.set('store', start(lab, labPath(lab, 'store.log'), args))
    },
    startAgent(lab, node, namespace) {
      const own = (...rest: string[]): string => labPath(lab, 'nodes', node, ...rest)
      mkdirSync(own(), { recursive: true })
      const store = `unix:${labPath(lab, 'store.sock')}`
      const places = ['--state-dir', own(), '--socket', own('agent.sock')]
      const path = ['--netns-path', machine.namespacePath(namespace)]
      const args = ['agent', '--node', node, '--store', store, ...places, ...path]
      const kernel = machine.openNamespace(namespace)
      try {
        started.set(
          node,
          kernel.inside(() => start(lab, own('agent.log'), args)),
        )
      } finally {
        kernel.close()
      }
    },
    async openStore(lab, options) {
      const { openEtcdStore } = await import('./open-etcd-store.ts')
      const path = labPath(lab, 'store.sock')
      const open = async () => {
        if (!existsSync(path)) throw new UserError(`${path} is not there`)
        return openEtcdStore(`unix:${path}`)
      }
      return answered('The store', labPath(lab, 'store.log'), started.get('store'), options, open)
    },
    async openAgent(lab, node, options) {
      const path = labPath(lab, 'nodes', node, 'agent.sock')
      const open = async (): Promise<AgentConnection> =>
        connect<AgentApi>(await connectUnix(path), systemClock, `the agent of ${node}`)
      const log = labPath(lab, 'nodes', node, 'agent.log')
      return answered(`The agent of ${node}`, log, started.get(node), options, open)
    },
    running: (lab) => find(lab).map(({ pid, argv }) => ({ pid, what: describe(argv) })),
    async endAgent(lab, node) {
      await endProcesses(() => find(lab).filter(({ argv }) => describe(argv) === `agent ${node}`))
    },
    endAll: (lab) => endProcesses(() => find(lab)),
  }
}

/** Tries to open until it works, the program has ended, or time is up; only once without `wait`. */
async function answered<T>(
  what: string,
  log: string,
  program: DetachedProcess | undefined,
  { wait = true }: { wait?: boolean } = {},
  open: () => Promise<T>,
): Promise<T> {
  const deadline = systemClock.now() + START_MILLISECONDS_MAX
  for (;;) {
    try {
      return await open()
    } catch (thrown) {
      if (!wait) throw new UserError(`${what} does not answer: ${messageOf(thrown)}`)
      if (program?.ended !== undefined) {
        throw new UserError(`${what} ended with ${program.ended}\n${endOf(log)}`)
      }
      if (systemClock.now() > deadline) {
        const seconds = START_MILLISECONDS_MAX / 1000
        throw new UserError(
          `${what} does not answer after ${seconds} s: ${messageOf(thrown)}\n${endOf(log)}`,
        )
      }
      await sleep(systemClock, 5)
    }
  }
}

/** The last lines of a program's log, for the message that says that it ended. */
function endOf(log: string): string {
  if (!existsSync(log)) return '(it wrote no log)'
  const lines = readFileSync(log, 'utf8').trimEnd().split('\n')
  return lines.slice(-LOG_LINES_SHOWN).join('\n')
}

/** "agent server01" for a program of the lab, else what is run. */
function describe(argv: readonly string[]): string {
  const words = argv.slice(argv.indexOf(process.argv[1]!) + 1)
  const [command, option, node] = words
  if (command === 'store') return 'store'
  if (command === 'agent' && option === '--node') return `agent ${node}`
  return argv.join(' ')
}
