import { LAB_HELP } from './option-help.ts'
import type { DebugApi, Connection, DebugState } from '../api/methods.ts'
import { DEBUG_TOPICS, debugWords } from '../lib/debug-topics.ts'
import { messageOf, UserError } from '../lib/errors.ts'
import { RpcError } from '../lib/rpc.ts'
import { table } from '../lib/table.ts'
import type { DefineCommand } from './command-entry.ts'
import type { CommandContext } from './context.ts'

export type ConnectDebug = (socketPath: string) => Promise<Connection<DebugApi>>

interface Target {
  readonly socket?: string | undefined
  readonly node?: string | undefined
  readonly lab?: string | undefined
}

/** A process that is asked, and what a person calls it. */
interface Asked extends Pick<Connection<DebugApi>, 'call'> {
  readonly name: string
}

/** `tortie debug`: which topics running processes tell of in their logs. */
export function debugCommand(connect: ConnectDebug): DefineCommand {
  return (command, context) => {
    command
      .description(
        'Show which debug topics are on. With topics, switch these on and all others off.',
      )
      .argument('[topics...]', `${Object.keys(DEBUG_TOPICS).join(', ')}; or off`)
      .option('--node <name>', 'one node of the lab (default: all)')
      .option('--lab <name>', LAB_HELP)
      .option('--socket <path>', 'socket of an agent or a bgpd, instead of a lab')
      .addHelpText('after', HELP)
      .action(async (words, target) => {
        const wanted = wantedTopics(words)
        const { asked, close } = await open(connect, context, target)
        try {
          const request = wanted === undefined ? {} : { topics: wanted }
          const states = await Promise.all(asked.map((one) => one.call('debug', request)))
          const rows = asked.map(({ name }, at) => [name, states[at]!.topics.join(', ') || 'off'])
          context.out.write(table([['PROCESS', 'TELLS OF'], ...rows]))
          if (wanted === undefined) context.out.write(`\n${topicsTable(states)}`)
        } catch (thrown) {
          if (thrown instanceof RpcError) throw new UserError(thrown.message)
          throw thrown
        } finally {
          close()
        }
      })
  }
}

const HELP = `
Examples:
  tortie debug                                          what is on, and what there is
  tortie debug bgp.fsm,netlink --node server01          these two, on one node of the lab
  tortie debug off                                      nothing more
  tortie debug routes --socket /run/tortie/agent.sock   the agent of this machine
  TORTIE_DEBUG=bgp.message tortie lab up seed           from the start

Each event is one line of JSON in the process's log, with the field "topic"; see docs/debugging.md.
`

/** Undefined where nothing is to be changed, none for "off". */
function wantedTopics(words: readonly string[]): readonly string[] | undefined {
  const topics = words.flatMap(debugWords)
  if (words.length === 0) return undefined
  if (!topics.includes('off')) return topics
  if (topics.length > 1) throw new UserError('Expected "off" or topics, found both')
  return []
}

async function open(
  connect: ConnectDebug,
  context: CommandContext,
  { socket, node, lab }: Target,
): Promise<{ readonly asked: readonly Asked[]; close(): void }> {
  if (socket === undefined) {
    const { agents, close } = await context.openAgents(
      { lab },
      node === undefined ? undefined : [node],
    )
    const asked = agents.map((agent) => ({ name: agent.node, call: agent.call }))
    return { asked, close }
  }
  if (node !== undefined || lab !== undefined) {
    throw new UserError('Expected --socket, or --node and --lab, found both')
  }
  const connection = await connect(socket).catch((thrown: unknown) => {
    throw new UserError(`Nothing answers at ${socket}: ${messageOf(thrown)}`)
  })
  const call: Asked['call'] = (method, params) => connection.call(method, params)
  return { asked: [{ name: socket, call }], close: () => connection.close() }
}

/** What the processes know, in words. */
function topicsTable(states: readonly DebugState[]): string {
  const known = new Set(states.flatMap((state) => state.known))
  const words: Readonly<Record<string, string>> = DEBUG_TOPICS
  return table([['TOPIC', 'EVENTS'], ...[...known].map((topic) => [topic, words[topic] ?? ''])])
}
