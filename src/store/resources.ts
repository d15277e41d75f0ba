import type { Clock } from '../lib/clock.ts'
import type { Closable } from '../lib/closable.ts'
import type { Log } from '../lib/log.ts'
import { type Random, uuid } from '../lib/random.ts'
import type { Decoded, StoredProblem } from '../model/decode-resource.ts'
import { readChanged, writtenForm } from '../model/changed-document.ts'
import { Checks } from '../model/checks.ts'
import { isSameJson, parseJson } from '../model/json.ts'
import { definitionOf, KINDS } from '../model/kinds.ts'
import { type Document, documentOf } from '../model/parse-resource.ts'
import type { Metadata } from '../model/metadata.ts'
import { InvalidResource } from '../model/problem.ts'
import {
  type DocumentOf,
  type Draft,
  identifierOf,
  type Kind,
  type Resource,
  type ResourceOf,
} from '../model/resource.ts'
import { Follower, type FollowHandlers } from './follower.ts'
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
import { type DecodedRows, RowResourceStore } from './row-resource-store.ts'
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

/** A resource, and what stands in the store. */
export interface WrittenResource<K extends Kind = Kind> {
  /** Undefined if it cannot be read. */
  readonly resource: ResourceOf<K> | undefined
  /**
   * With defaults filled in, values in canonical form, and all that does not count as it is: for those who
   * print it. One that cannot be read is as it is, wherefore the type promises more than is true.
   */
  readonly written: ResourceOf<K>
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
  readonly #store: ResourceStore
  /** For those who change nothing in what they get. */
  readonly #shared: ResourceStore
  readonly #clock: Clock
  readonly #random: Random
  readonly #log: Log
  readonly #lastGood: LastGoodRows | undefined
  /** By key: the version of a resource whose problems were told. */
  readonly #told = new Map<string, string>()

  constructor({ store, clock, random, log, decoded, lastGood }: ResourcesOptions) {
    this.#store = new RowResourceStore(store)
    this.#shared = new RowResourceStore(store, { decoded })
    this.#clock = clock
    this.#random = random
    this.#log = log
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
   * As it is stored, what does not count included; undefined if there is none, or nothing but its key tells
   * what it is.
   */
  async findDocument(kind: Kind, name: string, namespace?: string): Promise<Document | undefined> {
    return (await this.#find(kind, name, namespace))?.decoded.document
  }

  /**
   * As {@link get}, with the form in which it is stored; what does not count in it is logged. Throws
   * UnreadableResource only where nothing but the key tells what it is.
   */
  async getWritten<K extends Kind>(
    kind: K,
    name: string,
    namespace?: string,
  ): Promise<WrittenResource<K>> {
    const stored = await this.#find(kind, name, namespace)
    if (stored === undefined) {
      throw new ResourceDoesNotExist(this.#identifier(kind, name, namespace))
    }
    const { decoded } = stored
    const written = writtenOf(decoded)
    if (written === undefined && 'problem' in decoded) throw new UnreadableResource(decoded.problem)
    this.#readable(kind, stored)
    return written!
  }

  /** As {@link list}, with the form in which each is stored. */
  async listWritten<K extends Kind>(
    kind: K,
    options: { readonly namespace?: string | undefined } = {},
  ): Promise<WrittenResource<K>[]> {
    const within = KINDS[kind].namespaced ? options.namespace : undefined
    const { items } = await listAll(this.#store, kind, { within })
    for (const stored of items) this.#readable(kind, stored)
    return items.flatMap(({ decoded }) => writtenOf(decoded) ?? [])
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
    const { items } = await listAll(options.shared ? this.#shared : this.#store, kind, options)
    return items.flatMap((stored) => this.#readable(kind, stored) ?? [])
  }

  /** As {@link get}, for those who change nothing in it. */
  async getShared<K extends Kind>(kind: K, name: string): Promise<ResourceOf<K>> {
    const options = { namespace: inNamespace(kind, undefined), shared: true }
    const stored = await this.#shared.get(kind, name, options)
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
    const kept = row && this.#store.restore(kind, row)
    return kept?.createdAt === createdAt ? resourceIn(kept) : undefined
  }

  /** Throws ResourceAlreadyExists. The draft must have no resourceVersion. */
  async create<K extends Kind>(draft: Draft<K>): Promise<ResourceOf<K>> {
    return this.#create(this.#read(draft).resource)
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

  /**
   * Throws ResourceDoesNotExist, UpdateConflict. The resource must be as it was read, but for the change;
   * what is wrong in it may stay if it stands in the store as it is.
   */
  async update<K extends Kind>(draft: Draft<K>): Promise<ResourceOf<K>> {
    const { name, namespace } = this.#placeOf(draft)
    return this.#update(draft, await this.#find(draft.kind, name, namespace))
  }

  async #update<K extends Kind>(
    draft: Draft<K>,
    stored: StoredResource<K> | undefined,
  ): Promise<ResourceOf<K>> {
    const { document, resource } = this.#read(draft, problemsIn(stored))
    const { metadata } = resource
    const { holdsMetadata } = storageOf(draft.kind)
    for (const field of holdsMetadata ? REQUIRED : REQUIRED_OF_ALL) {
      if (metadata[field] === undefined || metadata[field] === '') {
        throw invalid(
          `metadata.${field}`,
          metadata[field],
          'field must be set for an Update request',
        )
      }
    }
    if (stored === undefined) throw new ResourceDoesNotExist(this.#identifierOf(resource))
    // What stands there and cannot be read forbids nothing.
    const before = resourceIn(stored)
    if (before !== undefined) checkChange(before, resource)
    metadata.resourceVersion = await this.#store.update(writtenForm(document, resource))
    return resource
  }

  /**
   * Creates it, or updates what is there, whether that can be read or not. A resourceVersion in the draft
   * must still hold. Parts that do not count may stay if they stand in the store as they are.
   */
  async apply<K extends Kind>(draft: Draft<K>): Promise<ResourceOf<K>> {
    const { name, namespace, resource } = this.#placeOf(draft)
    for (let tries = 1; ; tries++) {
      const stored = await this.#find(draft.kind, name, namespace)
      try {
        if (stored === undefined) {
          return await (resource === undefined ? this.create(draft) : this.#create(resource))
        }
        const { resourceVersion } = stored
        const given = this.#given(resourceIn(stored)?.metadata)
        const metadata = { ...given, resourceVersion, ...defined(draft.metadata), name }
        return await this.#update({ ...draft, metadata }, stored)
      } catch (thrown) {
        const raced =
          thrown instanceof UpdateConflict ||
          thrown instanceof ResourceAlreadyExists ||
          (thrown instanceof ResourceDoesNotExist && stored !== undefined)
        if (!raced || draft.metadata.resourceVersion || tries === TRIES) throw thrown
      }
    }
  }

  /** {@link apply}, but what is stored already stays as it is, to the letter, whatever is wrong in it. */
  async applyDocument(draft: Draft): Promise<void> {
    if (!(await this.#isStored(draft))) await this.apply(draft)
  }

  /** Throws InvalidResource if {@link applyDocument} would, for what is wrong in the draft alone. */
  async checkDocument(draft: Draft): Promise<void> {
    if (await this.#isStored(draft)) return
    const { name, namespace } = this.#placeOf(draft)
    this.#read(draft, problemsIn(await this.#find(draft.kind, name, namespace)))
  }

  /** Whether the store says the same, with defaults filled in on both sides. */
  async #isStored(draft: Draft): Promise<boolean> {
    const { name, namespace } = this.#placeOf(draft)
    const stored = await this.#find(draft.kind, name, namespace)
    const before = stored && writtenOf(stored.decoded)?.written
    if (stored === undefined || before === undefined) return false
    const { uid, creationTimestamp } = before.metadata
    const metadata = { ...defined({ uid, creationTimestamp }), ...draft.metadata, name }
    return isSame(this.#formOf({ ...draft, metadata }, problemsIn(stored)), before)
  }

  #formOf(draft: Draft, known: readonly StoredProblem[]): Resource {
    try {
      const { document, resource } = this.#read(draft, known)
      return writtenForm(document, resource)
    } catch (thrown) {
      if (!(thrown instanceof InvalidResource)) throw thrown
      return documentOf(draft) as Resource
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
    if (isSame(written, writtenForm(document, before))) return undefined
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
        store: this.#shared,
        clock: this.#clock,
        random: this.#random,
        log: this.#log,
        lastGood: this.#lastGood,
      },
      kinds,
      handlers,
      within,
    )
  }

  /**
   * What a draft says. Throws InvalidResource.
   *
   * @param known what may stay as it is, since it stands in the store
   */
  #read<K extends Kind>(
    draft: Draft<K>,
    known: readonly StoredProblem[] = [],
  ): { readonly document: Document; readonly resource: ResourceOf<K> } {
    const namespace = inNamespace(draft.kind, draft.metadata.namespace)
    const metadata = namespace === undefined ? draft.metadata : { ...draft.metadata, namespace }
    const document = documentOf({ ...draft, metadata })
    return { document, resource: readChanged<K>(document, known) }
  }

  /** Where a draft belongs, also one in which something is wrong; and what it says, where nothing is. */
  #placeOf<K extends Kind>(
    draft: Draft<K>,
  ): {
    readonly name: string
    readonly namespace: string | undefined
    readonly resource?: ResourceOf<K>
  } {
    try {
      // The name may follow from the rest.
      const { resource } = this.#read(draft)
      const { name, namespace } = resource.metadata
      return { name, namespace, resource }
    } catch (thrown) {
      const { name, namespace } = draft.metadata
      if (!(thrown instanceof InvalidResource) || typeof name !== 'string') throw thrown
      return { name, namespace }
    }
  }

  async #checkAmongOthers<K extends Kind>(resource: ResourceOf<K>): Promise<void> {
    const { checkAmong } = definitionOf<K>(resource.kind)
    if (checkAmong === undefined) return
    const checks = new Checks()
    checkAmong(checks, resource, await this.list<K>(resource.kind))
    if (checks.problems.length > 0) throw new InvalidResource(checks.problems)
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

function problemsIn<K extends Kind>(
  stored: StoredResource<K> | undefined,
): readonly StoredProblem[] {
  return stored !== undefined && 'resource' in stored.decoded ? stored.decoded.problems : []
}

/** Undefined if nothing but its key tells what it is. */
function writtenOf<K extends Kind>(decoded: Decoded<K>): WrittenResource<K> | undefined {
  if ('resource' in decoded) {
    const { resource, document } = decoded
    return { resource, written: writtenForm(document, resource) }
  }
  const { document } = decoded
  return document && { resource: undefined, written: document as ResourceOf<K> }
}

function isSame(a: Resource, b: Resource): boolean {
  const { encode } = storageOf(a.kind)
  const [one, other] = [encode(a), encode(b)]
  return one === other || isSameJson(parseJson(one), parseJson(other))
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
