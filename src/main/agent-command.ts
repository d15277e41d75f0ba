import { Option } from '@commander-js/extra-typings'
import { TUNNEL_KINDS } from '../agent/tunnel/tunnel-device.ts'
import type { DefineCommand } from '../cli/command-entry.ts'
import { debugOption, LOG_HELP } from '../cli/debug-option.ts'
import { DEFAULT_AGENT_SOCKET } from '../cni/plugin.ts'
import { AGENT_TOPICS, switchTopics } from '../lib/debug-topics.ts'
import { UserError } from '../lib/errors.ts'

/** `tortie agent`: one node's agent, in the network namespace of this process, until told to stop. */
export const defineAgent: DefineCommand = (command, context) => {
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
    .action(async ({ node, store, socket, stateDir, tunnel, netnsPath, record, debug }) => {
      const address = store ?? context.env['ETCD_ENDPOINTS']
      if (address === undefined) {
        throw new UserError(
          'No datastore: give --store unix:PATH or --store http://HOST:2379, or set ETCD_ENDPOINTS',
        )
      }
      const [{ runAgent }, { etcdStore }] = await Promise.all([
        import('./agent.ts'),
        import('./open-etcd-store.ts'),
      ])
      const stopped = context.untilStopped()
      const log = await context.openLog('agent')
      switchTopics(log.topics, debug)
      const agent = await runAgent({
        ...(node === undefined ? {} : { node }),
        store: await etcdStore(address, log),
        socketPath: socket,
        stateFolder: stateDir,
        tunnelKind: tunnel,
        ...(netnsPath === undefined ? {} : { namespacePath: netnsPath }),
        ...(record === undefined ? {} : { recordingPath: record }),
        log,
      })
      await stopped
      await agent.stop()
    })
}
