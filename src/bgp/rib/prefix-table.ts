import type { Family } from '../../net/ip-address.ts'
import { firstLength, withRoom } from './columns.ts'
import { RowIndex } from './row-index.ts'

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
  readonly #index = new RowIndex()
  /** First of the free rows, which are chained through their first word; -1 for none. */
  #free = -1

  constructor(family: Family) {
    this.family = family
    this.stride = family === 4 ? 1 : 4
    this.words = new Uint32Array(firstLength(10) * this.stride)
    this.lengths = new Uint8Array(firstLength(11)).fill(FREE)
  }

  /** The row of the prefix whose words start at `words[at]`, or -1. */
  find(words: Uint32Array, at: number, length: number): number {
    return this.#find(words, at, length, this.#hash(words, at, length))
  }

  /** The row of the prefix, made if there is none. */
  intern(words: Uint32Array, at: number, length: number): number {
    const hash = this.#hash(words, at, length)
    const found = this.#find(words, at, length, hash)
    if (found >= 0) return found
    const row = this.#freeRow()
    this.lengths[row] = length
    for (let word = 0; word < this.stride; word++) {
      this.words[row * this.stride + word] = words[at + word]!
    }
    this.size++
    this.#index.insert(hash, row)
    return row
  }

  #find(words: Uint32Array, at: number, length: number, hash: number): number {
    const slots = this.#index.partOf(hash)
    const mask = slots.length - 1
    let slot = hash & mask
    for (;;) {
      const entry = slots[slot]!
      if (entry === 0) return -1
      if (this.#is(entry - 1, words, at, length)) return entry - 1
      slot = (slot + 1) & mask
    }
  }

  /** Whether the row holds a prefix. */
  isUsed(row: number): boolean {
    return this.lengths[row] !== FREE
  }

  /** Forgets a row, which may then be given to another prefix. */
  remove(row: number): void {
    this.#index.remove(row)
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
    this.words = withRoom(this.words, this.rowLimit * this.stride)
    this.lengths = withRoom(this.lengths, this.rowLimit, FREE)
    return row
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
    hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d)
    return (hash ^ (hash >>> 13)) >>> 0
  }
}

/** In `lengths`: a row that holds no prefix. */
const FREE = 255
