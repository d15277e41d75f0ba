import type { Command } from '@commander-js/extra-typings'
import type { CommandContext } from '../context.ts'
import { UserError } from '../../lib/errors.ts'
import type { LabStatus } from '../../api/lab-status.ts'
import { labStatus } from '../../lab/lab-status.ts'
import { labUp } from '../../lab/lab-up.ts'
import { renderLab } from '../../lab/render.ts'
import type { Topology } from '../../lab/topology-schema.ts'
import { checkedLabName } from './lab-name.ts'
import type { Labs } from './labs.ts'
import { openLabPorts } from './open-lab-ports.ts'
import { BUILT_IN, readTopology, topologyOf } from './topology-source.ts'

/** `tortie lab up` */
export function defineUp(command: Command, context: CommandContext): void {
  command
    .command('up')
    .description('Build a lab and wait until every pod can reach every other.')
    .argument('<topology>', `a YAML file, or a built-in topology: ${BUILT_IN.join(', ')}`)
    .option('--name <name>', 'name of the lab (default: the name in the file)')
    .option('--simulated', 'use a simulated kernel, in one process: no root, any system')
    .option('--show', 'print the topology file and exit')
    .action(async (source, { name, show, simulated }) => {
      const found = await readTopology(source, context)
      const { text } = found
      if (show === true) {
        context.out.write(text)
        return
      }
      const topology = topologyOf(found)
      const lab = name === undefined ? topology.name : checkedLabName(name, '--name')
      const began = context.clock.now()
      const machine = await context.openLabs()
      if (simulated === true) {
        const status = await machine.simulated.start(lab, hostedSource(source))
        sayUp(context, machine, status, topology, began)
        return
      }
      const labPorts = openLabPorts(machine, context)
      const stop = new AbortController()
      void context.untilInterrupted().then(() => stop.abort())
      await labUp({ topology, name: lab, text, signal: stop.signal }, labPorts)
      sayUp(context, machine, await labStatus(lab, labPorts), topology, began)
    })
}

/** How the host of a simulated lab, a process of its own, finds the same topology. */
function hostedSource(source: string): string {
  if (source !== '-') return source
  throw new UserError('A simulated lab needs its topology as a file: "-" cannot be read twice')
}

function sayUp(
  context: CommandContext,
  { simulated, state }: Labs,
  status: LabStatus,
  topology: Topology,
  began: number,
): void {
  const seconds = ((context.clock.now() - began) / 1000).toFixed(2)
  const how = simulated.has(status.lab) ? ', simulated,' : ''
  context.out.write(`Lab ${status.lab}${how} is up after ${seconds} s\n\n${renderLab(status)}`)
  const only = state.labs().length === 1
  const trace = `${suggestion(topology.pods)}${only ? '' : ` --lab ${status.lab}`}`
  context.out.write(`\nNext: ${trace}, tortie lab down${only ? '' : ` ${status.lab}`}\n`)
}

function suggestion(pods: readonly { readonly name: string; readonly node: string }[]): string {
  const from = pods.find(({ name }) => name.startsWith('network-')) ?? pods[0]
  const to = pods.findLast(({ node }) => node !== from?.node)
  if (from === undefined || to === undefined) return 'tortie lab status'
  return `tortie trace ${from.name} ${to.name}`
}
