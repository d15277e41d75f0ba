import type { ClusterProblem } from '../../model/cluster-problem.ts'
import type { Kind, Resource, ResourceOf } from '../../model/resource.ts'
import { type Contradiction, KindRows } from './kind-rows.ts'
import { ownClaims } from './node-addresses.ts'
import { separatePools } from './separate-pools.ts'
import { uniqueNodes } from './unique-nodes.ts'

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

/** Kinds whose rows can contradict each other. */
const CONTRADICTIONS: { readonly [K in Kind]?: Contradiction<K> } = {
  Node: { settle: uniqueNodes, claims: ownClaims },
  IPPool: { settle: separatePools },
}

/**
 * The cluster's resources as last read; everything that an agent decides is a function of it. Of
 * rows that contradict each other it has the oldest, and names the others.
 */
export class ClusterView {
  readonly #kinds = new Map<Kind, KindRows<Kind>>()
  #problems: readonly ClusterProblem[] | undefined
  /** By whoever reads them. */
  readonly #rowProblems = new Map<string, readonly ClusterProblem[]>()

  set(resource: Resource, createRevision = 0): void {
    this.#of(resource.kind).set({ resource, createRevision })
    this.#problems = undefined
  }

  delete(kind: Kind, name: string): void {
    this.#of(kind).delete(name)
    this.#problems = undefined
  }

  get<K extends Kind>(kind: K, name: string): ResourceOf<K> | undefined {
    return this.#of(kind).get(name)
  }

  /**
   * In order of name, so that what follows from it does not depend on the order of arrival. The same array
   * until a row of the kind changes.
   */
  list<K extends Kind>(kind: K): readonly ResourceOf<K>[] {
    return this.#of(kind).list()
  }

  /** The oldest first. */
  listByAge<K extends Kind>(kind: K): readonly ResourceOf<K>[] {
    return this.#of(kind).listByAge()
  }

  /** How many rows there are, those included that do not count. */
  count(kind: Kind): number {
    return this.#of(kind).size
  }

  /** Rows that cannot be read. @param source who says so, and says all that he has to say */
  setRowProblems(source: string, problems: readonly ClusterProblem[]): void {
    this.#rowProblems.set(source, problems)
    this.#problems = undefined
  }

  /**
   * Rows that cannot be read, and those that contradict others and do not count. The same array until a
   * row changes.
   */
  problems(): readonly ClusterProblem[] {
    this.#problems ??= [
      ...[...this.#rowProblems.values()].flat(),
      ...FOLLOWED_KINDS.flatMap((kind) => this.#of(kind).problems()),
    ]
    return this.#problems
  }

  #of<K extends Kind>(kind: K): KindRows<K> {
    let rows = this.#kinds.get(kind) as KindRows<K> | undefined
    if (rows === undefined) {
      rows = new KindRows(CONTRADICTIONS[kind])
      this.#kinds.set(kind, rows as unknown as KindRows<Kind>)
    }
    return rows
  }
}
