import type { Command } from '@commander-js/extra-typings'
import type { CommandContext } from '../context.ts'
import { AGENT_TOPICS, debugTopics, debugWords, switchTopics } from '../../lib/debug-topics.ts'
import { readTopology, topologyOf } from './topology-source.ts'

/** The process behind a simulated lab; started by `up`, ended by `down`. */
export function defineHost(command: Command, context: CommandContext): void {
  command
    .command('host', { hidden: true })
    .argument('<topology>')
    .requiredOption('--name <name>')
    .action(async (source, { name }) => {
      const stopped = context.untilStopped()
      const found = await readTopology(source, context)
      const log = await context.openLog('lab')
      const words = debugWords(context.env['TORTIE_DEBUG'] ?? '')
      switchTopics(log.topics, debugTopics(words, AGENT_TOPICS))
      const { simulated } = await context.openLabs()
      const hosted = { lab: name, topology: topologyOf(found), text: found.text }
      const host = await simulated.host(hosted, log)
      const signal = stopped.then(() => host.down())
      await Promise.race([host.untilDown, signal])
    })
}
