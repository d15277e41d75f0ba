import { LAB_HELP } from './option-help.ts'
import { InvalidArgumentError } from '@commander-js/extra-typings'
import { messageOf, UserError } from '../lib/errors.ts'
import { RpcError } from '../lib/rpc.ts'
import { directoryOfResources } from '../trace/tables/directory-of-resources.ts'
import { remoteNode } from '../trace/node/node-rpc.ts'
import { renderTrace } from '../trace/report/render-trace.ts'
import { toDocument } from '../trace/report/to-document.ts'
import { trace } from '../trace/trace.ts'
import type { DefineCommand } from './command-entry.ts'
import type { AgentOfNode, Agents, ClusterTarget, CommandContext } from './context.ts'

/** `tortie trace`: a packet's way, predicted beside observed. */
export const defineTrace: DefineCommand = (command, context) => {
  command
    .argument('<from>', 'a pod (name or namespace/name), a node, or an address')
    .argument('<to>', 'the same, or an external address')
    .option('--explain', 'under each hop, the commands that show the same by hand')
    .option('-o, --output <form>', 'table or json (schema/trace.schema.json)', 'table')
    .option('--size <octets>', 'length of the probe, IP header included', wholeNumber)
    .option('--ttl <hops>', 'TTL of the probe', wholeNumber)
    .option('--fragment', 'allow fragmentation (clears DF)')
    .option('--tries <count>', 'probes to send until one is answered', wholeNumber, 2)
    .option('--timeout <seconds>', 'seconds to wait for each probe', seconds, 1)
    .option('--lab <name>', LAB_HELP)
    .addHelpText('after', HELP)
    .action(async (from, to, options) => {
      const { output } = options
      if (output !== 'table' && output !== 'json') {
        throw new UserError(`-o is "${output}": expected table or json`)
      }
      checkLimits(options)
      const target = { lab: options.lab }
      const directory = await readDirectory(context, target)
      const connections = await connect(context, target, directory.nodes)
      try {
        const result = await trace({
          from,
          to,
          nodes: connections.nodes.map((agent) => remoteNode(agent.node, agent)),
          directory,
          clock: context.clock,
          random: context.random,
          options: {
            timeoutMilliseconds: options.timeout * 1000,
            tries: options.tries,
            dontFragment: options.fragment !== true,
            ...(options.size === undefined ? {} : { octets: options.size }),
            ...(options.ttl === undefined ? {} : { ttl: options.ttl }),
          },
        })
        const document = toDocument(result, { lab: options.lab })
        context.out.write(
          output === 'json'
            ? `${JSON.stringify(document, undefined, 2)}\n`
            : renderTrace(document, look(context, options.explain === true)),
        )
        context.setExitCode(document.verdict.exitCode)
      } finally {
        connections.close()
      }
    })
}

const HELP = `
Examples:
  tortie trace network-5z4qp network-mngxw
  tortie trace default/network-5z4qp 10.211.1.4 --explain
  tortie trace network-5z4qp server02 -o json | jq .verdict

Signs: ✓ seen as predicted, ≠ seen with differences, ✗ not seen, ? not captured, ! not expected, · not reached

Exit status: 0 delivered, 1 wrong usage, 2 nothing proven, 10 policy, 20 routing, 30 encapsulation,
40 underlay, 50 host settings, 60 size, 80 endpoint, 90 lost without a known cause
`

function wholeNumber(text: string): number {
  if (!/^\d{1,6}$/.test(text)) throw new InvalidArgumentError('Expected a whole number.')
  return Number(text)
}

function seconds(text: string): number {
  const value = Number(text)
  if (!/^\d+(\.\d+)?$/.test(text)) throw new InvalidArgumentError('Expected a number of seconds.')
  return value
}

function checkLimits(options: {
  readonly tries: number
  readonly timeout: number
  readonly ttl?: number | undefined
}): void {
  const { tries, timeout, ttl } = options
  if (tries < 1 || tries > 10) throw new UserError(`--tries is ${tries}: expected 1 to 10`)
  if (timeout < 0.01 || timeout > 5) {
    throw new UserError(`--timeout is ${timeout}: expected 0.01 to 5 seconds`)
  }
  if (ttl !== undefined && (ttl < 1 || ttl > 255)) {
    throw new UserError(`--ttl is ${ttl}: expected 1 to 255`)
  }
}

/** NO_COLOR (no-color.org) and a pipe both mean plain text; FORCE_COLOR overrides the pipe. */
function look({ out, env }: CommandContext, explain: boolean) {
  const isForced = (env['FORCE_COLOR'] ?? '0') !== '0'
  const isRefused = (env['NO_COLOR'] ?? '') !== ''
  const columns = Math.max(80, Math.min(out.columns ?? 100, 140))
  return { color: !isRefused && (out.isTty || isForced), explain, columns }
}

async function readDirectory(context: CommandContext, target: ClusterTarget) {
  const { resources, close } = await context.openResources(target)
  try {
    return await directoryOfResources(resources)
  } finally {
    close()
  }
}

/** One connection a node; a node that cannot be reached answers every request with the reason. */
async function connect(
  context: CommandContext,
  target: ClusterTarget,
  nodes: readonly { readonly name: string }[],
): Promise<{ readonly nodes: readonly AgentOfNode[]; close(): void }> {
  const opened: Agents[] = []
  const connections = await Promise.all(
    nodes.map(async ({ name }): Promise<AgentOfNode> => {
      try {
        const agents = await context.openAgents(target, [name])
        opened.push(agents)
        return agents.agents[0] ?? absent(name, 'it has no agent')
      } catch (thrown) {
        return absent(name, messageOf(thrown))
      }
    }),
  )
  return { nodes: connections, close: () => opened.forEach((agents) => agents.close()) }
}

function absent(node: string, reason: string): AgentOfNode {
  return { node, call: () => Promise.reject(new RpcError('ENOTCONN', reason)) }
}
