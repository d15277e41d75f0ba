import { LAB_HELP } from '../option-help.ts'
import type { Command } from '@commander-js/extra-typings'
import type { CommandContext } from '../context.ts'
import { chooseLab } from '../../lab/choose-lab.ts'
import { labRestart } from '../../lab/lab-restart.ts'
import { openLabPorts } from './open-lab-ports.ts'

/** `tortie lab restart` */
export function defineRestart(command: Command, context: CommandContext): void {
  command
    .command('restart')
    .description('Kill the agent of a node and start it again; traffic continues.')
    .argument('<node>', 'name of the node')
    .option('--lab <name>', LAB_HELP)
    .action(async (node, { lab: named }) => {
      const machine = await context.openLabs()
      const lab = chooseLab(named, machine.state.labs(), context.env)
      if (machine.simulated.has(lab)) await machine.simulated.restart(lab, node)
      else await labRestart(lab, node, openLabPorts(machine, context))
      context.out.write(`The agent of ${node} is back, and its sessions are established\n`)
    })
}
