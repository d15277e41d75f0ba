import type { Addr } from '../routing/addr.ts'

/** Tokens of one destination, in milliseconds of credit. */
interface Bucket {
  tokens: number
  at: number
}

/** Errors sent to one peer, limited by a token bucket as inet_peer_xrlim_allow does. */
export class PeerRateLimit {
  readonly #buckets = new Map<Addr, Bucket>()

  /**
   * Takes `costMilliseconds` of credit; false if there is not enough.
   * @param burst how many errors the credit may cover at most
   */
  allow(peer: Addr, now: number, costMilliseconds: number, burst: number): boolean {
    let bucket = this.#buckets.get(peer)
    if (bucket === undefined) {
      if (this.#buckets.size > 4096) this.#buckets.clear()
      bucket = { tokens: 0, at: now - 60_000 }
      this.#buckets.set(peer, bucket)
    }
    bucket.tokens = Math.min(bucket.tokens + now - bucket.at, burst * costMilliseconds)
    bucket.at = now
    if (bucket.tokens < costMilliseconds) return false
    bucket.tokens -= costMilliseconds
    return true
  }
}
