import type { Command } from '@commander-js/extra-typings'
import type { DefineCommand } from '../cli/command-entry.ts'
import type { CommandContext } from '../cli/context.ts'
import { closest } from '../lib/closest.ts'
import { UserError } from '../lib/errors.ts'
import { table } from '../lib/table.ts'
import { BUILT_IN_TOPOLOGIES } from '../lab/built-in-topologies.ts'
import { chooseLab } from '../lab/choose-lab.ts'
import { findNamespace } from '../lab/find-target.ts'
import { readJournal } from '../lab/journal.ts'
import { labDown } from '../lab/lab-down.ts'
import type { LabPorts } from '../lab/lab-ports.ts'
import { labRestart } from '../lab/lab-restart.ts'
import { isWhole, type LabStatus, labStatus } from '../lab/lab-status.ts'
import { labUp } from '../lab/lab-up.ts'
import { parseTopology } from '../lab/parse-topology.ts'
import type { Topology } from '../lab/topology-schema.ts'
import { renderLab } from '../lab/render.ts'
import { labPath } from './lab-paths.ts'
import { linuxLabPorts } from './lab-ports.ts'
import { labState } from './lab-state.ts'
import {
  isSimulated,
  simulatedDown,
  simulatedExec,
  simulatedRestart,
  simulatedStatus,
  startSimulatedLab,
} from './simulated-lab-client.ts'
import { processesWith } from '../platform/node/processes.ts'
import { runInNamespace } from './run-in-namespace.ts'

const BUILT_IN = Object.keys(BUILT_IN_TOPOLOGIES)

/** `tortie lab`: clusters of network namespaces on this machine. */
export const defineLab: DefineCommand = (command, context) => {
  command.addHelpText(
    'after',
    `
Examples:
  tortie lab up seed                     a built-in topology: ${BUILT_IN.join(', ')}
  tortie lab up seed --show              the file it is made of, to begin one of your own
  tortie lab up my-lab.yaml              a topology of your own
  tortie lab exec server01 -- ip route   any program, in a node or a pod
  tortie lab down                        everything gone
`,
  )
  defineUp(command, context)
  defineHost(command, context)
  defineDown(command, context)
  defineStatus(command, context)
  defineExec(command, context)
  defineRestart(command, context)
  defineList(command, context)
}

/** Labs need root on Linux: one message that says so, before anything is tried. */
function ports(context: CommandContext, onStep?: (name: string) => void): LabPorts {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) {
    throw new UserError(
      'A lab is made of network namespaces: it needs Linux, and root (sudo tortie lab …); ' +
        'without them: tortie lab up seed --simulated',
    )
  }
  const progress = (text: string): void => {
    if (context.err.isTty) context.err.write(`· ${text}\n`)
  }
  return linuxLabPorts(progress, onStep)
}

function defineUp(command: Command, context: CommandContext): void {
  command
    .command('up')
    .description('Builds a lab and waits until every pod can reach every other.')
    .argument('<topology>', `a YAML file, or a built-in one: ${BUILT_IN.join(', ')}`)
    .option('--name <name>', 'another name than the one in the file')
    .option('--simulated', 'on a simulated kernel, in one process: no root, any system')
    .option('--show', 'print the topology file instead')
    .action(async (source, { name, show, simulated }) => {
      const text = await topologyText(source, context)
      if (show === true) {
        context.out.write(text)
        return
      }
      const topology = parseTopology(text, source === '-' ? 'standard input' : source)
      const lab = name === undefined ? topology.name : checkedName(name)
      const began = context.clock.now()
      if (simulated === true) {
        const file = BUILT_IN_TOPOLOGIES[source] === undefined ? source : `builtin:${source}`
        const status = await startSimulatedLab(lab, file)
        sayUp(context, status, topology, began)
        return
      }
      const labPorts = ports(context, interruption(context))
      const stop = new AbortController()
      void context.untilStopped().then(() => stop.abort())
      await labUp({ topology, name: lab, text, signal: stop.signal }, labPorts)
      sayUp(context, await labStatus(lab, labPorts), topology, began)
    })
}

function sayUp(
  context: CommandContext,
  status: LabStatus,
  topology: Topology,
  began: number,
): void {
  const seconds = ((context.clock.now() - began) / 1000).toFixed(2)
  const how = isSimulated(status.lab) ? ', simulated,' : ''
  context.out.write(`Lab ${status.lab}${how} is up after ${seconds} s\n\n${renderLab(status)}`)
  const only = labState().labs().length === 1
  const trace = `${suggestion(topology.pods)}${only ? '' : ` --lab ${status.lab}`}`
  context.out.write(`\nNext: ${trace}, tortie lab down${only ? '' : ` ${status.lab}`}\n`)
}

/** The process behind a simulated lab; started by `up`, ended by `down`. */
function defineHost(command: Command, context: CommandContext): void {
  command
    .command('host', { hidden: true })
    .argument('<topology>')
    .requiredOption('--name <name>')
    .action(async (source, { name }) => {
      const text = await topologyText(source.replace(/^builtin:/, ''), context)
      const topology = parseTopology(text, source === '-' ? 'standard input' : source)
      const { hostSimulatedLab } = await import('./simulated-lab-host.ts')
      const log = await context.openLog('lab')
      const host = await hostSimulatedLab({ lab: name, topology, text, log })
      const signal = context.untilStopped().then(() => host.down())
      await Promise.race([host.untilDown, signal])
      process.exit(0)
    })
}

function suggestion(pods: readonly { readonly name: string; readonly node: string }[]): string {
  const from = pods.find(({ name }) => name.startsWith('network-')) ?? pods[0]
  const to = pods.findLast(({ node }) => node !== from?.node)
  if (from === undefined || to === undefined) return 'tortie lab status'
  return `tortie trace ${from.name} ${to.name}`
}

async function topologyText(source: string, context: CommandContext): Promise<string> {
  const builtIn = BUILT_IN_TOPOLOGIES[source]
  if (builtIn !== undefined) return builtIn
  try {
    return await context.readText(source)
  } catch (thrown) {
    if (/[./]/.test(source) || source === '-') throw thrown
    const near = closest(source, BUILT_IN)
    const hint =
      near === undefined ? `built in are ${BUILT_IN.join(', ')}` : `did you mean ${near}?`
    throw new UserError(`There is no file and no built-in topology ${source}; ${hint}`)
  }
}

function checkedName(name: string): string {
  if (/^[a-z0-9]([-a-z0-9]{0,22}[a-z0-9])?$/.test(name)) return name
  throw new UserError(
    `--name is "${name}": expected a DNS label: a-z, 0-9 and inner "-", 24 characters at most`,
  )
}

/** For tests that a lab can be removed wherever its building stopped: ends the process at the n-th step. */
function interruption({ env }: CommandContext): ((name: string) => void) | undefined {
  const at = Number(env['TORTIE_LAB_KILL_AT_STEP'])
  if (!(at > 0)) return undefined
  let step = 0
  return () => {
    if (++step === at) process.kill(process.pid, 'SIGKILL')
  }
}

function defineDown(command: Command, context: CommandContext): void {
  command
    .command('down')
    .description('Removes a lab, whole or half built: programs, namespaces, files.')
    .argument('[name]', 'the only lab that is up when absent')
    .option('--all', 'all labs of this machine')
    .action(async (name, { all }) => {
      const labs = labState().labs()
      if (name === undefined && labs.length === 0) {
        context.out.write('No lab is up; nothing to remove\n')
        return
      }
      const wanted = all === true ? labs : [name ?? chooseLab(undefined, labs, {})]
      for (const lab of wanted) {
        if (isSimulated(lab)) {
          await simulatedDown(lab)
          context.out.write(`Lab ${lab} is gone\n`)
          continue
        }
        const labPorts = ports(context)
        const known = labs.includes(lab)
        const { programs, namespaces } = await labDown(lab, labPorts)
        context.out.write(
          known || programs > 0
            ? `Lab ${lab} is gone: ${programs} programs, ${namespaces} namespaces\n`
            : `No lab is named ${lab}; nothing to remove\n`,
        )
      }
    })
}

function defineStatus(command: Command, context: CommandContext): void {
  command
    .command('status')
    .description('Nodes, sessions and pods; exit status 1 when something is missing.')
    .argument('[name]', 'the only lab that is up when absent')
    .option('-o, --output <form>', 'json')
    .action(async (name, { output }) => {
      if (output !== undefined && output !== 'json') {
        throw new UserError(`-o is "${output}": expected json`)
      }
      const lab = chooseLab(name, labState().labs(), context.env)
      const status = isSimulated(lab)
        ? await simulatedStatus(lab)
        : await labStatus(lab, ports(context))
      if (output === 'json') context.out.write(`${JSON.stringify(status, undefined, 2)}\n`)
      else context.out.write(`${headline(status)}\n\n${renderLab(status)}`)
      context.setExitCode(isWhole(status) ? 0 : 1)
    })
}

function headline({ lab, journal, programs, missingNamespaces, ...rest }: LabStatus): string {
  if (journal === undefined) {
    return `Lab ${lab} was left before anything was made; remove it: tortie lab down ${lab}`
  }
  const lines = [
    `Lab ${lab}, ${programs.length} programs, ${journal.namespaces.length} namespaces, since ${journal.startedAt}`,
  ]
  if (missingNamespaces.length > 0) {
    lines.push(`Missing namespaces: ${missingNamespaces.join(', ')}`)
  }
  if (!programs.some(({ what }) => what === 'store')) lines.push('The store does not run')
  if (!isWhole({ lab, journal, programs, missingNamespaces, ...rest })) {
    lines.push('It is not whole')
  }
  return lines.join('\n')
}

function defineExec(command: Command, context: CommandContext): void {
  command
    .command('exec')
    .description('Runs a program in a node, router, network or pod; a shell when none is given.')
    .argument('<where>', 'its name; of a pod also namespace/name')
    .argument('[command...]', 'the program and its arguments, best after --')
    .option('--lab <name>', 'the only lab that is up when absent')
    .passThroughOptions()
    .action(async (where, words, { lab: named }) => {
      const lab = chooseLab(named, labState().labs(), context.env)
      const argv = words[0] === '--' ? words.slice(1) : words
      if (isSimulated(lab)) {
        const { stdout, stderr, status } = await simulatedExec(lab, where, argv)
        context.out.write(stdout)
        context.err.write(stderr)
        context.setExitCode(status)
        return
      }
      const labPorts = ports(context)
      const journal = readJournal(labPorts.state, lab)
      if (journal === undefined) throw new UserError(`Lab ${lab} was left before it was built`)
      const namespace = findNamespace(journal, where)
      const shell = context.env['SHELL'] ?? '/bin/sh'
      runInNamespace(labPorts.machine, lab, namespace, argv.length === 0 ? [shell] : argv)
    })
}

function defineRestart(command: Command, context: CommandContext): void {
  command
    .command('restart')
    .description('Kills the agent of a node and starts it anew; traffic goes on.')
    .argument('<node>', 'its name')
    .option('--lab <name>', 'the only lab that is up when absent')
    .action(async (node, { lab: named }) => {
      const lab = chooseLab(named, labState().labs(), context.env)
      if (isSimulated(lab)) await simulatedRestart(lab, node)
      else await labRestart(lab, node, ports(context))
      context.out.write(`The agent of ${node} is back and has heard its neighbors\n`)
    })
}

function defineList(command: Command, context: CommandContext): void {
  command
    .command('list')
    .description('The labs on this machine.')
    .option('-o, --output <form>', 'json or name')
    .action((options) => {
      const state = labState()
      const rows = state.labs().map((lab) => {
        const journal = readJournal(state, lab)
        return {
          name: lab,
          nodes: journal?.nodes.length ?? 0,
          pods: journal?.pods.length ?? 0,
          programs: runningPrograms(lab),
          since: journal?.startedAt ?? '-',
        }
      })
      context.out.write(listText(rows, options.output))
    })
}

/** Processes of a lab, where they can be counted. */
function runningPrograms(lab: string): number {
  return process.platform === 'linux' ? processesWith('TORTIE_LAB_DIR', labPath(lab)).length : 0
}

function listText(
  rows: readonly { name: string; nodes: number; pods: number; programs: number; since: string }[],
  form: string | undefined,
): string {
  switch (form) {
    case 'json':
      return `${JSON.stringify(rows, undefined, 2)}\n`
    case 'name':
      return rows.map(({ name }) => `${name}\n`).join('')
    case undefined:
      if (rows.length === 0) return 'No lab is up. Start one: tortie lab up seed\n'
      return table([
        ['NAME', 'NODES', 'PODS', 'PROGRAMS', 'SINCE'],
        ...rows.map((row) => Object.values(row).map(String)),
      ])
    default:
      throw new UserError(`-o is "${form}": expected json or name`)
  }
}
