import type { ClusterProblem, Derived } from '../../model/cluster-problem.ts'
import type { Kind, ResourceOf } from '../../model/resource.ts'

/** A resource with the revision of the store that created it: of two that contradict each other the older counts. */
export interface DatedResource<K extends Kind = Kind> {
  readonly resource: ResourceOf<K>
  readonly createRevision: number
}

/** How rows of a kind can contradict each other. */
export interface Contradiction<K extends Kind> {
  /** What is left of them. @param rows the oldest first */
  settle(rows: readonly DatedResource<K>[]): Derived<readonly ResourceOf<K>[]>
  /** What a row claims for itself alone: where no two rows claim the same, all count. Absent: rows must be compared. */
  claims?(resource: ResourceOf<K>): readonly string[]
}

/**
 * All rows of one kind. A change costs what it changes: the order of all is kept, and rows are compared
 * with each other only while some contradict others.
 */
export class KindRows<K extends Kind> {
  readonly #contradiction: Contradiction<K> | undefined
  readonly #rows = new Map<string, DatedResource<K>>()
  /** In order of name, as it was when last asked for. */
  #sorted: readonly DatedResource<K>[] = []
  /** Names of rows that have changed since. */
  readonly #changed = new Set<string>()
  /** How many rows claim something. */
  readonly #claimants = new Map<string, number>()
  /** Claims of more than one row. */
  #contested = 0
  #list: readonly ResourceOf<K>[] | undefined
  #settled:
    | {
        readonly counting: ReadonlySet<ResourceOf<K>>
        readonly problems: readonly ClusterProblem[]
      }
    | undefined

  constructor(contradiction: Contradiction<K> | undefined) {
    this.#contradiction = contradiction
  }

  get size(): number {
    return this.#rows.size
  }

  set(row: DatedResource<K>): void {
    const { name } = row.resource.metadata
    this.#claim(this.#rows.get(name)?.resource, row.resource)
    this.#rows.set(name, row)
    this.#touch(name)
  }

  delete(name: string): void {
    this.#claim(this.#rows.get(name)?.resource, undefined)
    this.#rows.delete(name)
    this.#touch(name)
  }

  #touch(name: string): void {
    this.#changed.add(name)
    this.#list = undefined
    this.#settled = undefined
  }

  #claim(before: ResourceOf<K> | undefined, now: ResourceOf<K> | undefined): void {
    const claims = this.#contradiction?.claims
    if (claims === undefined) return
    const [old, fresh] = [before ? claims(before) : [], now ? claims(now) : []]
    if (old.length === fresh.length && old.every((claim, at) => claim === fresh[at])) return
    for (const claim of old) this.#count(claim, -1)
    for (const claim of fresh) this.#count(claim, 1)
  }

  #count(claim: string, change: 1 | -1): void {
    const before = this.#claimants.get(claim) ?? 0
    const now = before + change
    if (now === 0) this.#claimants.delete(claim)
    else this.#claimants.set(claim, now)
    this.#contested += Number(now > 1) - Number(before > 1)
  }

  /** A row that counts. */
  get(name: string): ResourceOf<K> | undefined {
    const resource = this.#rows.get(name)?.resource
    if (resource === undefined || !this.#mayContradict) return resource
    return this.#settle().counting.has(resource) ? resource : undefined
  }

  /** Rows that count, in order of name. The same array until one changes. */
  list(): readonly ResourceOf<K>[] {
    if (this.#list === undefined) {
      const all = this.#inOrder().map(({ resource }) => resource)
      const { counting } = this.#mayContradict ? this.#settle() : { counting: undefined }
      this.#list = counting === undefined ? all : all.filter((resource) => counting.has(resource))
    }
    return this.#list
  }

  /** The same, the oldest first. */
  listByAge(): readonly ResourceOf<K>[] {
    const age = ({ metadata }: ResourceOf<K>): number =>
      this.#rows.get(metadata.name)?.createRevision ?? 0
    return this.list().toSorted((a, b) => age(a) - age(b))
  }

  /** Rows that do not count. */
  problems(): readonly ClusterProblem[] {
    return this.#mayContradict ? this.#settle().problems : []
  }

  get #mayContradict(): boolean {
    if (this.#contradiction === undefined) return false
    return this.#contradiction.claims === undefined || this.#contested > 0
  }

  #settle() {
    if (this.#settled === undefined) {
      // Stable: of two of one revision the first by name.
      const byAge = this.#inOrder().toSorted((a, b) => a.createRevision - b.createRevision)
      const { value, problems } = this.#contradiction!.settle(byAge)
      this.#settled = { counting: new Set(value), problems }
    }
    return this.#settled
  }

  #inOrder(): readonly DatedResource<K>[] {
    if (this.#changed.size > 0) this.#sorted = this.#merged()
    this.#changed.clear()
    return this.#sorted
  }

  #merged(): readonly DatedResource<K>[] {
    const changed = [...this.#changed].sort()
    const merged: DatedResource<K>[] = []
    let at = 0
    for (const name of changed) {
      while (at < this.#sorted.length && nameOf(this.#sorted[at]!) < name)
        merged.push(this.#sorted[at++]!)
      if (at < this.#sorted.length && nameOf(this.#sorted[at]!) === name) at++
      const row = this.#rows.get(name)
      if (row !== undefined) merged.push(row)
    }
    while (at < this.#sorted.length) merged.push(this.#sorted[at++]!)
    return merged
  }
}

function nameOf<K extends Kind>({ resource }: DatedResource<K>): string {
  return resource.metadata.name
}
