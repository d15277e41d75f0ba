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
  #currentText = ''
  #former: readonly { readonly pools: Pools; readonly until: number }[] = []

  /** To be called with the pools as they are, at any time; true when they changed. */
  update(pools: Pools, now: number): boolean {
    const text = JSON.stringify(pools)
    if (text === this.#currentText) return false
    const before = this.#current
    this.#current = pools
    this.#currentText = text
    if (before.length === 0) return false // no packet went any way
    this.#former = [
      { pools: before, until: now + FORMER_MILLISECONDS },
      ...this.#former.filter(({ until }) => until > now),
    ]
    return true
  }

  /** What they were within the last {@link FORMER_MILLISECONDS}, latest first. */
  former(now: number): readonly Pools[] {
    return this.#former.filter(({ until }) => until > now).map(({ pools }) => pools)
  }
}
