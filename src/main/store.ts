import { join } from 'node:path'
import type { Closable } from '../lib/closable.ts'
import { type StoreServerOptions, storeCommand } from '../cli/store.ts'

/** `tortie store`, composed. */
export const defineStore = storeCommand(runStoreServer)

/**
 * Serves a store in memory in etcd's protocol on a unix socket that only its owner can open.
 *
 *     etcdctl, agents --(gRPC, unix socket)--> KeyValueService, WatchSession --> MemoryStore
 *                                                                                    |
 *                                                     <stateDir>/store.journal  <----+
 *
 * Resolves when the socket is there. Throws UserError if it cannot be.
 */
async function runStoreServer(options: StoreServerOptions): Promise<Closable> {
  const { socketPath, stateDir, log } = options
  const { serveEtcd } = await import('../platform/etcd/server.ts')
  // Before the journal is opened: another process may be writing it.
  const { demandUnserved } = await import('../platform/etcd/socket-path.ts')
  await demandUnserved(socketPath)
  const { store, clusterId, close } = await openStore(stateDir)
  const server = await serveEtcd({ store, address: `unix:${socketPath}`, clusterId, log })
  log.info('Serving the store', { socketPath, revision: store.revision })
  return {
    close() {
      server.close()
      store.close()
      close()
    },
  }
}

async function openStore(stateDir: string | undefined) {
  // Unlike any earlier store, so that clients list anew instead of waiting for revisions of the past.
  const clusterId = Date.now()
  if (stateDir === undefined) {
    const { MemoryStore } = await import('../store/memory-store.ts')
    return { store: new MemoryStore(), clusterId, close() {} }
  }
  const { openJournaledStore } = await import('../platform/etcd/journal-file.ts')
  return openJournaledStore(join(stateDir, 'store.journal'), clusterId)
}
