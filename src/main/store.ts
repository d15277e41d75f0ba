import type { Closable } from '../lib/closable.ts'
import type { Log } from '../lib/log.ts'
import { MemoryStore } from '../store/memory-store.ts'

export interface StoreServerOptions {
  readonly socketPath: string
  readonly log: Log
}

/**
 * Serves a store in memory in etcd's protocol on a unix socket that only its owner can open.
 *
 *     etcdctl, agents --(gRPC, unix socket)--> KeyValueService, WatchSession --> MemoryStore
 *
 * Resolves when the socket is there. Throws UserError if it cannot be.
 */
export async function runStoreServer({ socketPath, log }: StoreServerOptions): Promise<Closable> {
  const { serveEtcd } = await import('../platform/etcd/server.ts')
  const store = new MemoryStore()
  // Unlike any earlier run, so that clients list anew instead of waiting for revisions of the past.
  const clusterId = Date.now()
  const server = await serveEtcd({ store, address: `unix:${socketPath}`, clusterId, log })
  log.info('store is served', { socketPath })
  return {
    close() {
      server.close()
      store.close()
    },
  }
}
