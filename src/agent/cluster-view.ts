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

  set(resource: Resource): void {
    let rows = this.#rows.get(resource.kind)
    if (rows === undefined) this.#rows.set(resource.kind, (rows = new Map()))
    rows.set(resource.metadata.name, resource)
  }

  delete(kind: Kind, name: string): void {
    this.#rows.get(kind)?.delete(name)
  }

  get<K extends Kind>(kind: K, name: string): ResourceOf<K> | undefined {
    return this.#rows.get(kind)?.get(name) as ResourceOf<K> | undefined
  }

  /** In order of name, so that what follows from it does not depend on the order of arrival. */
  list<K extends Kind>(kind: K): readonly ResourceOf<K>[] {
    const rows = this.#rows.get(kind)
    if (rows === undefined) return []
    return [...rows.keys()].sort().map((name) => rows.get(name) as ResourceOf<K>)
  }
}
