import type { DefineCommand } from '../cli/command-entry.ts'

/** `tortie store`: a datastore in memory for one machine, until told to stop. */
export const defineStore: DefineCommand = (command, context) => {
  command
    .description('Serve a datastore in memory on a unix socket, in the protocol of etcd v3.')
    .requiredOption('--socket <path>', 'unix socket to serve, opened by its owner alone')
    .action(async ({ socket }) => {
      const { runStoreServer } = await import('./store.ts')
      const server = await runStoreServer({
        socketPath: socket,
        log: await context.openLog('store'),
      })
      await context.untilStopped()
      server.close()
    })
}
