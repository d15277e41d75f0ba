import { type ClusterProblem, type Derived } from '../../model/cluster-problem.ts'
import type { Kind, Resource, ResourceOf } from '../../model/resource.ts'
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

/** A resource with the revision of the store that created it: of two that contradict each other the older counts. */
export interface DatedResource<K extends Kind = Kind> {
  readonly resource: ResourceOf<K>
  readonly createRevision: number
}

type Rows = ReadonlyMap<string, DatedResource>

/** Rows of a kind that contradict each other: what is left of them, oldest first. */
const CONTRADICTIONS: {
  readonly [K in Kind]?: (rows: readonly DatedResource<K>[]) => Derived<readonly ResourceOf<K>[]>
} = { Node: uniqueNodes, IPPool: separatePools }

interface Answer {
  /** In order of name. */
  readonly list: readonly Resource[]
  /** Of a kind whose rows can contradict each other: what counts. */
  readonly counting: ReadonlySet<Resource> | undefined
  readonly problems: readonly ClusterProblem[]
}

/**
 * The cluster's resources as last heard of; everything that an agent decides is a function of it. Of
 * rows that contradict each other it has the oldest, and names the others.
 */
export class ClusterView {
  readonly #rows = new Map<Kind, Map<string, DatedResource>>()
  /** Answers since the last change of a kind. */
  readonly #answers = new Map<Kind, Answer>()
  /** By whoever reads them. */
  readonly #rowProblems = new Map<string, readonly ClusterProblem[]>()

  set(resource: Resource, createRevision = 0): void {
    let rows = this.#rows.get(resource.kind)
    if (rows === undefined) this.#rows.set(resource.kind, (rows = new Map()))
    rows.set(resource.metadata.name, { resource, createRevision })
    this.#answers.delete(resource.kind)
  }

  delete(kind: Kind, name: string): void {
    this.#rows.get(kind)?.delete(name)
    this.#answers.delete(kind)
  }

  get<K extends Kind>(kind: K, name: string): ResourceOf<K> | undefined {
    const resource = this.#rows.get(kind)?.get(name)?.resource
    if (resource === undefined || CONTRADICTIONS[kind] === undefined) {
      return resource as ResourceOf<K> | undefined
    }
    const isCounting = this.#answer(kind).counting?.has(resource) ?? true
    return isCounting ? (resource as ResourceOf<K>) : undefined
  }

  /** In order of name, so that what follows from it does not depend on the order of arrival. */
  list<K extends Kind>(kind: K): readonly ResourceOf<K>[] {
    return this.#answer(kind).list as readonly ResourceOf<K>[]
  }

  /** The oldest first. */
  listByAge<K extends Kind>(kind: K): readonly ResourceOf<K>[] {
    const rows = this.#rows.get(kind)
    const age = ({ metadata }: Resource): number => rows?.get(metadata.name)?.createRevision ?? 0
    return this.list(kind).toSorted((a, b) => age(a) - age(b))
  }

  /** Rows that cannot be read. @param source who says so, and says all that he has to say */
  setRowProblems(source: string, problems: readonly ClusterProblem[]): void {
    this.#rowProblems.set(source, problems)
  }

  /** Rows that cannot be read, and those that contradict others and do not count. */
  problems(): readonly ClusterProblem[] {
    const contradictions = FOLLOWED_KINDS.flatMap((kind) => this.#answer(kind).problems)
    return [...[...this.#rowProblems.values()].flat(), ...contradictions]
  }

  #answer(kind: Kind): Answer {
    let answer = this.#answers.get(kind)
    if (answer === undefined) {
      answer = answerOf(kind, this.#rows.get(kind) ?? new Map())
      this.#answers.set(kind, answer)
    }
    return answer
  }
}

function answerOf(kind: Kind, rows: Rows): Answer {
  const sorted = [...rows].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row)
  const settle = CONTRADICTIONS[kind] as
    | ((rows: readonly DatedResource[]) => Derived<readonly Resource[]>)
    | undefined
  if (settle === undefined) {
    return { list: sorted.map(({ resource }) => resource), counting: undefined, problems: [] }
  }
  const { value, problems } = settle(byAge(sorted))
  const counting = new Set(value)
  const list = sorted.map(({ resource }) => resource).filter((resource) => counting.has(resource))
  return { list, counting, problems }
}

/** Stable: of two of one revision the first by name. */
function byAge(rows: readonly DatedResource[]): DatedResource[] {
  return rows.toSorted((a, b) => a.createRevision - b.createRevision)
}
