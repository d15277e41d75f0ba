import type { DefineCommand } from '../cli/command-entry.ts'

export const defineLab: DefineCommand = (command, context) => {
  command
    .command('list')
    .description('The labs on this machine.')
    .action(() => context.out.write('No lab is up. Start one with: tortie lab up seed\n'))
}
