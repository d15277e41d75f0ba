import { LAB_HELP } from '../option-help.ts'
import type { Command } from '@commander-js/extra-typings'
import type { CommandContext } from '../context.ts'
import { UserError } from '../../lib/errors.ts'
import { chooseLab } from '../../lab/choose-lab.ts'
import { findNamespace } from '../../lab/find-target.ts'
import { readJournal } from '../../lab/journal.ts'
import { openLabPorts } from './open-lab-ports.ts'

/** `tortie lab exec` */
export function defineExec(command: Command, context: CommandContext): void {
  command
    .command('exec')
    .description('Run a program in a node, router, network or pod (default: a shell).')
    .argument('<where>', 'name of the node, router, network or pod; namespace/name for a pod')
    .argument('[command...]', 'program and arguments, after --')
    .option('--lab <name>', LAB_HELP)
    .passThroughOptions()
    .action(async (where, words, { lab: named }) => {
      const machine = await context.openLabs()
      const lab = chooseLab(named, machine.state.labs(), context.env)
      const argv = words[0] === '--' ? words.slice(1) : words
      if (machine.simulated.has(lab)) {
        const { stdout, stderr, status } = await machine.simulated.exec(lab, where, argv)
        context.out.write(stdout)
        context.err.write(stderr)
        context.setExitCode(status)
        return
      }
      const labPorts = openLabPorts(machine, context)
      const journal = readJournal(labPorts.state, lab)
      if (journal === undefined) throw new UserError(`Lab ${lab} was never completely built`)
      const namespace = findNamespace(journal, where)
      const shell = context.env['SHELL'] ?? '/bin/sh'
      machine.becomeProgram(labPorts, lab, namespace, argv.length === 0 ? [shell] : argv)
    })
}
