import { grown } from './columns.ts'

/** Rows looked at in one go; prefixes of equal attributes are packed within it. */
export const BATCH_ROWS = 4096

/** No bucket, no row, no neighbor. */
export const NONE = -1

/** The rows of one flush, sorted by what is to be said of them. */
export class Batch {
  readonly rows = new Int32Array(BATCH_ROWS)
  /** Next place in `rows` of the same bucket. */
  readonly nexts = new Int32Array(BATCH_ROWS)
  readonly bucketSets = new Int32Array(BATCH_ROWS)
  readonly bucketSources = new Uint16Array(BATCH_ROWS)
  readonly bucketIsChanged = new Uint8Array(BATCH_ROWS)
  readonly bucketHeads = new Int32Array(BATCH_ROWS)
  readonly #bucketTails = new Int32Array(BATCH_ROWS)
  /** Another bucket of the same attributes from another source. */
  readonly #bucketTwins = new Int32Array(BATCH_ROWS)
  #buckets = 0
  /** First bucket of a set of attributes, plus one. */
  #bucketOf = new Int32Array(64)
  #count = 0
  // One row may be withdrawn from one neighbor and announced to the others.
  readonly withdrawnRows = new Int32Array(BATCH_ROWS)
  readonly withdrawnExcept = new Int32Array(BATCH_ROWS)
  readonly withdrawnOnly = new Int32Array(BATCH_ROWS)
  withdrawnCount = 0

  begin(idLimit: number): void {
    if (this.#bucketOf.length < idLimit) this.#bucketOf = new Int32Array(idLimit * 2)
    this.#buckets = 0
    this.#count = 0
    this.withdrawnCount = 0
  }

  /** `rows` is overwritten from the front by what is announced: never ahead of where it is read. */
  announce(row: number, set: number, source: number, isChanged: boolean): void {
    const place = this.#count++
    this.rows[place] = row
    this.nexts[place] = NONE
    if (set >= this.#bucketOf.length) this.#bucketOf = grown(this.#bucketOf, set * 2)
    let bucket = this.#bucketOf[set]! - 1
    while (bucket >= 0 && this.bucketSources[bucket] !== source) {
      bucket = this.#bucketTwins[bucket]!
    }
    if (bucket >= 0) {
      this.nexts[this.#bucketTails[bucket]!] = place
      this.#bucketTails[bucket] = place
      return
    }
    bucket = this.#buckets++
    this.bucketSets[bucket] = set
    this.bucketSources[bucket] = source
    this.bucketIsChanged[bucket] = isChanged ? 1 : 0
    this.bucketHeads[bucket] = place
    this.#bucketTails[bucket] = place
    this.#bucketTwins[bucket] = this.#bucketOf[set]! - 1
    this.#bucketOf[set] = bucket + 1
  }

  withdraw(row: number, except: number, only: number): void {
    const at = this.withdrawnCount++
    this.withdrawnRows[at] = row
    this.withdrawnExcept[at] = except
    this.withdrawnOnly[at] = only
  }

  /** Buckets in the order in which they began; with several neighbors those of a source together. */
  bucketsBySource(recipients: number): Iterable<number> {
    const all = Array.from({ length: this.#buckets }, (_, bucket) => bucket)
    if (recipients < 2) return all
    return all.sort((a, b) => this.bucketSources[a]! - this.bucketSources[b]!)
  }

  /** Forgets the batch; attributes that a policy made lose this user. */
  end(made: { release(id: number): void } | undefined): void {
    for (let bucket = 0; bucket < this.#buckets; bucket++) {
      this.#bucketOf[this.bucketSets[bucket]!] = 0
    }
    if (made === undefined) return
    for (let bucket = 0; bucket < this.#buckets; bucket++) {
      for (let at = this.bucketHeads[bucket]!; at >= 0; at = this.nexts[at]!) {
        made.release(this.bucketSets[bucket]!)
      }
    }
  }
}
