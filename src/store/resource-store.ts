import type { Closable } from '../lib/closable.ts'
import type { Decoded } from '../model/decode-resource.ts'
import type { Kind, ResourceOf } from '../model/resource.ts'
import type { Row } from './store.ts'

/**
 * A state of one resource, or of a listing: the store's own words, to be given back and compared for
 * equality, and nothing else.
 */
export type ResourceVersion = string

/** A resource as it stands in the store, whether it can be read or not. */
export interface StoredResource<K extends Kind = Kind> {
  /** Where it stands, in the store's words: for logs and errors, and one for each resource. */
  readonly key: string
  readonly resourceVersion: ResourceVersion
  /** What tells it from another one that had its name before: the same for as long as it is there. */
  readonly createdAt: string
  /** Of two resources of a store the one with the lower is the older. */
  readonly age: number
  /** What is kept of it outside the store, from which {@link ResourceStore.restore} makes it again. */
  readonly saved: Row
  readonly decoded: Decoded<K>
}

export interface ReadOptions {
  /** Who asks changes nothing in what he gets: so it may be what another one got, too. */
  readonly shared?: boolean | undefined
}

export interface InNamespace {
  /** Of a namespaced kind. */
  readonly namespace?: string | undefined
}

export interface ListOptions extends ReadOptions {
  /** Only those of a namespace, or (BlockAffinity) of a node. */
  readonly within?: string | undefined
  /** Most resources of a page; a store may give more, or fewer. */
  readonly limit?: number | undefined
  /** The page after another one. */
  readonly continue?: string | undefined
}

export interface ResourcePage<K extends Kind = Kind> {
  /** In the store's order. */
  readonly items: readonly StoredResource<K>[]
  /** Of the listing: a watch from it tells what comes after. All pages of a listing are of one state. */
  readonly resourceVersion: ResourceVersion
  /** What the next page is asked for with; undefined: this is the last. */
  readonly continue?: string | undefined
}

export type ResourceEvent<K extends Kind = Kind> =
  /** Created, or other than it was. */
  | { readonly type: 'put'; readonly stored: StoredResource<K> }
  | { readonly type: 'delete'; readonly key: string }

export interface ResourceWatchHandlers<K extends Kind = Kind> {
  /** Never empty; what the store changed together comes together. A watch from the version tells what comes after. */
  onEvents(events: readonly ResourceEvent<K>[], resourceVersion: ResourceVersion): void
  /** Nothing has changed up to here: a watch that is begun anew may begin from it. Stores need not tell. */
  onBookmark?(resourceVersion: ResourceVersion): void
  /**
   * "expired": the version is too old to go on from (etcd: compacted, Kubernetes: 410 Gone); list again.
   * "closed": the connection is beyond repair, or the store is closed.
   */
  onEnd(reason: 'expired' | 'closed'): void
}

/**
 * Typed resources in a store that changes one of them at once, whatever it is: etcd's rows, or a Kubernetes
 * API. What is given to it has been checked; what it gives may be anything that another program wrote.
 *
 * All of it throws StoreUnavailable when the store cannot be reached or has not answered in time: then a
 * write may or may not have happened. {@link Resources} makes of it what the rest of the program uses.
 */
export interface ResourceStore {
  /** What the keys of all resources of a kind begin with, and of no other. */
  place(kind: Kind, within?: string): string
  /** A resource as it was; undefined if what was saved is none of the kind. */
  restore<K extends Kind>(kind: K, saved: Row): StoredResource<K> | undefined
  get<K extends Kind>(
    kind: K,
    name: string,
    options?: ReadOptions & InNamespace,
  ): Promise<StoredResource<K> | undefined>
  /** Throws ResourceVersionExpired if the next page of a listing that began long ago is asked for. */
  list<K extends Kind>(kind: K, options?: ListOptions): Promise<ResourcePage<K>>
  /** What came after a version of a listing, an event or a bookmark: in order, none missing, none twice. */
  watch<K extends Kind>(
    kind: K,
    options: { readonly after: ResourceVersion; readonly within?: string | undefined },
    handlers: ResourceWatchHandlers<K>,
  ): Closable
  /** Gives the version. Throws ResourceAlreadyExists, OperationNotSupported. */
  create<K extends Kind>(resource: ResourceOf<K>): Promise<ResourceVersion>
  /**
   * Replaces the resource that has `metadata.resourceVersion`; gives the new version.
   *
   * Throws ResourceDoesNotExist, UpdateConflict, OperationNotSupported.
   */
  update<K extends Kind>(resource: ResourceOf<K>): Promise<ResourceVersion>
  /**
   * Deletes the resource that has a version, and can perhaps not be read.
   *
   * Throws ResourceDoesNotExist, UpdateConflict, OperationNotSupported.
   */
  delete(
    kind: Kind,
    name: string,
    options: InNamespace & { readonly resourceVersion: ResourceVersion },
  ): Promise<void>
}

/** A version from which one cannot go on any more; list again. */
export class ResourceVersionExpired extends Error {
  override readonly name = 'ResourceVersionExpired'
}

/** All pages of a listing, from the start again when the listing expires in between. */
export async function listAll<K extends Kind>(
  store: Pick<ResourceStore, 'list'>,
  kind: K,
  options: Omit<ListOptions, 'continue'> = {},
): Promise<Omit<ResourcePage<K>, 'continue'>> {
  for (let tries = 1; ; tries++) {
    try {
      return await listOnce(store, kind, options)
    } catch (thrown) {
      if (!(thrown instanceof ResourceVersionExpired) || tries === LISTING_TRIES) throw thrown
    }
  }
}

const LISTING_TRIES = 5

async function listOnce<K extends Kind>(
  store: Pick<ResourceStore, 'list'>,
  kind: K,
  options: ListOptions,
): Promise<Omit<ResourcePage<K>, 'continue'>> {
  const first = await store.list(kind, options)
  if (first.continue === undefined) return first
  const items = [...first.items]
  for (let page = first; page.continue !== undefined;) {
    page = await store.list(kind, { ...options, continue: page.continue })
    items.push(...page.items)
  }
  return { items, resourceVersion: first.resourceVersion }
}
