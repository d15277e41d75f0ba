import { LAB_HELP } from '../option-help.ts'
import type { Command } from '@commander-js/extra-typings'
import type { CommandContext } from '../context.ts'
import { chooseLab } from '../../lab/choose-lab.ts'
import { labDown } from '../../lab/lab-down.ts'
import { checkedLabName } from './lab-name.ts'
import { openLabPorts } from './open-lab-ports.ts'

/** `tortie lab down` */
export function defineDown(command: Command, context: CommandContext): void {
  command
    .command('down')
    .description('Remove a lab, complete or half built: programs, namespaces, files.')
    .argument('[name]', LAB_HELP)
    .option('--all', 'remove all labs of this machine')
    .action(async (name, { all }) => {
      const machine = await context.openLabs()
      const { simulated } = machine
      const labs = [...machine.state.labs(), ...simulated.unbegun()]
      if (name === undefined && labs.length === 0) {
        context.out.write('No lab is up; nothing to remove\n')
        return
      }
      const wanted = all === true ? labs : [wantedLab(name, labs)]
      for (const lab of wanted) {
        if (simulated.has(lab)) {
          await simulated.down(lab)
          context.out.write(`Lab ${lab} is gone\n`)
          continue
        }
        const labPorts = openLabPorts(machine, context)
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

/** The one named, there or not; else the only one. */
function wantedLab(name: string | undefined, labs: readonly string[]): string {
  return name === undefined ? chooseLab(undefined, labs, {}) : checkedLabName(name, 'The name')
}
