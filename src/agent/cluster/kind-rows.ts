import type { ClusterProblem, Derived } from '../../model/cluster-problem.ts'
import type { Kind, Resource, ResourceOf } from '../../model/resource.ts'

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

/** Rows of which some contradict others. */
interface Settled<K extends Kind> {
  readonly counting: ReadonlySet<ResourceOf<K>>
  readonly problems: readonly ClusterProblem[]
}

/**
 * All rows of one kind. A change costs little more than what it changes: the order of all is kept, and
 * rows are compared with each other only when what they claim has changed.
 */
export class KindRows<K extends Kind> {
  readonly #contradiction: Contradiction<K> | undefined
  readonly #rows = new Map<string, DatedResource<K>>()
  /** In order of name, as it was when last asked for. */
  #sorted: readonly ResourceOf<K>[] = []
  /** Names of rows that have changed since, some of them several times. */
  #changed: string[] = []
  #list: readonly ResourceOf<K>[] | undefined
  /** Whether rows contradict each other; undefined when that has to be found out again. */
  #isContested: boolean | undefined
  #settled: Settled<K> | undefined

  constructor(contradiction: Contradiction<K> | undefined) {
    this.#contradiction = contradiction
    this.#isContested = contradiction === undefined ? false : undefined
  }

  get size(): number {
    return this.#rows.size
  }

  set(row: DatedResource<K>): void {
    const { name } = row.resource.metadata
    const before = this.#rows.get(name)?.resource
    this.#rows.set(name, row)
    this.#touch(name, before, row.resource)
  }

  delete(name: string): void {
    const before = this.#rows.get(name)?.resource
    this.#rows.delete(name)
    this.#touch(name, before, undefined)
  }

  #touch(name: string, before: ResourceOf<K> | undefined, now: ResourceOf<K> | undefined): void {
    this.#changed.push(name)
    // Nobody may ask for long.
    if (this.#changed.length > 2 * this.#rows.size + 16) this.#inOrder()
    this.#list = undefined
    this.#settled = undefined
    if (this.#contradiction === undefined || this.#claimsTheSame(before, now)) return
    this.#isContested = undefined
  }

  #claimsTheSame(before: ResourceOf<K> | undefined, now: ResourceOf<K> | undefined): boolean {
    const claims = this.#contradiction?.claims
    if (claims === undefined || before === undefined || now === undefined) return false
    const [old, fresh] = [claims(before), claims(now)]
    return old.length === fresh.length && old.every((claim, at) => claim === fresh[at])
  }

  /** A row that counts. */
  get(name: string): ResourceOf<K> | undefined {
    const resource = this.#rows.get(name)?.resource
    if (resource === undefined || !this.#findContested()) return resource
    return this.#settle().counting.has(resource) ? resource : undefined
  }

  /** Rows that count, in order of name. The same array until one changes. */
  list(): readonly ResourceOf<K>[] {
    if (this.#list === undefined) {
      const all = this.#inOrder()
      if (!this.#findContested()) this.#list = all
      else {
        const { counting } = this.#settle()
        this.#list = all.filter((resource) => counting.has(resource))
      }
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
    return this.#findContested() ? this.#settle().problems : []
  }

  #findContested(): boolean {
    this.#isContested ??= this.#isAnyContested()
    return this.#isContested
  }

  #isAnyContested(): boolean {
    const claims = this.#contradiction?.claims
    if (claims === undefined) return true
    const taken = new Set<string>()
    for (const { resource } of this.#rows.values()) {
      for (const claim of claims(resource)) {
        if (taken.has(claim)) return true
        taken.add(claim)
      }
    }
    return false
  }

  #settle(): Settled<K> {
    if (this.#settled === undefined) {
      // Stable: of two of one revision the first by name.
      const byAge = this.#inOrder()
        .map(({ metadata }) => this.#rows.get(metadata.name)!)
        .sort((a, b) => a.createRevision - b.createRevision)
      const { value, problems } = this.#contradiction!.settle(byAge)
      this.#settled = { counting: new Set(value), problems }
    }
    return this.#settled
  }

  #inOrder(): readonly ResourceOf<K>[] {
    if (this.#changed.length > 0) this.#sorted = this.#merged()
    this.#changed = []
    return this.#sorted
  }

  #merged(): readonly ResourceOf<K>[] {
    const changed = [...new Set(this.#changed)].sort()
    const merged: ResourceOf<K>[] = []
    let at = 0
    for (const name of changed) {
      while (at < this.#sorted.length && nameOf(this.#sorted[at]!) < name)
        merged.push(this.#sorted[at++]!)
      if (at < this.#sorted.length && nameOf(this.#sorted[at]!) === name) at++
      const row = this.#rows.get(name)
      if (row !== undefined) merged.push(row.resource)
    }
    while (at < this.#sorted.length) merged.push(this.#sorted[at++]!)
    return merged
  }
}

function nameOf({ metadata }: Resource): string {
  return metadata.name
}
