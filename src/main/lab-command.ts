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
import { renderLab } from '../lab/render.ts'
import { linuxLabPorts } from './lab-ports.ts'
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
      'A lab is made of network namespaces: it needs Linux, and root (sudo tortie lab …)',
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
    .option('--show', 'print the topology file instead')
    .action(async (source, { name, show }) => {
      const text = await topologyText(source, context)
      if (show === true) {
        context.out.write(text)
        return
      }
      const topology = parseTopology(text, source)
      const lab = name === undefined ? topology.name : checkedName(name)
      const labPorts = ports(context, interruption(context))
      const began = context.clock.now()
      const stop = new AbortController()
      void context.untilStopped().then(() => stop.abort())
      await labUp({ topology, name: lab, text, signal: stop.signal }, labPorts)
      const seconds = ((context.clock.now() - began) / 1000).toFixed(2)
      context.out.write(`Lab ${lab} is up after ${seconds} s\n\n`)
      context.out.write(renderLab(await labStatus(lab, labPorts)))
      context.out.write(`\nNext: ${suggestion(topology.pods)}, tortie lab down\n`)
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
      const labPorts = ports(context)
      const labs = labPorts.state.labs()
      if (name === undefined && labs.length === 0) {
        context.out.write('No lab is up; nothing to remove\n')
        return
      }
      const wanted = all === true ? labs : [name ?? chooseLab(undefined, labs, {})]
      for (const lab of wanted) {
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
      const labPorts = ports(context)
      const lab = chooseLab(name, labPorts.state.labs(), context.env)
      const status = await labStatus(lab, labPorts)
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
    .action((where, words, { lab: named }) => {
      const labPorts = ports(context)
      const lab = chooseLab(named, labPorts.state.labs(), context.env)
      const journal = readJournal(labPorts.state, lab)
      if (journal === undefined) throw new UserError(`Lab ${lab} was left before it was built`)
      const namespace = findNamespace(journal, where)
      const argv = words[0] === '--' ? words.slice(1) : words
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
      const labPorts = ports(context)
      const lab = chooseLab(named, labPorts.state.labs(), context.env)
      await labRestart(lab, node, labPorts)
      context.out.write(`The agent of ${node} is back and has heard its neighbors\n`)
    })
}

function defineList(command: Command, context: CommandContext): void {
  command
    .command('list')
    .description('The labs on this machine.')
    .option('-o, --output <form>', 'json or name')
    .action((options) => {
      const labPorts = ports(context)
      const rows = labPorts.state.labs().map((lab) => {
        const journal = readJournal(labPorts.state, lab)
        return {
          name: lab,
          nodes: journal?.nodes.length ?? 0,
          pods: journal?.pods.length ?? 0,
          programs: labPorts.programs.running(lab).length,
          since: journal?.startedAt ?? '-',
        }
      })
      context.out.write(listText(rows, options.output))
    })
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
