import { FAMILIES, type Family } from '../net/ip-address.ts'
import { BestPathFeed, type MultipathRules } from './best-path-feed.ts'
import type { PathViews } from './path-views.ts'
import type { Ribs } from './receive.ts'
import type { BestPathChange } from './status.ts'
import type { Work } from './work.ts'

/** Everybody who listens to best paths. */
export class BestPathFeeds {
  readonly #ribs: Ribs
  readonly #views: PathViews
  readonly #work: Work
  readonly #rules: () => MultipathRules
  readonly #feeds = new Set<BestPathFeed>()
  readonly #job = (): boolean => this.#run()
  readonly #onQuiet: () => void

  /** @param onQuiet called when every listener has been told everything */
  constructor(
    ribs: Ribs,
    views: PathViews,
    work: Work,
    rules: () => MultipathRules,
    onQuiet: () => void,
  ) {
    this.#ribs = ribs
    this.#views = views
    this.#work = work
    this.#rules = rules
    this.#onQuiet = onQuiet
  }

  get isQuiet(): boolean {
    for (const feed of this.#feeds) if (!feed.queue.isEmpty) return false
    return true
  }

  add(listener: (changes: readonly BestPathChange[]) => void): () => void {
    const feeds = FAMILIES.map(
      (family) => new BestPathFeed(this.#ribs[family], this.#views, this.#rules, listener),
    )
    for (const feed of feeds) {
      this.#feeds.add(feed)
      feed.rib.attach(feed.queue, true)
      feed.queue.scanAll()
    }
    this.wake()
    return () => {
      for (const feed of feeds) {
        this.#feeds.delete(feed)
        feed.rib.detach(feed.queue)
      }
    }
  }

  wake(): void {
    if (this.#feeds.size > 0) this.#work.add(this.#job)
  }

  /** Whether a row's number must not be given to another prefix yet. */
  holds(family: Family, row: number): boolean {
    for (const feed of this.#feeds) {
      if (feed.rib.family === family && feed.holds(row)) return true
    }
    return false
  }

  #run(): boolean {
    for (const feed of this.#feeds) {
      if (feed.queue.isEmpty || feed.rib.isHeldBack) continue
      feed.flush()
      return true
    }
    this.#onQuiet()
    return false
  }
}
