import type { Command } from '@commander-js/extra-typings'
import type { CommandContext } from '../context.ts'
import { chooseLab } from '../../lab/choose-lab.ts'
import { labRestart } from '../../lab/lab-restart.ts'
import { openLabPorts } from './open-lab-ports.ts'

/** `tortie lab restart` */
export function defineRestart(command: Command, context: CommandContext): void {
  command
    .command('restart')
    .description('Kills the agent of a node and starts it anew; traffic goes on.')
    .argument('<node>', 'its name')
    .option('--lab <name>', 'the only lab that is up when absent')
    .action(async (node, { lab: named }) => {
      const machine = await context.openLabs()
      const lab = chooseLab(named, machine.state.labs(), context.env)
      if (machine.simulated.has(lab)) await machine.simulated.restart(lab, node)
      else await labRestart(lab, node, openLabPorts(machine, context))
      context.out.write(`The agent of ${node} is back and has heard its neighbors\n`)
    })
}
