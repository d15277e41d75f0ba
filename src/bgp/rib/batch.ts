import { grown } from './columns.ts'

/** Rows looked at in one go; prefixes of equal attributes are packed within it. */
export const BATCH_ROWS = 4096

/** No bucket, no row, no neighbor. */
export const NONE = -1

/** What there is room for at first: most speakers have little to say. */
const FIRST_ROWS = 16

/** The rows of one flush, sorted by what is to be said of them. */
export class Batch {
  #rows = new Int32Array(FIRST_ROWS)
  /** Next place in `rows` of the same bucket. */
  nexts = new Int32Array(FIRST_ROWS)
  bucketSets = new Int32Array(FIRST_ROWS)
  bucketSources = new Uint16Array(FIRST_ROWS)
  bucketIsChanged = new Uint8Array(FIRST_ROWS)
  bucketHeads = new Int32Array(FIRST_ROWS)
  #bucketTails = new Int32Array(FIRST_ROWS)
  /** Another bucket of the same attributes from another source. */
  #bucketTwins = new Int32Array(FIRST_ROWS)
  #buckets = 0
  /** First bucket of a set of attributes, plus one. */
  #bucketOf = new Int32Array(64)
  #count = 0
  // One row may be withdrawn from one neighbor and announced to the others.
  withdrawnRows = new Int32Array(FIRST_ROWS)
  withdrawnExcept = new Int32Array(FIRST_ROWS)
  withdrawnOnly = new Int32Array(FIRST_ROWS)
  withdrawnCount = 0

  get rows(): Int32Array {
    return this.#rows
  }

  /** {@link rows} with room for a batch out of so many. */
  rowsFor(rowLimit: number): Int32Array {
    const { length } = this.#rows
    if (length < BATCH_ROWS && rowLimit > length) {
      this.#rows = new Int32Array(Math.min(BATCH_ROWS, Math.max(rowLimit, length * 2)))
    }
    return this.#rows
  }

  begin(idLimit: number): void {
    if (this.#bucketOf.length < idLimit) this.#bucketOf = new Int32Array(idLimit * 2)
    this.#buckets = 0
    this.#count = 0
    this.withdrawnCount = 0
  }

  /** `rows` is overwritten from the front by what is announced: never ahead of where it is read. */
  announce(row: number, set: number, source: number, isChanged: boolean): void {
    const place = this.#count++
    if (place >= this.nexts.length) this.#growBuckets()
    this.#rows[place] = row
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
    if (at >= this.withdrawnRows.length) this.#growWithdrawn()
    this.withdrawnRows[at] = row
    this.withdrawnExcept[at] = except
    this.withdrawnOnly[at] = only
  }

  /** Room for as many buckets as rows: each may be of its own. */
  #growBuckets(): void {
    const room = Math.min(BATCH_ROWS, this.nexts.length * 4)
    this.nexts = grown(this.nexts, room)
    this.bucketSets = grown(this.bucketSets, room)
    this.bucketSources = grown(this.bucketSources, room)
    this.bucketIsChanged = grown(this.bucketIsChanged, room)
    this.bucketHeads = grown(this.bucketHeads, room)
    this.#bucketTails = grown(this.#bucketTails, room)
    this.#bucketTwins = grown(this.#bucketTwins, room)
  }

  #growWithdrawn(): void {
    const room = Math.min(BATCH_ROWS, this.withdrawnRows.length * 4)
    this.withdrawnRows = grown(this.withdrawnRows, room)
    this.withdrawnExcept = grown(this.withdrawnExcept, room)
    this.withdrawnOnly = grown(this.withdrawnOnly, room)
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
