/**
 * Two views of one table and what differs between them.
 *
 *        desired            observed
 *      +---------+-------+-----------+
 *      | pending | equal |  pending  |
 *      | updates |       | deletions |
 *      +---------+-------+-----------+
 *
 * Rows present in both but unequal are pending updates. A row is observed only if it is ours: what
 * the ownership predicate does not claim never enters, and so is never touched.
 */
export class DeltaTracker<Value> {
  readonly #equal: (a: Value, b: Value) => boolean
  readonly #desired = new Map<string, Value>()
  readonly #observed = new Map<string, Value>()
  readonly #updates = new Map<string, Value>()
  readonly #deletions = new Map<string, Value>()

  constructor(equal: (a: Value, b: Value) => boolean) {
    this.#equal = equal
  }

  #compare(key: string): void {
    const desired = this.#desired.get(key)
    const observed = this.#observed.get(key)
    this.#updates.delete(key)
    this.#deletions.delete(key)
    if (desired === undefined) {
      if (observed !== undefined) this.#deletions.set(key, observed)
    } else if (desired !== observed) {
      if (observed === undefined || !this.#equal(desired, observed)) this.#updates.set(key, desired)
      else this.#observed.set(key, desired) // one object for both: large tables are kept twice else
    }
  }

  /** What should be, whole: rows not named are no longer desired. */
  replaceDesired(rows: ReadonlyMap<string, Value>): void {
    this.#replace(this.#desired, rows)
  }

  /** What is, whole, as a fresh listing says. */
  replaceObserved(rows: ReadonlyMap<string, Value>): void {
    this.#replace(this.#observed, rows)
  }

  #replace(view: Map<string, Value>, rows: ReadonlyMap<string, Value>): void {
    const keys = new Set([...view.keys(), ...rows.keys()])
    view.clear()
    for (const [key, value] of rows) view.set(key, value)
    for (const key of keys) this.#compare(key)
  }

  setDesired(key: string, value: Value | undefined): void {
    if (value === undefined) this.#desired.delete(key)
    else this.#desired.set(key, value)
    this.#compare(key)
  }

  /** Records what a notification, or our own successful change, says of one row. */
  setObserved(key: string, value: Value | undefined): void {
    if (value === undefined) this.#observed.delete(key)
    else this.#observed.set(key, value)
    this.#compare(key)
  }

  /** Records that rows are gone, all that `test` names. */
  forget(test: (row: Value) => boolean): void {
    for (const [key, row] of this.#observed) if (test(row)) this.setObserved(key, undefined)
  }

  desired(key: string): Value | undefined {
    return this.#desired.get(key)
  }

  observed(key: string): Value | undefined {
    return this.#observed.get(key)
  }

  /** Keys of all that is, as they are at any time. */
  observedKeys(): Iterable<string> {
    return this.#observed.keys()
  }

  /**
   * Rows to write, as they are at any time: the caller may record results while it walks, and go on with a
   * walk later. A row that changes meanwhile is met once more.
   */
  get pendingUpdates(): ReadonlyMap<string, Value> {
    return this.#updates
  }

  /** Rows to remove, in the same way. */
  get pendingDeletions(): ReadonlyMap<string, Value> {
    return this.#deletions
  }

  get inSync(): boolean {
    return this.#updates.size === 0 && this.#deletions.size === 0
  }
}
