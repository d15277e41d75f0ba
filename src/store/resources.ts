import type { Clock } from '../lib/clock.ts'
import type { Closable } from '../lib/closable.ts'
import type { Log } from '../lib/log.ts'
import { type Random, uuid } from '../lib/random.ts'
import type { Decoded } from '../model/decode-resource.ts'
import { readChanged, writtenForm } from '../model/changed-document.ts'
import { KINDS } from '../model/kinds.ts'
import { checkResource, documentOf, newResource } from '../model/parse-resource.ts'
import type { Metadata } from '../model/metadata.ts'
import { InvalidResource } from '../model/problem.ts'
import {
  type Draft,
  identifierOf,
  type IPPool,
  type Kind,
  type Resource,
  type ResourceOf,
} from '../model/resource.ts'
import { type DecodedRows, Follower, type FollowHandlers } from './follower.ts'
import { storageOf } from './kind-storage.ts'
import type { LastGoodRows } from './last-good-rows.ts'
import { logProblems } from './log-problems.ts'
import { checkAgainstOtherPools, checkPoolChange } from './pool-rules.ts'
import {
  OperationNotSupported,
  ResourceAlreadyExists,
  ResourceDoesNotExist,
  UnreadableResource,
  UpdateConflict,
} from './resource-errors.ts'
import type { Row, Store } from './store.ts'

export interface ResourcesOptions {
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** Shared by all that follow one store in this process. */
  readonly decoded?: DecodedRows | undefined
  /** What is followed is kept there for the next process; see {@link LastGoodRows}. */
  readonly lastGood?: LastGoodRows | undefined
}

/** Tries of a read-modify-write before a conflict is told to the caller. */
const TRIES = 32
/** Resources kept for those who only read. */
const SHARED_MAX = 1_000
/** Rows of which it is remembered that their problems were told. */
const TOLD_MAX = 1_000

/** A row as it stands, and what it says. */
interface Found<K extends Kind> {
  readonly key: string
  readonly modRevision: number
  readonly decoded: Decoded<K>
}

/**
 * Resources in a store: Calico's keys, values and compare-and-swap.
 *
 *     const pool = await resources.get('IPPool', 'default')           // ResourceDoesNotExist
 *     await resources.apply({ kind: 'IPPool', metadata: { name }, spec: { cidr } })
 *     await resources.modify('Node', name, (node) => { node.spec.bgp = {...} })
 *     const following = resources.follow(['IPPool', 'Node'], { onChanges, onInSync })
 *
 * Names of namespaced kinds are looked up in `namespace`, which defaults to "default". Writes throw
 * InvalidResource with all problems, and StoreUnavailable when the store cannot be reached; after the
 * latter the write may or may not have happened.
 */
export class Resources {
  readonly #store: Store
  readonly #clock: Clock
  readonly #random: Random
  readonly #log: Log
  readonly #decoded: DecodedRows | undefined
  readonly #lastGood: LastGoodRows | undefined
  /** What was read for those who only read, by key. */
  readonly #shared = new Map<string, { readonly text: string; readonly resource: Resource }>()
  /** By key: the revision of a row whose problems were told. */
  readonly #told = new Map<string, number>()

  constructor({ store, clock, random, log, decoded, lastGood }: ResourcesOptions) {
    this.#store = store
    this.#clock = clock
    this.#random = random
    this.#log = log
    this.#decoded = decoded
    this.#lastGood = lastGood
  }

  /** Throws ResourceDoesNotExist, or UnreadableResource. */
  async get<K extends Kind>(kind: K, name: string, namespace?: string): Promise<ResourceOf<K>> {
    const found = await this.find(kind, name, namespace)
    if (found === undefined) throw new ResourceDoesNotExist(this.#identifier(kind, name, namespace))
    return found
  }

  /** Throws UnreadableResource. */
  async find<K extends Kind>(
    kind: K,
    name: string,
    namespace?: string,
  ): Promise<ResourceOf<K> | undefined> {
    const { decoded } = (await this.#find(kind, name, namespace)) ?? {}
    if (decoded === undefined) return undefined
    if ('problem' in decoded) throw new UnreadableResource(decoded.problem)
    return decoded.resource
  }

  async #find<K extends Kind>(
    kind: K,
    name: string,
    namespace?: string,
  ): Promise<Found<K> | undefined> {
    const storage = storageOf(kind)
    const key = storage.key(name, inNamespace(kind, namespace))
    if (key !== undefined) return this.#found(kind, (await this.#store.get(key)).row)
    const { rows } = await this.#store.list(storage.prefix())
    return rows
      .map((row) => this.#found(kind, row))
      .find((found) => resourceIn(found)?.metadata.name === name)
  }

  #found<K extends Kind>(kind: K, row: Row | undefined): Found<K> | undefined {
    if (row === undefined) return undefined
    const decoded = storageOf(kind).decode(row) as Decoded<K> | undefined
    return decoded && { key: row.key, modRevision: row.modRevision, decoded }
  }

  /**
   * In order of key: of a namespace, or of all. What cannot be read is logged, and left out unless it is
   * known from when it could.
   */
  async list<K extends Kind>(
    kind: K,
    options: { readonly namespace?: string | undefined } = {},
  ): Promise<ResourceOf<K>[]> {
    const namespace = KINDS[kind].namespaced ? options.namespace : undefined
    const { rows } = await this.#store.list(storageOf(kind).prefix(namespace))
    return rows.flatMap((row) => {
      const resource = this.#decode(kind, row)
      return resource === undefined ? [] : [resource]
    })
  }

  /** As {@link list}, for those who change nothing in it: what is as it was before is not read again. */
  async listShared<K extends Kind>(kind: K): Promise<readonly ResourceOf<K>[]> {
    const { rows } = await this.#store.list(storageOf(kind).prefix())
    return rows.flatMap((row) => this.#decodeShared(kind, row) ?? [])
  }

  /** As {@link get}, for those who change nothing in it. */
  async getShared<K extends Kind>(kind: K, name: string): Promise<ResourceOf<K>> {
    const key = storageOf(kind).key(name)
    const { row } = key === undefined ? {} : await this.#store.get(key)
    const found = row === undefined ? undefined : this.#decodeShared(kind, row)
    return found ?? this.get(kind, name)
  }

  #decodeShared<K extends Kind>(kind: K, row: Row): ResourceOf<K> | undefined {
    const { key, value, modRevision } = row
    const known = this.#shared.get(key)
    if (known?.text === value && known.resource.metadata.resourceVersion === String(modRevision)) {
      return known.resource as ResourceOf<K>
    }
    const resource = this.#decode(kind, row)
    if (this.#shared.size >= SHARED_MAX) this.#shared.clear()
    if (resource !== undefined) this.#shared.set(key, { text: value, resource })
    return resource
  }

  /** What cannot be read is told once for each state of a row. */
  #decode<K extends Kind>(kind: K, row: Row): ResourceOf<K> | undefined {
    const found = this.#found(kind, row)
    if (found === undefined) return undefined
    const { key, modRevision, decoded } = found
    const isNews = this.#told.get(key) !== modRevision
    if ('problem' in decoded || decoded.problems.length > 0) {
      if (this.#told.size >= TOLD_MAX) this.#told.clear()
      this.#told.set(key, modRevision)
    }
    if ('resource' in decoded) {
      if (isNews) logProblems(this.#log, decoded.problems)
      return decoded.resource
    }
    const { field, value, expected } = decoded.problem
    if (isNews) this.#log.warn('a stored resource cannot be read', { key, field, value, expected })
    return this.#lastGoodOf(kind, row)
  }

  #lastGoodOf<K extends Kind>(kind: K, { key, createRevision }: Row): ResourceOf<K> | undefined {
    const kept = this.#lastGood?.get(key)?.row
    return kept?.createRevision === createRevision ? resourceIn(this.#found(kind, kept)) : undefined
  }

  /** Throws ResourceAlreadyExists. The draft must have no resourceVersion. */
  async create<K extends Kind>(draft: Draft<K>): Promise<ResourceOf<K>> {
    return this.#create(this.#prepare(draft))
  }

  async #create<K extends Kind>(resource: ResourceOf<K>): Promise<ResourceOf<K>> {
    const { metadata } = resource
    if (metadata.resourceVersion !== undefined && metadata.resourceVersion !== '') {
      throw invalid(
        'metadata.resourceVersion',
        metadata.resourceVersion,
        'field must not be set for a Create request',
      )
    }
    Object.assign(metadata, this.#given(metadata))
    if (isPool(resource)) checkAgainstOtherPools(resource, await this.list('IPPool'))
    const key = this.#writableKey('create', resource)
    const { succeeded, revision } = await this.#store.transact({
      compare: [{ key, exists: false }],
      success: [{ put: key, value: storageOf(resource.kind).encode(resource) }],
    })
    if (!succeeded) throw new ResourceAlreadyExists(this.#identifierOf(resource))
    metadata.resourceVersion = String(revision)
    return resource
  }

  /** Throws ResourceDoesNotExist, UpdateConflict. The resource must be as it was read, but for the change. */
  async update<K extends Kind>(draft: Draft<K>): Promise<ResourceOf<K>> {
    const resource = this.#prepare(draft)
    const { metadata } = resource
    const stored = storageOf(draft.kind)
    const wanted = draft.kind === 'IPAMConfiguration' ? (['resourceVersion'] as const) : REQUIRED
    for (const field of wanted) {
      if (metadata[field] === undefined || metadata[field] === '') {
        throw invalid(
          `metadata.${field}`,
          metadata[field],
          'field must be set for an Update request',
        )
      }
    }
    const key = this.#writableKey('update', resource)
    if (isPool(resource)) {
      const found = await this.#find('IPPool', metadata.name)
      if (found === undefined) throw new ResourceDoesNotExist(this.#identifierOf(resource))
      const before = resourceIn(found)
      if (before !== undefined) checkPoolChange(before, resource)
    }
    await this.#replace(resource, key, stored.encode(resource))
    return resource
  }

  /** Writes over the row of the resource's version, and gives it the new one. */
  async #replace<K extends Kind>(
    resource: ResourceOf<K>,
    key: string,
    value: string,
  ): Promise<void> {
    const { metadata } = resource
    const { succeeded, revision, rows } = await this.#store.transact({
      compare: [{ key, modRevision: Number(metadata.resourceVersion) }],
      success: [{ put: key, value }],
      failure: [key],
    })
    const identifier = this.#identifierOf(resource)
    if (!succeeded && rows[0] === undefined) throw new ResourceDoesNotExist(identifier)
    if (!succeeded) throw new UpdateConflict(identifier)
    metadata.resourceVersion = String(revision)
  }

  /**
   * Creates it, or updates what is there, whether that can be read or not. A resourceVersion in the draft
   * must still hold.
   */
  async apply<K extends Kind>(draft: Draft<K>): Promise<ResourceOf<K>> {
    const prepared = this.#prepare(draft)
    const { name, namespace } = prepared.metadata
    for (let tries = 1; ; tries++) {
      const stored = await this.#find(draft.kind, name, namespace)
      try {
        if (stored === undefined) return await this.#create(prepared)
        const resourceVersion = String(stored.modRevision)
        const given = this.#given(resourceIn(stored)?.metadata)
        const metadata = { ...given, resourceVersion, ...defined(draft.metadata), name }
        return await this.update({ ...draft, metadata })
      } catch (thrown) {
        const raced =
          thrown instanceof UpdateConflict ||
          thrown instanceof ResourceAlreadyExists ||
          (thrown instanceof ResourceDoesNotExist && stored !== undefined)
        if (!raced || draft.metadata.resourceVersion || tries === TRIES) throw thrown
      }
    }
  }

  /**
   * Reads, lets `change` change the resource, and writes it if the value differs; again from the
   * start when somebody else was faster. `change` may return false to leave all as it is.
   *
   * Throws ResourceDoesNotExist, and UpdateConflict after 32 tries.
   */
  async modify<K extends Kind>(
    kind: K,
    name: string,
    change: (resource: ResourceOf<K>) => boolean | void,
    namespace?: string,
  ): Promise<ResourceOf<K>> {
    for (let tries = 1; ; tries++) {
      const found = await this.#find(kind, name, namespace)
      if (found === undefined) {
        throw new ResourceDoesNotExist(this.#identifier(kind, name, namespace))
      }
      const { key, decoded } = found
      if ('problem' in decoded) throw new UnreadableResource(decoded.problem)
      const after = this.#changed(decoded, change)
      if (after === undefined) return decoded.resource
      try {
        await this.#replace(after.resource, key, after.value)
        return after.resource
      } catch (thrown) {
        if (!(thrown instanceof UpdateConflict) || tries === TRIES) throw thrown
      }
    }
  }

  /** What `change` makes of a document, and the value to write; undefined if that is as it was. */
  #changed<K extends Kind>(
    { resource: before, document, problems }: Extract<Decoded<K>, { resource: unknown }>,
    change: (resource: ResourceOf<K>) => boolean | void,
  ): { readonly resource: ResourceOf<K>; readonly value: string } | undefined {
    const { encode } = storageOf(before.kind)
    const changing = structuredClone(document) as unknown as ResourceOf<K>
    changing.metadata.resourceVersion = before.metadata.resourceVersion
    if (change(changing) === false) return undefined
    const changed = documentOf(changing)
    const resource = readChanged<K>(changed, problems)
    const written = writtenForm(changed, resource)
    const isSame = encode(written) === encode(writtenForm(document, before))
    if (isSame) return undefined
    this.#writableKey('update', resource)
    if (isPool(before) && isPool(resource)) checkPoolChange(before, resource)
    const given = this.#given(resource.metadata)
    Object.assign(written.metadata, given)
    Object.assign(resource.metadata, given)
    return { resource, value: encode(written) }
  }

  /**
   * Deletes and gives what was deleted, or undefined if that could not be read. With `resourceVersion` or
   * `uid`, only that very one.
   *
   * Throws ResourceDoesNotExist, UpdateConflict.
   */
  async delete<K extends Kind>(
    kind: K,
    name: string,
    options: { namespace?: string | undefined; resourceVersion?: string; uid?: string } = {},
  ): Promise<ResourceOf<K> | undefined> {
    const { namespace, resourceVersion, uid } = options
    for (let tries = 1; ; tries++) {
      const identifier = this.#identifier(kind, name, namespace)
      const found = await this.#find(kind, name, namespace)
      if (found === undefined) throw new ResourceDoesNotExist(identifier)
      const resource = resourceIn(found)
      const other =
        (resourceVersion !== undefined && resourceVersion !== String(found.modRevision)) ||
        (uid !== undefined && uid !== resource?.metadata.uid)
      const { readOnly } = storageOf(kind)
      if (readOnly !== undefined) throw new OperationNotSupported('delete', identifier, readOnly)
      const { succeeded } = other
        ? { succeeded: false }
        : await this.#store.transact({
            compare: [{ key: found.key, modRevision: found.modRevision }],
            success: [{ delete: found.key }],
          })
      if (succeeded) return resource
      if (other || tries === TRIES) throw new UpdateConflict(identifier)
    }
  }

  /**
   * Tells all resources of some kinds, and from then on every change, through outages and compactions
   * of the store, until closed. See {@link FollowHandlers}.
   *
   * @param within only those of a namespace, or (BlockAffinity) of a node
   */
  follow<K extends Kind>(
    kinds: readonly K[],
    handlers: FollowHandlers<K>,
    within?: string,
  ): Closable {
    return new Follower<K>(
      {
        store: this.#store,
        clock: this.#clock,
        random: this.#random,
        log: this.#log,
        decoded: this.#decoded,
        lastGood: this.#lastGood,
      },
      kinds,
      handlers,
      within,
    )
  }

  #prepare<K extends Kind>(draft: Draft<K>): ResourceOf<K> {
    const namespace = inNamespace(draft.kind, draft.metadata.namespace)
    const metadata = namespace === undefined ? draft.metadata : { ...draft.metadata, namespace }
    const resource = newResource({ ...draft, metadata })
    checkResource(resource)
    return resource
  }

  #writableKey<K extends Kind>(operation: string, resource: ResourceOf<K>): string {
    const { kind, metadata } = resource
    const { readOnly, key } = storageOf(kind)
    const found = key(metadata.name, metadata.namespace)
    if (found !== undefined) return found
    const reason = readOnly ?? 'the only name of it is "default"'
    throw new OperationNotSupported(operation, this.#identifierOf(resource), reason)
  }

  /** What a resource is given once; a row that another program wrote may lack it. */
  #given(metadata: Metadata | undefined): { uid: string; creationTimestamp: string } {
    return {
      uid: metadata?.uid || uuid(this.#random),
      creationTimestamp: metadata?.creationTimestamp || timestamp(this.#clock),
    }
  }

  #identifier(kind: Kind, name: string, namespace?: string): string {
    return identifierOf(kind, name, inNamespace(kind, namespace))
  }

  #identifierOf({ kind, metadata }: ResourceOf<Kind>): string {
    return this.#identifier(kind, metadata.name, metadata.namespace)
  }
}

const REQUIRED = ['resourceVersion', 'uid', 'creationTimestamp'] as const

function resourceIn<K extends Kind>(found: Found<K> | undefined): ResourceOf<K> | undefined {
  return found !== undefined && 'resource' in found.decoded ? found.decoded.resource : undefined
}

function isPool(resource: Resource): resource is IPPool {
  return resource.kind === 'IPPool'
}

function inNamespace(kind: Kind, namespace: string | undefined): string | undefined {
  return KINDS[kind].namespaced ? namespace || 'default' : namespace
}

function invalid(field: string, value: unknown, reason: string): InvalidResource {
  return new InvalidResource([{ field, value, reason }])
}

/** RFC 3339 in UTC to the second, as Kubernetes writes creation times. */
function timestamp(clock: Clock): string {
  return new Date(clock.wallTime()).toISOString().replace(/\.\d+Z$/, 'Z')
}

function defined<T extends object>(fields: T): T {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== undefined && value !== ''),
  ) as T
}
