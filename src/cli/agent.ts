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
        'Run the agent of one node in the foreground: BGP, IPAM, routes, and the CNI plugin’s other half.\n' +
          'SIGTERM ends it; routes and pods stay, and neighbors keep the routes to them.',
      )
      .option('--node <name>', 'name of the Node resource (default: the host name)')
      .option('--store <address>', 'datastore: unix:PATH, or etcd endpoints as in ETCD_ENDPOINTS')
      .option('--socket <path>', 'unix socket to serve', DEFAULT_AGENT_SOCKET)
      .option('--state-dir <path>', 'folder for what outlives the agent', '/var/lib/tortie')
      .addOption(
        new Option('--tunnel <kind>', 'what tunl0 is made of: the kernel’s ipip module or eBPF')
          .choices(TUNNEL_KINDS)
          .default('auto' as const)
          .env('TORTIE_TUNNEL'),
      )
      .option('--netns-path <path>', 'path of this network namespace, for commands shown to people')
      .option(
        '--record <file>',
        'write everything that comes in and goes out into a new file, for "tortie replay"',
      )
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
