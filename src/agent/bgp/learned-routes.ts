import type { BestPathChange } from '../../bgp/status.ts'
import { appended } from '../../lib/appended.ts'
import type { IpAddress } from '../../net/ip-address.ts'
import type { Prefix } from '../../net/prefix.ts'

/** What BGP learned from others, prefix by prefix: the next hops of the best paths. */
export class LearnedRoutes {
  readonly #rows = new Map<Prefix, readonly IpAddress[]>()

  /** Takes a batch of the speaker's changes; answers the prefixes whose next hops changed. */
  apply(changes: readonly BestPathChange[]): readonly Prefix[] {
    const changed: Prefix[] = []
    for (const { prefix, paths } of changes) {
      if (this.#set(prefix, nextHopsOf(paths))) changed.push(prefix)
    }
    return changed
  }

  #set(prefix: Prefix, nextHops: readonly IpAddress[]): boolean {
    if (nextHops.length === 0) return this.#rows.delete(prefix)
    const before = this.#rows.get(prefix)
    if (before?.length === nextHops.length && before.every((hop, at) => hop === nextHops[at])) {
      return false
    }
    this.#rows.set(prefix, nextHops)
    return true
  }

  /** As they are at any time. */
  get rows(): ReadonlyMap<Prefix, readonly IpAddress[]> {
    return this.#rows
  }
}

/** Several reflectors tell of one way. What is announced here is no way. */
function nextHopsOf(paths: BestPathChange['paths']): readonly IpAddress[] {
  let nextHops: readonly IpAddress[] = []
  for (const { kind, nextHop } of paths) {
    if (kind !== 'own' && !nextHops.includes(nextHop)) nextHops = appended(nextHops, nextHop)
  }
  return nextHops
}
