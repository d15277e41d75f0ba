import type { Closable } from '../../lib/closable.ts'
import { commonPrefix, inRange, type KeyRange } from '../key-range.ts'
import type { RevisionedStore } from '../revisioned-store.ts'
import type { WatchEvent } from '../store.ts'
import { decodeKeyRange } from './decode-key-range.ts'
import { COMPACTED, type KeyValueService } from './key-value-service.ts'
import type { ResponseHeader, WatchCreateRequest, WatchRequest, WatchResponse } from './messages.ts'
import { toEvent } from './rows.ts'

/** As many watches one stream may hold. */
const MOST_WATCHES = 1000

/** One stream of etcd's Watch service: many watches, told apart by their numbers. */
export class WatchSession implements Closable {
  readonly #store: RevisionedStore
  readonly #service: KeyValueService
  readonly #send: (response: WatchResponse) => void
  readonly #watches = new Map<number, Closable>()
  #nextId = 0

  constructor(
    store: RevisionedStore,
    service: KeyValueService,
    send: (response: WatchResponse) => void,
  ) {
    this.#store = store
    this.#service = service
    this.#send = send
  }

  receive({ create, cancel, progress }: WatchRequest): void {
    if (create) this.#create(create)
    else if (cancel) this.#cancel(cancel.watchId)
    else if (progress) this.#send(this.#response(-1, {}))
  }

  #create(request: WatchCreateRequest): void {
    while (this.#watches.has(this.#nextId)) this.#nextId++
    const id = request.watchId === 0 ? this.#nextId++ : request.watchId
    const range = this.#rangeOf(request)
    if (range === undefined || this.#watches.has(id) || this.#watches.size >= MOST_WATCHES) {
      const cancelReason = 'etcdserver: the watch cannot be created'
      this.#send(this.#response(-1, { created: true, canceled: true, cancelReason }))
      return
    }
    this.#send(this.#response(id, { created: true }))
    const watch = this.#store.watch(commonPrefix(range), request.startRevision, {
      onEvents: (events, revision) => {
        this.#tell(id, request, range, events, revision)
      },
      onEnd: (reason) => {
        this.#watches.delete(id)
        const { compactedRevision } = this.#store
        const compacted = reason === 'compacted'
        this.#send(
          this.#response(id, {
            canceled: true,
            compactRevision: compacted ? compactedRevision : 0,
            cancelReason: compacted ? COMPACTED : 'etcdserver: the store is closed',
          }),
        )
      },
    })
    this.#watches.set(id, watch)
  }

  #rangeOf({ key, rangeEnd }: WatchCreateRequest): KeyRange | undefined {
    try {
      return decodeKeyRange(key, rangeEnd)
    } catch {
      return undefined
    }
  }

  #tell(
    id: number,
    { filters, prevKv }: WatchCreateRequest,
    range: KeyRange,
    events: readonly WatchEvent[],
    revision: number,
  ): void {
    const wanted = events.filter(
      (event) =>
        inRange(range, event.kind === 'put' ? event.row.key : event.key) &&
        !filters.includes(event.kind === 'put' ? 0 : 1),
    )
    if (wanted.length === 0) return
    const told = wanted.map((event) => toEvent(event, prevKv))
    this.#send(this.#response(id, { events: told, header: this.#service.header(revision) }))
  }

  #cancel(id: number): void {
    const watch = this.#watches.get(id)
    if (watch === undefined) return
    watch.close()
    this.#watches.delete(id)
    this.#send(this.#response(id, { canceled: true }))
  }

  #response(
    watchId: number,
    fields: Partial<Omit<WatchResponse, 'header'>> & { header?: ResponseHeader },
  ): WatchResponse {
    return {
      header: this.#service.header(),
      watchId,
      created: false,
      canceled: false,
      compactRevision: 0,
      cancelReason: '',
      events: [],
      ...fields,
    }
  }

  close(): void {
    for (const watch of this.#watches.values()) watch.close()
    this.#watches.clear()
  }
}
