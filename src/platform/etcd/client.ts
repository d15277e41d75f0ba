import {
  type ChannelOptions,
  Client,
  type ClientDuplexStream,
  credentials,
  type ServiceError,
  status,
} from '@grpc/grpc-js'
import { Backoff } from '../../lib/backoff.ts'
import type { Clock, Timer } from '../../lib/clock.ts'
import type { Closable } from '../../lib/closable.ts'
import { UserError } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'
import type { Random } from '../../lib/random.ts'
import {
  type Compare,
  CompareResult,
  CompareTarget,
  type Event,
  type EtcdMethod,
  METHODS,
  type WatchRequest,
  type WatchResponse,
} from '../../store/etcd/messages.ts'
import { toRow, toWatchEvent } from '../../store/etcd/rows.ts'
import { prefixEnd, toOctets } from '../../store/etcd/text.ts'
import {
  type Comparison,
  type Operation,
  type Row,
  type Store,
  StoreUnavailable,
  type Transaction,
  type TransactionResult,
  type WatchHandlers,
} from '../../store/store.ts'

export interface EtcdStoreOptions {
  /** "unix:/run/x.sock", "127.0.0.1:2379" or "http://127.0.0.1:2379"; several addresses of one cluster. */
  readonly endpoints: readonly string[]
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** After which a call counts as failed; default 5000. */
  readonly deadlineMilliseconds?: number
}

const CHANNEL: ChannelOptions = {
  'grpc.keepalive_time_ms': 10_000, // etcd drops clients that ask more often than every 5 s
  'grpc.keepalive_timeout_ms': 3000,
  'grpc.keepalive_permit_without_calls': 1,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 3000,
  'grpc.max_receive_message_length': -1,
  'grpc.max_send_message_length': -1,
  'grpc.use_local_subchannel_pool': 1,
  'grpc.enable_http_proxy': 0, // a proxy for web pages is none for the store
}

/**
 * A store in etcd, or in whatever speaks its v3 protocol. Connects when first used and again for ever;
 * every call has a deadline; a server that stalls is noticed in seconds. Calls that fail or are late
 * throw StoreUnavailable. A watch goes on over reconnections from where it stopped.
 */
export class EtcdStore implements Store {
  readonly #client: Client
  readonly #options: EtcdStoreOptions
  readonly #watches = new Set<EtcdWatch>()
  #open = true

  constructor(options: EtcdStoreOptions) {
    this.#options = options
    this.#client = new Client(targetOf(options.endpoints), credentials.createInsecure(), CHANNEL)
  }

  async get(key: string): Promise<{ row: Row | undefined; revision: number }> {
    const { kvs, header } = await this.#call(METHODS.range, { key: toOctets(key) })
    return { row: kvs[0] === undefined ? undefined : toRow(kvs[0]), revision: header.revision }
  }

  async list(prefix: string): Promise<{ rows: readonly Row[]; revision: number }> {
    const { kvs, header } = await this.#call(METHODS.range, rangeOfPrefix(prefix))
    return { rows: kvs.map(toRow), revision: header.revision }
  }

  async transact({ compare, success, failure = [] }: Transaction): Promise<TransactionResult> {
    const { succeeded, header, responses } = await this.#call(METHODS.txn, {
      compare: compare.map(toCompare),
      success: success.map(toRequest),
      failure: failure.map((key) => ({ range: { key: toOctets(key) } })),
    })
    const rows = succeeded
      ? []
      : responses.map(({ range }) =>
          range?.kvs[0] === undefined ? undefined : toRow(range.kvs[0]),
        )
    return { succeeded, revision: header.revision, rows }
  }

  /** Forgets history before `revision`. */
  async compact(revision: number): Promise<void> {
    await this.#call(METHODS.compact, { revision })
  }

  #call<Request, Response>(
    method: EtcdMethod<Request, Response>,
    request: Parameters<EtcdMethod<Request, Response>['request']['encode']>[0],
  ): Promise<Response> {
    if (!this.#open) return Promise.reject(new StoreUnavailable('the store is closed'))
    const deadline = Date.now() + (this.#options.deadlineMilliseconds ?? 5000)
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(
        method.path,
        method.request.encode,
        (octets: Buffer) => method.response.decode(octets),
        request,
        { deadline },
        (error, response) => {
          if (error === null && response !== undefined) resolve(response)
          else reject(failureOf(error))
        },
      )
    })
  }

  watch(prefix: string, fromRevision: number, handlers: WatchHandlers): Closable {
    const watch: EtcdWatch = new EtcdWatch(this.#client, this.#options, prefix, fromRevision, {
      onEvents: handlers.onEvents.bind(handlers),
      onEnd: (reason) => {
        this.#watches.delete(watch)
        handlers.onEnd(reason)
      },
    })
    this.#watches.add(watch)
    if (this.#open) watch.start()
    else watch.end('closed')
    return {
      close: () => {
        this.#watches.delete(watch)
        watch.close()
      },
    }
  }

  close(): void {
    if (!this.#open) return
    this.#open = false
    for (const watch of this.#watches) watch.end('closed')
    this.#client.close()
  }
}

/** One watch, over as many streams as it takes. */
class EtcdWatch {
  readonly #client: Client
  readonly #options: EtcdStoreOptions
  readonly #prefix: string
  readonly #handlers: WatchHandlers
  readonly #backoff: Backoff
  /** The first revision not yet told; 0: from now on. */
  #next: number
  /** Of the store that told the last event. */
  #clusterId: number | undefined
  #stream: ClientDuplexStream<WatchRequest, WatchResponse> | undefined
  #timer: Timer | undefined
  #open = true

  constructor(
    client: Client,
    options: EtcdStoreOptions,
    prefix: string,
    fromRevision: number,
    handlers: WatchHandlers,
  ) {
    this.#client = client
    this.#options = options
    this.#prefix = prefix
    this.#next = fromRevision
    this.#handlers = handlers
    this.#backoff = new Backoff({
      firstMilliseconds: 50,
      mostMilliseconds: 3000,
      random: options.random,
    })
  }

  start(): void {
    if (!this.#open) return
    const { path, request, response } = METHODS.watch
    const stream = this.#client.makeBidiStreamRequest<WatchRequest, WatchResponse>(
      path,
      (message) => request.encode(message),
      (octets) => response.decode(octets),
      {},
    )
    this.#stream = stream
    // A server that takes the stream but never answers is as good as none.
    this.#timer = this.#options.clock.after(this.#options.deadlineMilliseconds ?? 5000, () => {
      stream.cancel()
    })
    stream.on('data', (message: WatchResponse) => {
      if (this.#stream === stream) this.#receive(message)
    })
    stream.on('error', (error: ServiceError) => {
      this.#resume(stream, error.details)
    })
    stream.on('end', () => {
      this.#resume(stream, 'the server ended the stream')
    })
    const create = {
      ...rangeOfPrefix(this.#prefix),
      startRevision: this.#next,
      progressNotify: true,
    }
    stream.write({ create } as WatchRequest)
  }

  #receive(response: WatchResponse): void {
    const { header } = response
    if (response.created) {
      this.#timer?.cancel()
      this.#backoff.reset()
      if (this.#isAnotherStore(response)) {
        this.end('compacted')
        return
      }
      this.#clusterId = header.clusterId
      if (this.#next === 0) this.#next = header.revision + 1
    }
    if (response.canceled) {
      if (response.compactRevision > 0) this.end('compacted')
      else this.#stream?.cancel()
      return
    }
    if (response.events.length > 0) this.#tell(response.events)
    else if (!response.created) this.#next = Math.max(this.#next, header.revision + 1)
  }

  /** A store that began anew knows nothing of the revisions that this watch waits for. */
  #isAnotherStore({ header }: WatchResponse): boolean {
    return (
      (this.#clusterId !== undefined && this.#clusterId !== header.clusterId) ||
      header.revision < this.#next - 1
    )
  }

  #tell(events: readonly Event[]): void {
    for (let from = 0; from < events.length;) {
      const revision = events[from]!.kv.modRevision
      let to = from
      while (to < events.length && events[to]!.kv.modRevision === revision) to++
      this.#next = revision + 1
      if (this.#open) this.#handlers.onEvents(events.slice(from, to).map(toWatchEvent), revision)
      from = to
    }
  }

  #resume(stream: object, why: string): void {
    if (this.#stream !== stream || !this.#open) return
    this.#stream = undefined
    this.#timer?.cancel()
    this.#options.log.debug('Watch interrupted; resuming', { prefix: this.#prefix, why })
    this.#timer = this.#options.clock.after(this.#backoff.next(), () => {
      this.start()
    })
  }

  end(reason: 'compacted' | 'closed'): void {
    if (!this.#open) return
    this.close()
    queueMicrotask(() => {
      this.#handlers.onEnd(reason)
    })
  }

  close(): void {
    this.#open = false
    this.#timer?.cancel()
    this.#stream?.cancel()
  }
}

function targetOf(endpoints: readonly string[]): string {
  const addresses = endpoints.map((endpoint) =>
    endpoint.replace(/^http:\/\//, '').replace(/\/$/, ''),
  )
  if (addresses.length === 1) {
    // A path is a target of its own kind; a bare name or address is looked up.
    return addresses[0]!.startsWith('unix:') ? addresses[0]! : `dns:${addresses[0]!}`
  }
  const wrong = addresses.find((address) => !/^[\d.]+:\d+$/.test(address))
  if (wrong !== undefined) {
    throw new UserError(`etcd endpoint '${wrong}': several endpoints must all be IPv4 addresses`)
  }
  // Several addresses in one target: the channel uses the first that answers.
  return `ipv4:${addresses.join(',')}`
}

function rangeOfPrefix(prefix: string): { key: Uint8Array; rangeEnd: Uint8Array } {
  // All keys are those from the octet zero on.
  const key = prefix === '' ? Uint8Array.of(0) : toOctets(prefix)
  return { key, rangeEnd: prefix === '' ? Uint8Array.of(0) : prefixEnd(key) }
}

function toCompare(comparison: Comparison): Partial<Compare> {
  const key = toOctets(comparison.key)
  if ('modRevision' in comparison) {
    const { modRevision } = comparison
    return { key, target: CompareTarget.mod, result: CompareResult.equal, modRevision }
  }
  const result = comparison.exists ? CompareResult.greater : CompareResult.equal
  return { key, target: CompareTarget.version, result, version: 0 }
}

function toRequest(operation: Operation): { put: object } | { deleteRange: object } {
  return 'put' in operation
    ? { put: { key: toOctets(operation.put), value: toOctets(operation.value) } }
    : { deleteRange: { key: toOctets(operation.delete) } }
}

/** What the caller did wrong stays as it is; everything else means that the store is not there. */
function failureOf(error: ServiceError | null): Error {
  if (error === null) return new StoreUnavailable('the store gave no answer')
  const mistaken: readonly number[] = [
    status.INVALID_ARGUMENT,
    status.OUT_OF_RANGE,
    status.UNIMPLEMENTED,
    status.FAILED_PRECONDITION,
  ]
  if (mistaken.includes(error.code)) return new Error(error.details, { cause: error })
  return new StoreUnavailable(error.details, { cause: error })
}
