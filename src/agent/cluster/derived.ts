import { shareEqual } from '../../lib/share-equal.ts'
import type { Kind, ResourceOf } from '../../model/resource.ts'

/** A view of the cluster that answers of some kinds only: what follows from it follows from these. */
export interface ViewOf<K extends Kind> {
  get<One extends K>(kind: One, name: string): ResourceOf<One> | undefined
  /** In order of name. The same array until a row of the kind changes. */
  list<One extends K>(kind: One): readonly ResourceOf<One>[]
  /** The oldest first. */
  listByAge<One extends K>(kind: One): readonly ResourceOf<One>[]
}

/**
 * A function of a view and of facts that remembers its last answer. Computed again only when a row of its
 * kinds or a field of its facts is another object, and then gives the same object as before, or the same
 * parts, where what comes out is equal: what follows from it need not be computed again either.
 *
 * @param kinds all that `compute` may ask the view of
 */
export function derived<K extends Kind, Facts extends object, Value>(
  kinds: readonly K[],
  compute: (view: ViewOf<K>, facts: Facts) => Value,
): (view: ViewOf<K>, facts: Facts) => Value {
  let last:
    | { readonly lists: readonly unknown[]; readonly facts: Facts; readonly value: Value }
    | undefined
  return (view, facts) => {
    const lists = kinds.map((kind) => view.list(kind))
    if (last !== undefined && isSame(last.lists, lists) && isSame(last.facts, facts)) {
      return last.value
    }
    const value = shareEqual(last?.value, compute(view, facts))
    last = { lists, facts, value }
    return value
  }
}

/** Whether two objects, or arrays, have identical fields. */
function isSame<Fields extends object>(a: Fields, b: Fields): boolean {
  const keys = Object.keys(b)
  return (
    keys.length === Object.keys(a).length &&
    keys.every((key) => a[key as keyof Fields] === b[key as keyof Fields])
  )
}
