import { grown } from './columns.ts'

const PARTS = 256
const INITIAL_SLOTS = 8
/** Stands for every part that has no row: one slot, always empty. */
const NO_SLOTS = new Int32Array(1)

/**
 * A hash index from keys to rows, by open addressing. The owner keeps the keys, compares them, and walks:
 *
 *     const slots = index.partOf(hash)
 *     for (let slot = hash & (slots.length - 1); slots[slot] !== 0; slot = (slot + 1) & (slots.length - 1))
 *       if (isEqual(slots[slot] - 1)) …
 *
 * It comes in 256 parts by the upper bits of the hash. Each grows for itself, so that no insertion ever
 * has to move more than a small share of the rows: with a million of them that would take tens of
 * milliseconds in which no KEEPALIVE leaves.
 */
export class RowIndex {
  /** Hash of each row. */
  #hashes = new Uint32Array(64)
  /** Row + 1, or 0. */
  readonly #parts: Int32Array[] = Array.from({ length: PARTS }, () => NO_SLOTS)
  readonly #counts = new Uint32Array(PARTS)

  partOf(hash: number): Int32Array {
    return this.#parts[hash >>> 24]!
  }

  /** Adds a row whose key is not there yet. */
  insert(hash: number, row: number): void {
    if (row >= this.#hashes.length) {
      this.#hashes = grown(this.#hashes, Math.max(row + 1, this.#hashes.length * 2))
    }
    this.#hashes[row] = hash
    const part = hash >>> 24
    const count = this.#counts[part]! + 1
    this.#counts[part] = count
    if (count * 2 > this.#parts[part]!.length) this.#grow(part)
    place(this.#parts[part]!, hash, row)
  }

  remove(row: number): void {
    const hashes = this.#hashes
    const part = hashes[row]! >>> 24
    const slots = this.#parts[part]!
    const mask = slots.length - 1
    let hole = hashes[row]! & mask
    while (slots[hole] !== row + 1) hole = (hole + 1) & mask
    // Backward shift: what was pushed past the hole by collisions moves up, so no tombstones remain.
    for (let next = (hole + 1) & mask; slots[next] !== 0; next = (next + 1) & mask) {
      const home = hashes[slots[next]! - 1]! & mask
      if (((next - home) & mask) >= ((next - hole) & mask)) {
        slots[hole] = slots[next]!
        hole = next
      }
    }
    slots[hole] = 0
    this.#counts[part]!--
  }

  #grow(part: number): void {
    const old = this.#parts[part]!
    const slots = new Int32Array(Math.max(INITIAL_SLOTS, old.length * 2))
    for (let slot = 0; slot < old.length; slot++) {
      const entry = old[slot]!
      if (entry !== 0) place(slots, this.#hashes[entry - 1]!, entry - 1)
    }
    this.#parts[part] = slots
  }
}

function place(slots: Int32Array, hash: number, row: number): void {
  const mask = slots.length - 1
  let slot = hash & mask
  while (slots[slot] !== 0) slot = (slot + 1) & mask
  slots[slot] = row + 1
}
