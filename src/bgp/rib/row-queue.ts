import { grown } from './columns.ts'

/**
 * Rows of a RIB that changed and that somebody has not looked at yet: each at most once, in order of
 * their first change. A bit set says which are in, a ring holds the order.
 *
 * `scanAll` puts every row in without naming them: rows from the scan position on count as changed.
 */
export class RowQueue {
  // Small: every new neighbor has a queue of its own for a moment.
  #bits = new Uint32Array(16)
  #ring = new Int32Array(16)
  #head = 0
  #count = 0
  /** Next row of a scan, or -1. */
  #scan = -1

  /** Rows in the ring; a scan is not counted. */
  get size(): number {
    return this.#count
  }

  get isScanning(): boolean {
    return this.#scan >= 0
  }

  get isEmpty(): boolean {
    return this.#count === 0 && this.#scan < 0
  }

  mark(row: number): void {
    if (this.#scan >= 0 && row >= this.#scan) return
    const word = row >>> 5
    if (word >= this.#bits.length) {
      this.#bits = grown(this.#bits, Math.max(word + 1, this.#bits.length * 2))
    }
    const bit = 1 << (row & 31)
    if ((this.#bits[word]! & bit) !== 0) return
    this.#bits[word]! |= bit
    if (this.#count === this.#ring.length) this.#growRing()
    this.#ring[(this.#head + this.#count) & (this.#ring.length - 1)] = row
    this.#count++
  }

  /** Whether the row waits here. */
  has(row: number): boolean {
    if (this.#scan >= 0 && row >= this.#scan) return true
    return row >>> 5 < this.#bits.length && (this.#bits[row >>> 5]! & (1 << (row & 31))) !== 0
  }

  /** All rows, from the first on. */
  scanAll(): void {
    this.#scan = 0
  }

  /**
   * Moves up to `into.length` rows out, those of a scan first.
   * @param rowLimit end of the rows that there are now; a scan ends there
   * @returns how many
   */
  take(into: Int32Array, rowLimit: number): number {
    let taken = 0
    if (this.#scan >= 0) {
      const end = Math.min(rowLimit, this.#scan + into.length)
      for (let row = this.#scan; row < end; row++) {
        this.#clear(row)
        into[taken++] = row
      }
      this.#scan = end >= rowLimit ? -1 : end
    }
    const mask = this.#ring.length - 1
    while (taken < into.length && this.#count > 0) {
      const row = this.#ring[this.#head]!
      this.#head = (this.#head + 1) & mask
      this.#count--
      // A row that a scan has passed meanwhile is not in the set any more.
      if (!this.#isMarked(row)) continue
      this.#clear(row)
      into[taken++] = row
    }
    return taken
  }

  /** Gives `other` all that waits here. */
  copyTo(other: RowQueue): void {
    other.#bits = this.#bits.slice()
    other.#ring = this.#ring.slice()
    other.#head = this.#head
    other.#count = this.#count
    other.#scan = this.#scan
  }

  clear(): void {
    this.#bits.fill(0)
    this.#count = 0
    this.#scan = -1
  }

  #isMarked(row: number): boolean {
    return (this.#bits[row >>> 5]! & (1 << (row & 31))) !== 0
  }

  #clear(row: number): void {
    if (row >>> 5 < this.#bits.length) this.#bits[row >>> 5]! &= ~(1 << (row & 31))
  }

  #growRing(): void {
    const old = this.#ring
    const next = new Int32Array(old.length * 2)
    next.set(old.subarray(this.#head))
    next.set(old.subarray(0, this.#head), old.length - this.#head)
    this.#ring = next
    this.#head = 0
  }
}
