import { shareEqual } from '../../lib/share-equal.ts'
import type { Prefix } from '../../net/prefix.ts'
import type { PoolEncapsulation } from '../../routes/encapsulation.ts'

type Pools = readonly PoolEncapsulation[]

/**
 * How long a node goes on serving what pools were: addresses of its tunnels, sources of its pods, the MTU
 * of the narrower way. Nodes learn of a change one after the other; what packets of slower ones need to be
 * taken does not depend on this time.
 */
export const FORMER_MILLISECONDS = 10_000

/** The pools as they were a moment ago. */
export class PoolHistory {
  #current: Pools = []
  #dated: readonly { readonly pools: Pools; readonly until: number }[] = []
  #former: readonly Pools[] = []
  #seen: readonly Prefix[] = []

  /** To be called with the pools as they are, at any time; true when they changed. */
  update(pools: Pools, now: number): boolean {
    const before = this.#current
    this.#current = shareEqual(before, pools)
    this.#see(pools)
    if (this.#current === before || before.length === 0) return false // no packet went any way
    this.#dated = [{ pools: before, until: now + FORMER_MILLISECONDS }, ...this.#dated]
    this.age(now)
    return true
  }

  #see(pools: Pools): void {
    const more = pools.map(({ cidr }) => cidr).filter((cidr) => !this.#seen.includes(cidr))
    if (more.length > 0) this.#seen = [...this.#seen, ...more]
  }

  /** Prefixes of all pools that there ever were. The same array until there is one more. */
  get seen(): readonly Prefix[] {
    return this.#seen
  }

  /** Forgets what they were more than {@link FORMER_MILLISECONDS} ago. */
  age(now: number): void {
    this.#dated = this.#dated.filter(({ until }) => until > now)
    this.#former = shareEqual(
      this.#former,
      this.#dated.map(({ pools }) => pools),
    )
  }

  /** What they were, latest first. The same array until that changes. */
  get former(): readonly Pools[] {
    return this.#former
  }
}
