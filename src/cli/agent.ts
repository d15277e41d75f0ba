import { Option } from '@commander-js/extra-typings'
import { TUNNEL_KINDS, type TunnelKind } from '../agent/tunnel/tunnel-device.ts'
import { DEFAULT_AGENT_SOCKET } from '../cni/plugin.ts'
import { AGENT_TOPICS, type DebugTopic } from '../lib/debug-topics.ts'
import { UserError } from '../lib/errors.ts'
import type { DefineCommand } from './command-entry.ts'
import type { CommandContext } from './context.ts'
import { debugOption, LOG_HELP } from './debug-option.ts'

export interface AgentCommandOptions {
  /** Name of the Node resource; the host's name when absent. */
  readonly node?: string
  /** Address of the datastore. */
  readonly store: string
  /** Path of the unix socket to serve. */
  readonly socket: string
  /** Folder for what outlives the agent. */
  readonly stateDir: string
  /** What tunl0 is to be made of. */
  readonly tunnel: TunnelKind
  /** Path by which a person opens the node's network namespace. */
  readonly netnsPath?: string
  /** File to write down everything that comes in and goes out. */
  readonly record?: string
  /** What is told of in the log from the start. */
  readonly debug: readonly DebugTopic[]
}

/** `tortie agent`: one node's agent, in the network namespace of this process, until told to stop. */
export const agentCommand =
  (run: (options: AgentCommandOptions, context: CommandContext) => Promise<void>): DefineCommand =>
  (command, context) => {
    command
      .description(
        'Run the agent of this node in the foreground: BGP, IPAM, routes, and the service behind the CNI plugin.\n' +
          'SIGTERM stops it. Routes and pods stay in place, and peers keep their routes to this node.',
      )
      .option('--node <name>', 'name of the Node resource (default: the host name)')
      .option(
        '--store <address>',
        'datastore: unix:PATH or etcd endpoints (default: ETCD_ENDPOINTS)',
      )
      .option('--socket <path>', 'unix socket to serve', DEFAULT_AGENT_SOCKET)
      .option(
        '--state-dir <path>',
        'directory for state that outlives the agent',
        '/var/lib/tortie',
      )
      .addOption(
        new Option('--tunnel <kind>', 'how tunl0 is built: by the kernel’s ipip module or by eBPF')
          .choices(TUNNEL_KINDS)
          .default('auto' as const)
          .env('TORTIE_TUNNEL'),
      )
      .option(
        '--netns-path <path>',
        'path of this network namespace, for use in suggested commands',
      )
      .option('--record <file>', 'record all inputs and outputs to a new file, for "tortie replay"')
      .addOption(debugOption(AGENT_TOPICS))
      .addHelpText('after', LOG_HELP)
      .action(async ({ store = context.env['ETCD_ENDPOINTS'], ...options }) => {
        if (store === undefined) {
          throw new UserError(
            'No datastore: give --store unix:PATH or --store http://HOST:2379, or set ETCD_ENDPOINTS',
          )
        }
        await run({ store, ...options }, context)
      })
  }
