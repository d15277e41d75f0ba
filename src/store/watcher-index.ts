/** Watchers by the prefix they watch, so that a key finds those that want it however many there are. */
export class WatcherIndex<Watcher extends { readonly prefix: string }> {
  readonly #byPrefix = new Map<string, Set<Watcher>>()
  /** Prefixes in use of each length. */
  readonly #lengths = new Map<number, number>()

  add(watcher: Watcher): void {
    const { prefix } = watcher
    const others = this.#byPrefix.get(prefix)
    if (others !== undefined) {
      others.add(watcher)
      return
    }
    this.#byPrefix.set(prefix, new Set([watcher]))
    this.#lengths.set(prefix.length, (this.#lengths.get(prefix.length) ?? 0) + 1)
  }

  /** One that is not there is no error. */
  delete(watcher: Watcher): void {
    const { prefix } = watcher
    const others = this.#byPrefix.get(prefix)
    if (others === undefined || !others.delete(watcher) || others.size > 0) return
    this.#byPrefix.delete(prefix)
    const count = this.#lengths.get(prefix.length)! - 1
    if (count === 0) this.#lengths.delete(prefix.length)
    else this.#lengths.set(prefix.length, count)
  }

  /** The watchers whose prefix the key begins with. */
  *of(key: string): Iterable<Watcher> {
    for (const length of this.#lengths.keys()) {
      if (length > key.length) continue
      const watchers = this.#byPrefix.get(key.slice(0, length))
      if (watchers !== undefined) yield* watchers
    }
  }

  *all(): Iterable<Watcher> {
    for (const watchers of this.#byPrefix.values()) yield* watchers
  }
}
