import { LAB_HELP } from '../option-help.ts'
import type { Command } from '@commander-js/extra-typings'
import type { CommandContext } from '../context.ts'
import { UserError } from '../../lib/errors.ts'
import { chooseLab } from '../../lab/choose-lab.ts'
import type { LabStatus } from '../../api/lab-status.ts'
import { isWhole, labStatus } from '../../lab/lab-status.ts'
import { describeDrops } from '../../lab/describe-drops.ts'
import { renderLab } from '../../lab/render.ts'
import { type ClusterProblem, describeProblem } from '../../model/cluster-problem.ts'
import { openLabPorts } from './open-lab-ports.ts'

/** `tortie lab status` */
export function defineStatus(command: Command, context: CommandContext): void {
  command
    .command('status')
    .description('Show nodes, sessions and pods; exit status 1 when something is missing.')
    .argument('[name]', LAB_HELP)
    .option('-o, --output <form>', 'json')
    .action(async (name, { output }) => {
      if (output !== undefined && output !== 'json') {
        throw new UserError(`-o is "${output}": expected json`)
      }
      const machine = await context.openLabs()
      const lab = chooseLab(name, machine.state.labs(), context.env)
      const status = machine.simulated.has(lab)
        ? await machine.simulated.status(lab)
        : await labStatus(lab, openLabPorts(machine, context))
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
  if (!programs.some(({ what }) => what === 'store')) lines.push('The store is not running')
  for (const { name, agent } of rest.nodes) {
    if ('error' in agent) continue // the table says it
    lines.push(...agent.lacking.map((what) => `${name} is not ready: ${what}`))
    lines.push(...(agent.passedOver ?? []).map((what) => `${name} does not use a route: ${what}`))
    lines.push(
      ...(agent.problems ?? []).map(
        (problem) => `${name}: ${describeProblem(problem)}${sinceWhen(problem)}`,
      ),
    )
    const { unavailable } = agent.packetFilter
    if (unavailable !== undefined) lines.push(`${name} has no packet filter: ${unavailable}`)
    const dropped = describeDrops(agent)
    if (dropped !== undefined) lines.push(`${name} dropped packets: ${dropped}`)
  }
  return lines.join('\n')
}

/** ", since 2026-11-30T12:00:00.000Z" */
function sinceWhen({ since }: ClusterProblem): string {
  return since === undefined ? '' : `, since ${new Date(since).toISOString()}`
}
