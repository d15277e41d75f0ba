import { comparePaths, isMultipath } from './rib/decision.ts'
import { PATH_STATUS } from './rib/path-state.ts'
import { prefixOfRow } from './rib/prefix-text.ts'
import type { Rib } from './rib/rib.ts'
import { RowQueue } from './rib/row-queue.ts'
import type { PathViews } from './path-views.ts'
import type { BestPathChange } from './status.ts'

export interface MultipathRules {
  readonly maximum: number
  readonly relaxed: boolean
}

/** Prefixes told of in one batch. */
const BATCH_ROWS = 1024

/** The paths of a row in use at once, the best first; none if there is no best. */
export function usedPaths(rib: Rib, row: number, rules: MultipathRules): number[] {
  const best = rib.best[row] ?? -1
  if (best < 0) return []
  if (rules.maximum <= 1) return [best]
  const equals: number[] = []
  for (let path = rib.first[row]!; path >= 0; path = rib.pathNexts[path]!) {
    if (path === best || rib.pathStatus[path] !== PATH_STATUS.eligible) continue
    if (isMultipath(rib, best, path, rules.relaxed)) equals.push(path)
  }
  equals.sort((a, b) => comparePaths(rib, b, a))
  return [best, ...equals].slice(0, rules.maximum)
}

/** Tells one listener of the best paths of one family, batch by batch. */
export class BestPathFeed {
  readonly queue = new RowQueue()
  readonly rib: Rib
  readonly #views: PathViews
  readonly #listener: (changes: readonly BestPathChange[]) => void
  readonly #rules: () => MultipathRules
  /** Rows whose last word to the listener was not "none left". */
  readonly #told = new Set<number>()
  readonly #rows = new Int32Array(BATCH_ROWS)

  constructor(
    rib: Rib,
    views: PathViews,
    rules: () => MultipathRules,
    listener: (changes: readonly BestPathChange[]) => void,
  ) {
    this.rib = rib
    this.#views = views
    this.#rules = rules
    this.#listener = listener
  }

  holds(row: number): boolean {
    return this.#told.has(row) || this.queue.has(row)
  }

  /** Tells of up to a batch. True if there are more. */
  flush(): boolean {
    const { rib } = this
    const count = this.queue.take(this.#rows, rib.prefixes.rowLimit)
    const changes: BestPathChange[] = []
    const rules = this.#rules()
    this.#views.begin()
    for (let index = 0; index < count; index++) {
      const row = this.#rows[index]!
      const paths = usedPaths(rib, row, rules)
      if (paths.length === 0) {
        if (!this.#told.delete(row)) continue
      } else this.#told.add(row)
      const prefix = prefixOfRow(rib.prefixes, row)
      changes.push({ prefix, paths: paths.map((path) => this.#views.bestPath(rib, path)) })
    }
    if (changes.length > 0) this.#listener(changes)
    return !this.queue.isEmpty
  }
}
