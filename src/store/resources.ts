import type { Clock } from '../lib/clock.ts'
import type { Closable } from '../lib/closable.ts'
import type { Log } from '../lib/log.ts'
import { type Random, uuid } from '../lib/random.ts'
import type { Decoded } from '../model/decode-resource.ts'
import { readChanged, writtenForm } from '../model/changed-document.ts'
import { Checks } from '../model/checks.ts'
import { definitionOf, KINDS } from '../model/kinds.ts'
import {
  type Document,
  documentOf,
  encodeResource,
  validResource,
} from '../model/parse-resource.ts'
import type { Metadata } from '../model/metadata.ts'
import { InvalidResource } from '../model/problem.ts'
import {
  type DocumentOf,
  type Draft,
  identifierOf,
  type Kind,
  type ResourceOf,
} from '../model/resource.ts'
import { type DecodedRows, Follower, type FollowHandlers } from './follower.ts'
import { storageOf } from './kind-storage.ts'
import type { LastGoodRows } from './last-good-rows.ts'
import { logProblems } from './log-problems.ts'
import {
  ResourceAlreadyExists,
  ResourceDoesNotExist,
  UnreadableResource,
  UpdateConflict,
} from './resource-errors.ts'
import {
  listAll,
  type ReadOptions,
  type ResourceStore,
  type StoredResource,
} from './resource-store.ts'
import { RowResourceStore } from './row-resource-store.ts'
import type { Store } from './store.ts'

export interface ResourcesOptions {
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** Shared by all that follow one store in this process. */
  readonly decoded?: DecodedRows | undefined
  /** Rows as they were when they last could be read. */
  readonly lastGood?: LastGoodRows | undefined
}

/** Tries of a read-modify-write before a conflict is told to the caller. */
const TRIES = 32
/** Rows of which it is remembered that their problems were told. */
const TOLD_MAX = 1_000

/**
 * What the rest of the program does with resources in a store: reading what can be read, checked writes, changes
 * that are tried again when somebody else was faster, following.
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
  readonly #rows: Store
  readonly #store: ResourceStore
  readonly #clock: Clock
  readonly #random: Random
  readonly #log: Log
  readonly #decoded: DecodedRows | undefined
  readonly #lastGood: LastGoodRows | undefined
  /** By key: the version of a resource whose problems were told. */
  readonly #told = new Map<string, string>()

  constructor({ store, clock, random, log, decoded, lastGood }: ResourcesOptions) {
    this.#rows = store
    this.#store = new RowResourceStore(store)
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

  /**
   * As it is stored, parts that do not count included; undefined if there is none, or it is none that
   * could be read.
   */
  async findDocument(kind: Kind, name: string, namespace?: string): Promise<Document | undefined> {
    const { decoded } = (await this.#find(kind, name, namespace)) ?? {}
    return decoded !== undefined && 'document' in decoded ? decoded.document : undefined
  }

  #find<K extends Kind>(
    kind: K,
    name: string,
    namespace?: string,
  ): Promise<StoredResource<K> | undefined> {
    return this.#store.get(kind, name, { namespace: inNamespace(kind, namespace) })
  }

  /**
   * In the store's order: of a namespace, or of all. What cannot be read is logged, and left out unless it
   * is known from when it could.
   */
  list<K extends Kind>(
    kind: K,
    options: { readonly namespace?: string | undefined } = {},
  ): Promise<ResourceOf<K>[]> {
    return this.#list(kind, { within: KINDS[kind].namespaced ? options.namespace : undefined })
  }

  /** As {@link list}, for those who change nothing in it: what is as it was before is not read again. */
  listShared<K extends Kind>(kind: K): Promise<readonly ResourceOf<K>[]> {
    return this.#list(kind, { shared: true })
  }

  async #list<K extends Kind>(
    kind: K,
    options: ReadOptions & { readonly within?: string | undefined },
  ): Promise<ResourceOf<K>[]> {
    const { items } = await listAll(this.#store, kind, options)
    return items.flatMap((stored) => this.#readable(kind, stored) ?? [])
  }

  /** As {@link get}, for those who change nothing in it. */
  async getShared<K extends Kind>(kind: K, name: string): Promise<ResourceOf<K>> {
    const options = { namespace: inNamespace(kind, undefined), shared: true }
    const stored = await this.#store.get(kind, name, options)
    if (stored === undefined) throw new ResourceDoesNotExist(this.#identifier(kind, name))
    return resourceIn(stored) ?? this.get(kind, name)
  }

  /** What cannot be read is told once for each state of a resource. */
  #readable<K extends Kind>(kind: K, stored: StoredResource<K>): ResourceOf<K> | undefined {
    const { key, resourceVersion, decoded } = stored
    if ('resource' in decoded && decoded.problems.length === 0) return decoded.resource
    const isNews = this.#told.get(key) !== resourceVersion
    if (this.#told.size >= TOLD_MAX) this.#told.clear()
    this.#told.set(key, resourceVersion)
    if ('resource' in decoded) {
      if (isNews) logProblems(this.#log, decoded.problems)
      return decoded.resource
    }
    const { field, value, expected } = decoded.problem
    if (isNews) this.#log.warn('Failed to read a stored resource', { key, field, value, expected })
    return this.#lastGoodOf(kind, stored)
  }

  #lastGoodOf<K extends Kind>(
    kind: K,
    { key, createdAt }: StoredResource<K>,
  ): ResourceOf<K> | undefined {
    const row = this.#lastGood?.get(key)?.row
    if (row === undefined || String(row.createRevision) !== createdAt) return undefined
    const decoded = storageOf(kind).decode(row) as Decoded<K> | undefined
    return decoded && 'resource' in decoded ? decoded.resource : undefined
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
    await this.#checkAmongOthers(resource)
    metadata.resourceVersion = await this.#store.create(resource)
    return resource
  }

  /** Throws ResourceDoesNotExist, UpdateConflict. The resource must be as it was read, but for the change. */
  async update<K extends Kind>(draft: Draft<K>): Promise<ResourceOf<K>> {
    const resource = this.#prepare(draft)
    const { metadata } = resource
    for (const field of storageOf(draft.kind).holdsMetadata ? REQUIRED : REQUIRED_OF_ALL) {
      if (metadata[field] === undefined || metadata[field] === '') {
        throw invalid(
          `metadata.${field}`,
          metadata[field],
          'field must be set for an Update request',
        )
      }
    }
    await this.#checkChangeOfStored(resource)
    metadata.resourceVersion = await this.#store.update(resource)
    return resource
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
        const { resourceVersion } = stored
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
   * Reads, lets `change` change what is stored, and writes it if the value differs; again from the
   * start when somebody else was faster. `change` may return false to leave all as it is.
   *
   * Throws ResourceDoesNotExist, and UpdateConflict after 32 tries.
   */
  async modify<K extends Kind>(
    kind: K,
    name: string,
    change: (document: DocumentOf<K>) => boolean | void,
    namespace?: string,
  ): Promise<ResourceOf<K>> {
    for (let tries = 1; ; tries++) {
      const found = await this.#find(kind, name, namespace)
      if (found === undefined) {
        throw new ResourceDoesNotExist(this.#identifier(kind, name, namespace))
      }
      const { decoded } = found
      if ('problem' in decoded) throw new UnreadableResource(decoded.problem)
      const after = this.#changed(decoded, change)
      if (after === undefined) return decoded.resource
      try {
        after.resource.metadata.resourceVersion = await this.#store.update(after.written)
        return after.resource
      } catch (thrown) {
        if (!(thrown instanceof UpdateConflict) || tries === TRIES) throw thrown
      }
    }
  }

  /** What `change` makes of a document, and the form to write; undefined if that is as it was. */
  #changed<K extends Kind>(
    { resource: before, document, problems }: Extract<Decoded<K>, { resource: unknown }>,
    change: (document: DocumentOf<K>) => boolean | void,
  ): { readonly resource: ResourceOf<K>; readonly written: ResourceOf<K> } | undefined {
    const changing = structuredClone(document) as unknown as DocumentOf<K>
    changing.metadata.resourceVersion = before.metadata.resourceVersion
    if (change(changing) === false) return undefined
    const changed = documentOf(changing)
    const resource = readChanged<K>(changed, problems)
    const written = writtenForm(changed, resource)
    const isSame = encodeResource(written) === encodeResource(writtenForm(document, before))
    if (isSame) return undefined
    checkChange(before, resource)
    const given = this.#given(resource.metadata)
    const { resourceVersion } = before.metadata
    Object.assign(written.metadata, given, { resourceVersion })
    Object.assign(resource.metadata, given)
    return { resource, written }
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
      if (
        (resourceVersion !== undefined && resourceVersion !== found.resourceVersion) ||
        (uid !== undefined && uid !== resource?.metadata.uid)
      ) {
        throw new UpdateConflict(identifier)
      }
      const version = {
        namespace: inNamespace(kind, namespace),
        resourceVersion: found.resourceVersion,
      }
      try {
        await this.#store.delete(kind, name, version)
        return resource
      } catch (thrown) {
        if (!(thrown instanceof UpdateConflict) || tries === TRIES) throw thrown
      }
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
        store: this.#rows,
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
    return validResource({ ...draft, metadata }) as ResourceOf<K>
  }

  async #checkAmongOthers<K extends Kind>(resource: ResourceOf<K>): Promise<void> {
    const { checkAmong } = definitionOf<K>(resource.kind)
    if (checkAmong === undefined) return
    const checks = new Checks()
    checkAmong(checks, resource, await this.list<K>(resource.kind))
    if (checks.problems.length > 0) throw new InvalidResource(checks.problems)
  }

  /** What stands there and cannot be read forbids nothing. */
  async #checkChangeOfStored<K extends Kind>(resource: ResourceOf<K>): Promise<void> {
    const { kind, metadata } = resource
    if (definitionOf<K>(kind).checkChange === undefined) return
    const found = await this.#find<K>(kind, metadata.name, metadata.namespace)
    if (found === undefined) throw new ResourceDoesNotExist(this.#identifierOf(resource))
    const before = resourceIn(found)
    if (before !== undefined) checkChange(before, resource)
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

const REQUIRED_OF_ALL = ['resourceVersion'] as const
const REQUIRED = [...REQUIRED_OF_ALL, 'uid', 'creationTimestamp'] as const

function resourceIn<K extends Kind>({ decoded }: StoredResource<K>): ResourceOf<K> | undefined {
  return 'resource' in decoded ? decoded.resource : undefined
}

/** Throws InvalidResource if the change is one that the kind does not allow. */
function checkChange<K extends Kind>(before: ResourceOf<K>, after: ResourceOf<K>): void {
  const checks = new Checks()
  definitionOf<K>(after.kind).checkChange?.(checks, before, after)
  if (checks.problems.length > 0) throw new InvalidResource(checks.problems)
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
