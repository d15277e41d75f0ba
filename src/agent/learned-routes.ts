import type { BestPathChange } from '../bgp/status.ts'
import type { IpAddress } from '../net/ip-address.ts'
import type { Prefix } from '../net/prefix.ts'

/** What BGP learned from others, prefix by prefix: the next hops of the best paths. */
export class LearnedRoutes {
  readonly #rows = new Map<Prefix, readonly IpAddress[]>()

  /** Takes a batch of the speaker's changes; false when none of them changes a next hop. */
  apply(changes: readonly BestPathChange[]): boolean {
    let changed = false
    for (const { prefix, paths } of changes) {
      // Several reflectors tell of one way.
      const learned = paths.filter((path) => path.kind !== 'own')
      const nextHops = [...new Set(learned.map((path) => path.nextHop))]
      const before = this.#rows.get(prefix)
      if (nextHops.length === 0) changed = this.#rows.delete(prefix) || changed
      else if (before?.join() !== nextHops.join()) {
        this.#rows.set(prefix, nextHops)
        changed = true
      }
    }
    return changed
  }

  list(): { readonly prefix: Prefix; readonly nextHops: readonly IpAddress[] }[] {
    return [...this.#rows].map(([prefix, nextHops]) => ({ prefix, nextHops }))
  }
}
