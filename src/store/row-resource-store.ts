import type { Closable } from '../lib/closable.ts'
import type { Decoded } from '../model/decode-resource.ts'
import type { Document } from '../model/parse-resource.ts'
import { identifierOf, type Kind, type ResourceOf } from '../model/resource.ts'
import { storageOf } from './kind-storage.ts'
import {
  OperationNotSupported,
  ResourceAlreadyExists,
  ResourceDoesNotExist,
  UpdateConflict,
} from './resource-errors.ts'
import type {
  InNamespace,
  ListOptions,
  ReadOptions,
  ResourceEvent,
  ResourcePage,
  ResourceStore,
  ResourceVersion,
  ResourceWatchHandlers,
  StoredResource,
} from './resource-store.ts'
import type { Operation, Row, Store, WatchEvent } from './store.ts'

/** Resources kept for those who only read. */
const SHARED_MAX = 1_000

/** What rows mean, for many who read one store in one process: each row is read once for all. */
export type DecodedRows = WeakMap<Row, object>

/** Resources as rows of a store, under Calico's keys. A version is a revision of the store, in decimal. */
export class RowResourceStore implements ResourceStore {
  readonly #store: Store
  /** What was read for those who only read, by key. */
  readonly #shared = new Map<string, { readonly text: string; readonly stored: StoredResource }>()

  readonly #decoded: DecodedRows | undefined

  /** @param decoded shared by stores of which nobody changes what he gets */
  constructor(store: Store, { decoded }: { readonly decoded?: DecodedRows | undefined } = {}) {
    this.#store = store
    this.#decoded = decoded
  }

  place(kind: Kind, within?: string): string {
    return storageOf(kind).prefix(within)
  }

  restore<K extends Kind>(kind: K, saved: Row): StoredResource<K> | undefined {
    return this.#read(kind, saved)
  }

  async get<K extends Kind>(
    kind: K,
    name: string,
    { namespace, shared }: ReadOptions & InNamespace = {},
  ): Promise<StoredResource<K> | undefined> {
    const storage = storageOf(kind)
    const key = storage.key(name, namespace)
    if (key === undefined) {
      const { items } = await this.list(kind, { shared })
      return items.find(({ decoded }) => {
        return 'resource' in decoded && decoded.resource.metadata.name === name
      })
    }
    const { row } = await this.#store.get(key)
    return row && this.#read(kind, row, shared)
  }

  async list<K extends Kind>(
    kind: K,
    { within, shared }: ListOptions = {},
  ): Promise<ResourcePage<K>> {
    const { rows, revision } = await this.#store.list(storageOf(kind).prefix(within))
    const items = rows.flatMap((row) => this.#read(kind, row, shared) ?? [])
    return { items, resourceVersion: String(revision) }
  }

  watch<K extends Kind>(
    kind: K,
    { after, within }: { readonly after: ResourceVersion; readonly within?: string | undefined },
    { onEvents, onEnd }: ResourceWatchHandlers<K>,
  ): Closable {
    const revision = revisionOf(after) ?? 0
    return this.#store.watch(storageOf(kind).prefix(within), revision + 1, {
      onEvents: (events, at) => {
        const told = events.flatMap((event) => this.#event(kind, event) ?? [])
        if (told.length > 0) onEvents(told, String(at))
      },
      onEnd: (reason) => {
        onEnd(reason === 'compacted' ? 'expired' : 'closed')
      },
    })
  }

  #event<K extends Kind>(kind: K, event: WatchEvent): ResourceEvent<K> | undefined {
    if (event.kind === 'put') {
      const stored = this.#read(kind, event.row)
      return stored && { type: 'put', stored }
    }
    return { type: 'delete', key: event.key }
  }

  #read<K extends Kind>(kind: K, row: Row, shared = false): StoredResource<K> | undefined {
    const { key, value } = row
    const remembers = shared && this.#decoded === undefined
    const known = remembers ? this.#shared.get(key) : undefined
    if (known?.text === value && known.stored.resourceVersion === String(row.modRevision)) {
      return known.stored as unknown as StoredResource<K>
    }
    if (!storageOf(kind).isOfKind(key)) return undefined
    const stored = this.#storedRow(kind, row)
    if (remembers) {
      if (this.#shared.size >= SHARED_MAX) this.#shared.clear()
      this.#shared.set(key, { text: value, stored: stored as unknown as StoredResource })
    }
    return stored
  }

  #storedRow<K extends Kind>(kind: K, row: Row): StoredResource<K> {
    const known = this.#decoded?.get(row)
    if (known !== undefined) return known as StoredRow<K>
    if (this.#decoded === undefined) return new StoredRow(kind, row)
    const shared = new StoredRow(kind, row, { keepsDocument: false })
    this.#decoded.set(row, shared)
    return shared
  }

  async create<K extends Kind>(resource: ResourceOf<K>): Promise<ResourceVersion> {
    const key = writableKey('create', resource)
    const { succeeded, revision } = await this.#store.transact({
      compare: [{ key, exists: false }],
      success: [{ put: key, value: storageOf(resource.kind).encode(resource) }],
    })
    if (!succeeded) throw new ResourceAlreadyExists(identifier(resource))
    return String(revision)
  }

  async update<K extends Kind>(resource: ResourceOf<K>): Promise<ResourceVersion> {
    const key = writableKey('update', resource)
    const { resourceVersion } = resource.metadata
    const value = storageOf(resource.kind).encode(resource)
    return String(
      await this.#replace(identifier(resource), key, resourceVersion, { put: key, value }),
    )
  }

  async delete(
    kind: Kind,
    name: string,
    { namespace, resourceVersion }: InNamespace & { readonly resourceVersion: ResourceVersion },
  ): Promise<void> {
    const what = identifierOf(kind, name, namespace)
    const { readOnly, key: keyOf } = storageOf(kind)
    if (readOnly !== undefined) throw new OperationNotSupported('delete', what, readOnly)
    const key = keyOf(name, namespace)
    if (key === undefined) throw new ResourceDoesNotExist(what)
    await this.#replace(what, key, resourceVersion, { delete: key })
  }

  /** Does the operation if the row has the version; the revision. A version that is none of this store is none of the row. */
  async #replace(
    what: string,
    key: string,
    version: ResourceVersion | undefined,
    operation: Operation,
  ): Promise<number> {
    const modRevision = revisionOf(version)
    if (modRevision === undefined) {
      const { row } = await this.#store.get(key)
      throw row === undefined ? new ResourceDoesNotExist(what) : new UpdateConflict(what)
    }
    const { succeeded, revision, rows } = await this.#store.transact({
      compare: [{ key, modRevision }],
      success: [operation],
      failure: [key],
    })
    if (succeeded) return revision
    throw rows[0] === undefined ? new ResourceDoesNotExist(what) : new UpdateConflict(what)
  }
}

/** A row that is decoded when somebody asks what it says. */
class StoredRow<K extends Kind> implements StoredResource<K> {
  readonly saved: Row
  readonly resourceVersion: ResourceVersion
  readonly createdAt: string
  readonly #kind: K
  readonly #keepsDocument: boolean
  #decoded: Decoded<K> | undefined

  constructor(kind: K, row: Row, { keepsDocument } = { keepsDocument: true }) {
    this.#kind = kind
    this.#keepsDocument = keepsDocument
    this.saved = row
    this.resourceVersion = String(row.modRevision)
    this.createdAt = String(row.createRevision)
  }

  get key(): string {
    return this.saved.key
  }

  get age(): number {
    return this.saved.createRevision
  }

  get decoded(): Decoded<K> {
    this.#decoded ??= this.#decode()
    return this.#decoded
  }

  #decode(): Decoded<K> {
    const decoded = storageOf(this.#kind).decode(this.saved) as Decoded<K>
    if (this.#keepsDocument || !('resource' in decoded)) return decoded
    const again = (): Document => documentIn(this.#kind, this.saved)
    const { resource, problems } = decoded
    return {
      resource,
      problems,
      get document() {
        return again()
      },
    }
  }
}

/** Made once more: those who follow never ask for it, and all of them together would hold each twice. */
function documentIn(kind: Kind, row: Row): Document {
  const decoded = storageOf(kind).decode(row)
  if (decoded.document === undefined) throw new Error(`${row.key} could be read before`)
  return decoded.document
}

/** Undefined for what no store of rows ever gave. */
function revisionOf(version: ResourceVersion | undefined): number | undefined {
  const revision = /^[1-9]\d{0,15}$/.test(version ?? '') ? Number(version) : undefined
  return Number.isSafeInteger(revision) ? revision : undefined
}

function writableKey<K extends Kind>(operation: string, resource: ResourceOf<K>): string {
  const { kind, metadata } = resource
  const { readOnly, key } = storageOf(kind)
  const found = key(metadata.name, metadata.namespace)
  if (found !== undefined) return found
  const reason = readOnly ?? 'the only name of it is "default"'
  throw new OperationNotSupported(operation, identifier(resource), reason)
}

function identifier({ kind, metadata }: ResourceOf<Kind>): string {
  return identifierOf(kind, metadata.name, metadata.namespace)
}
