import { rmSync } from 'node:fs'
import {
  type handleBidiStreamingCall,
  type handleUnaryCall,
  type MethodDefinition,
  Server,
  ServerCredentials,
  status,
} from '@grpc/grpc-js'
import type { Closable } from '../../lib/closable.ts'
import { messageOf } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'
import { KeyValueService, RequestRefused } from '../../store/etcd/key-value-service.ts'
import {
  type EtcdMethod,
  METHODS,
  type WatchRequest,
  type WatchResponse,
} from '../../store/etcd/messages.ts'
import { WatchSession } from '../../store/etcd/watch-service.ts'
import type { RevisionedStore } from '../../store/revisioned-store.ts'
import { placeSocket } from './socket-path.ts'

export interface EtcdServerOptions {
  readonly store: RevisionedStore
  /** "unix:/run/x.sock" (mode 0600), or "127.0.0.1:2379"; port 0 takes a free one. */
  readonly address: string
  /** Another number for each run of the store, so that clients notice that it began anew. */
  readonly clusterId: number
  readonly log: Log
}

export interface EtcdServer extends Closable {
  /** As given, with the port that was taken. */
  readonly address: string
}

/** Octets that a watcher may leave unread before it is cut off; it resumes where it stopped. */
const MOST_UNREAD = 64 * 1024 * 1024

/**
 * Serves a store in etcd's v3 protocol (KV, Watch, Maintenance.Status; no leases, text only). Nobody is authenticated: whoever may open the socket may write.
 *
 * Throws UserError if the address cannot be served.
 */
export async function serveEtcd(options: EtcdServerOptions): Promise<EtcdServer> {
  const { store, address, log } = options
  const service = new KeyValueService(store, options.clusterId)
  const server = new Server({ 'grpc.max_receive_message_length': 4 * 1024 * 1024 })
  server.addService(
    Object.fromEntries(Object.entries(METHODS).map(([name, method]) => [name, definition(method)])),
    {
      range: unary((request) => service.range(request as never)),
      put: unary((request) => service.put(request as never)),
      deleteRange: unary((request) => service.deleteRange(request as never)),
      txn: unary((request) => service.transact(request as never)),
      compact: unary((request) => service.compact(request as never)),
      status: unary(() => service.status()),
      watch: watchHandler(store, service, log),
    },
  )
  const bind = (target: string): Promise<number> =>
    new Promise((resolve, reject) => {
      server.bindAsync(target, ServerCredentials.createInsecure(), (error, port) => {
        if (error === null) resolve(port)
        else reject(error)
      })
    })
  if (!address.startsWith('unix:')) {
    const port = await bind(address)
    return {
      address: address.replace(/:0$/, `:${port}`),
      close: () => {
        server.forceShutdown()
      },
    }
  }
  const path = address.slice('unix:'.length)
  await placeSocket(path, async (temporary) => void (await bind(`unix:${temporary}`)))
  return {
    address,
    close() {
      server.forceShutdown()
      rmSync(path, { force: true })
    },
  }
}

function definition<Request, Response>(
  method: EtcdMethod<Request, Response>,
): MethodDefinition<Request, Response> {
  const streams = (method as unknown) === METHODS.watch
  return {
    path: method.path,
    requestStream: streams,
    responseStream: streams,
    requestSerialize: (message) => method.request.encode(message as never),
    requestDeserialize: (octets) => method.request.decode(octets),
    responseSerialize: (message) => method.response.encode(message as never),
    responseDeserialize: (octets) => method.response.decode(octets),
  }
}

function unary(answer: (request: unknown) => unknown): handleUnaryCall<unknown, unknown> {
  const respond: (...call: Parameters<handleUnaryCall<unknown, unknown>>) => Promise<void> = async (
    call,
    callback,
  ) => {
    try {
      callback(null, await answer(call.request))
    } catch (thrown) {
      const code = thrown instanceof RequestRefused ? status[thrown.code] : status.INTERNAL
      callback({ code, details: messageOf(thrown) })
    }
  }
  return (call, callback) => void respond(call, callback)
}

function watchHandler(
  store: RevisionedStore,
  service: KeyValueService,
  log: Log,
): handleBidiStreamingCall<WatchRequest, WatchResponse> {
  return (call) => {
    const session = new WatchSession(store, service, (response) => {
      call.write(response)
      if (call.writableLength < MOST_UNREAD) return
      log.warn('Disconnected a watcher that does not read', { peer: call.getPeer() })
      session.close()
      call.destroy(Object.assign(new Error('not read'), { code: status.RESOURCE_EXHAUSTED }))
    })
    call.on('data', (request: WatchRequest) => {
      session.receive(request)
    })
    call.on('end', () => {
      session.close()
      call.end()
    })
    for (const end of ['cancelled', 'close', 'error']) {
      call.on(end, () => {
        session.close()
      })
    }
  }
}
