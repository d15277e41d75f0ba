import type { Command } from '@commander-js/extra-typings'
import type { CommandContext } from '../context.ts'
import { UserError } from '../../lib/errors.ts'
import { table } from '../../lib/table.ts'
import { readJournal } from '../../lab/journal.ts'

/** `tortie lab list` */
export function defineList(command: Command, context: CommandContext): void {
  command
    .command('list')
    .description('List the labs of this machine.')
    .option('-o, --output <form>', 'json or name')
    .action(async (options) => {
      const { state, countPrograms } = await context.openLabs()
      const rows = state.labs().map((lab) => {
        const journal = readJournal(state, lab)
        return {
          name: lab,
          nodes: journal?.nodes.length ?? 0,
          pods: journal?.pods.length ?? 0,
          programs: countPrograms(lab),
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
