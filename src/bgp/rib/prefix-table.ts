import type { Family } from '../../net/ip-address.ts'
import { grown, nextCapacity } from './columns.ts'

const INITIAL_ROWS = 64

/**
 * The prefixes of one family, each with a row number that stays until it is removed. Open addressing
 * over typed arrays: no object, no string per prefix. The words of a row are its address, the most
 * significant first: one of IPv4, four of IPv6.
 */
export class PrefixTable {
  readonly family: Family
  /** Words of a row: 1 or 4. */
  readonly stride: 1 | 4
  words: Uint32Array
  lengths: Uint8Array
  /** Rows that have been used, free ones included: all rows are below it. */
  rowLimit = 0
  size = 0
  /** Row + 1, or 0. */
  #slots = new Int32Array(INITIAL_ROWS * 2)
  #mask = INITIAL_ROWS * 2 - 1
  /** First of the free rows, which are chained through their first word; -1 for none. */
  #free = -1

  constructor(family: Family) {
    this.family = family
    this.stride = family === 4 ? 1 : 4
    this.words = new Uint32Array(INITIAL_ROWS * this.stride)
    this.lengths = new Uint8Array(INITIAL_ROWS).fill(FREE)
  }

  get capacity(): number {
    return this.lengths.length
  }

  /** The row of the prefix whose words start at `words[at]`, or -1. */
  find(words: Uint32Array, at: number, length: number): number {
    const slots = this.#slots
    let slot = this.#hash(words, at, length) & this.#mask
    for (;;) {
      const entry = slots[slot]!
      if (entry === 0) return -1
      if (this.#is(entry - 1, words, at, length)) return entry - 1
      slot = (slot + 1) & this.#mask
    }
  }

  /** The row of the prefix, made if there is none. */
  intern(words: Uint32Array, at: number, length: number): number {
    const slots = this.#slots
    let slot = this.#hash(words, at, length) & this.#mask
    for (;;) {
      const entry = slots[slot]!
      if (entry === 0) break
      if (this.#is(entry - 1, words, at, length)) return entry - 1
      slot = (slot + 1) & this.#mask
    }
    const row = this.#freeRow()
    slots[slot] = row + 1
    this.lengths[row] = length
    for (let word = 0; word < this.stride; word++) {
      this.words[row * this.stride + word] = words[at + word]!
    }
    this.size++
    if (this.size * 2 > slots.length) this.#rehash(slots.length * 2)
    return row
  }

  /** Whether the row holds a prefix. */
  isUsed(row: number): boolean {
    return this.lengths[row] !== FREE
  }

  /** Forgets a row, which may then be given to another prefix. */
  remove(row: number): void {
    const slots = this.#slots
    const mask = this.#mask
    let slot = this.#hash(this.words, row * this.stride, this.lengths[row]!) & mask
    while (slots[slot] !== row + 1) slot = (slot + 1) & mask
    // Backward shift: what was pushed past the hole by collisions moves up, so no tombstones remain.
    let hole = slot
    for (let next = (hole + 1) & mask; slots[next] !== 0; next = (next + 1) & mask) {
      const other = slots[next]! - 1
      const home = this.#hash(this.words, other * this.stride, this.lengths[other]!) & mask
      if (((next - home) & mask) >= ((next - hole) & mask)) {
        slots[hole] = other + 1
        hole = next
      }
    }
    slots[hole] = 0
    this.lengths[row] = FREE
    this.size--
    this.words[row * this.stride] = this.#free
    this.#free = row
  }

  #freeRow(): number {
    const free = this.#free
    if (free >= 0) {
      this.#free = this.words[free * this.stride]! | 0
      return free
    }
    const row = this.rowLimit++
    if (row >= this.lengths.length) {
      const capacity = nextCapacity(this.lengths.length)
      this.words = grown(this.words, capacity * this.stride)
      this.lengths = grown(this.lengths, capacity, FREE)
    }
    return row
  }

  #rehash(size: number): void {
    const slots = new Int32Array(size)
    const mask = size - 1
    for (let row = 0; row < this.rowLimit; row++) {
      if (this.lengths[row] === FREE) continue
      let slot = this.#hash(this.words, row * this.stride, this.lengths[row]!) & mask
      while (slots[slot] !== 0) slot = (slot + 1) & mask
      slots[slot] = row + 1
    }
    this.#slots = slots
    this.#mask = mask
  }

  #is(row: number, words: Uint32Array, at: number, length: number): boolean {
    if (this.lengths[row] !== length) return false
    if (this.stride === 1) return this.words[row] === words[at]
    const base = row * 4
    const own = this.words
    return (
      own[base + 3] === words[at + 3] &&
      own[base + 2] === words[at + 2] &&
      own[base + 1] === words[at + 1] &&
      own[base] === words[at]
    )
  }

  #hash(words: Uint32Array, at: number, length: number): number {
    let hash = Math.imul(words[at]! ^ (length << 3), 0x9e3779b1)
    if (this.stride === 4) {
      hash = Math.imul(hash ^ (hash >>> 15) ^ words[at + 1]!, 0x85ebca6b)
      hash = Math.imul(hash ^ (hash >>> 13) ^ words[at + 2]!, 0xc2b2ae35)
      hash = Math.imul(hash ^ (hash >>> 16) ^ words[at + 3]!, 0x27d4eb2f)
    }
    return (hash ^ (hash >>> 15)) >>> 0
  }
}

/** In `lengths`: a row that holds no prefix. */
const FREE = 255
