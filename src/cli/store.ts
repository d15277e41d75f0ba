import type { Closable } from '../lib/closable.ts'
import type { Log } from '../lib/log.ts'
import type { DefineCommand } from './command-entry.ts'

export interface StoreServerOptions {
  readonly socketPath: string
  /** Where the store is kept for its next run; absent: nowhere. */
  readonly stateDir?: string | undefined
  readonly log: Log
}

/** `tortie store`: one process that keeps a cluster's data in memory, as a lab starts it. */
export const storeCommand =
  (serve: (options: StoreServerOptions) => Promise<Closable>): DefineCommand =>
  (command, context) => {
    command
      .requiredOption('--socket <path>', 'unix socket to serve, open to its owner only')
      .option('--state-dir <path>', 'directory to persist the data in (default: memory only)')
      .addHelpText(
        'after',
        `
Serves etcd's v3 protocol until it is stopped; without --state-dir it starts empty. Any etcd client can use
it; etcdctl 3.4 needs the socket's name without its directory:
  cd /run/tortie/labs/seed && ETCDCTL_API=3 etcdctl --endpoints unix://store.sock get --prefix /calico/
`,
      )
      .action(async ({ socket, stateDir }) => {
        const stopped = context.untilStopped()
        const log = await context.openLog('store')
        const server = await serve({ socketPath: socket, stateDir, log })
        const signal = await stopped
        log.info('Stopping', { signal })
        server.close()
      })
  }
