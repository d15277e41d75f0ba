import type { PoolEncapsulation } from '../routes/encapsulation.ts'

type Pools = readonly PoolEncapsulation[]

/**
 * How long routes keep the way by which packets went before a pool's mode changed, beside the new one.
 * Nodes hear of a change one after the other, and one that filters by the reverse path (rp_filter) takes
 * packets only by a way by which it would send.
 */
export const BOTH_WAYS_MILLISECONDS = 5_000

/**
 * How long of that packets still go by the former way: until every node has heard and takes them by the
 * new one too.
 */
export const FORMER_FIRST_MILLISECONDS = 1_000

/** The pools as they were a moment ago. */
export class PoolHistory {
  #current: Pools = []
  #currentText = ''
  #former: readonly { readonly pools: Pools; readonly until: number }[] = []

  /** To be called with the pools as they are, at any time; true when packets may go other ways than before. */
  update(pools: Pools, now: number): boolean {
    const text = JSON.stringify(pools)
    if (text === this.#currentText) return false
    const before = this.#current
    this.#current = pools
    this.#currentText = text
    if (before.length === 0) return false // no packet went any way
    this.#former = [
      { pools: before, until: now + BOTH_WAYS_MILLISECONDS },
      ...this.#former.filter(({ until }) => until > now),
    ]
    return true
  }

  /** Whether nodes may not have heard of the last change yet. */
  prefersFormer(now: number): boolean {
    const [latest] = this.#former
    const left = BOTH_WAYS_MILLISECONDS - FORMER_FIRST_MILLISECONDS
    return latest !== undefined && now < latest.until - left
  }

  /** What they were within the last {@link BOTH_WAYS_MILLISECONDS}, latest first. */
  former(now: number): readonly Pools[] {
    return this.#former.filter(({ until }) => until > now).map(({ pools }) => pools)
  }
}
