import type { Kind, Resource, ResourceOf } from '../model/resource.ts'

/** The kinds that a node agent follows. */
export const FOLLOWED_KINDS = [
  'Node',
  'IPPool',
  'BGPConfiguration',
  'BGPPeer',
  'BGPFilter',
  'FelixConfiguration',
  'ClusterInformation',
] as const satisfies readonly Kind[]

/** The cluster's resources as last heard of; everything that an agent decides is a function of it. */
export class ClusterView {
  readonly #rows = new Map<Kind, Map<string, Resource>>()
  /** Answers of {@link list} since the last change. */
  readonly #lists = new Map<Kind, readonly Resource[]>()

  set(resource: Resource): void {
    let rows = this.#rows.get(resource.kind)
    if (rows === undefined) this.#rows.set(resource.kind, (rows = new Map()))
    rows.set(resource.metadata.name, resource)
    this.#lists.delete(resource.kind)
  }

  delete(kind: Kind, name: string): void {
    this.#rows.get(kind)?.delete(name)
    this.#lists.delete(kind)
  }

  get<K extends Kind>(kind: K, name: string): ResourceOf<K> | undefined {
    return this.#rows.get(kind)?.get(name) as ResourceOf<K> | undefined
  }

  /** In order of name, so that what follows from it does not depend on the order of arrival. */
  list<K extends Kind>(kind: K): readonly ResourceOf<K>[] {
    let list = this.#lists.get(kind)
    if (list === undefined) {
      const rows = [...(this.#rows.get(kind) ?? [])]
      list = rows.sort(([a], [b]) => (a < b ? -1 : 1)).map(([, resource]) => resource)
      this.#lists.set(kind, list)
    }
    return list as readonly ResourceOf<K>[]
  }
}
