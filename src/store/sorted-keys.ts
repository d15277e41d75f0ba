/** A chunk that grows beyond it is split. */
const CHUNK_MAX = 512

/**
 * Different keys in etcd's order. In chunks, so that a key among a hundred thousand is put in its place
 * without moving half of them.
 */
export class SortedKeys {
  /** None is empty. */
  readonly #chunks: string[][] = []
  #size = 0

  get size(): number {
    return this.#size
  }

  /** Puts in a key that is not there yet. */
  add(key: string): void {
    this.#size++
    const at = Math.min(this.#chunkOf(key), this.#chunks.length - 1)
    const chunk = this.#chunks[at]
    if (chunk === undefined) {
      this.#chunks.push([key])
      return
    }
    chunk.splice(indexIn(chunk, key), 0, key)
    if (chunk.length > CHUNK_MAX) this.#chunks.splice(at + 1, 0, chunk.splice(CHUNK_MAX >> 1))
  }

  /** Takes out a key that is there. */
  delete(key: string): void {
    this.#size--
    const at = this.#chunkOf(key)
    const chunk = this.#chunks[at]!
    chunk.splice(indexIn(chunk, key), 1)
    if (chunk.length === 0) this.#chunks.splice(at, 1)
  }

  /** The keys from the first that is not before `key`; nothing may be added or deleted meanwhile. */
  *from(key: string): Iterable<string> {
    const first = this.#chunkOf(key)
    for (let at = first; at < this.#chunks.length; at++) {
      const chunk = this.#chunks[at]!
      for (let index = at === first ? indexIn(chunk, key) : 0; index < chunk.length; index++) {
        yield chunk[index]!
      }
    }
  }

  /** Index of the first chunk whose last key is not before `key`. */
  #chunkOf(key: string): number {
    let [low, high] = [0, this.#chunks.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (compareKeys(this.#chunks[middle]!.at(-1)!, key) < 0) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** etcd orders keys by their octets; UTF-16 differs from that only for surrogates, which names have not. */
export function compareKeys(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** Index of the first key that is not before `key`. */
function indexIn(keys: readonly string[], key: string): number {
  let [low, high] = [0, keys.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (compareKeys(keys[middle]!, key) < 0) low = middle + 1
    else high = middle
  }
  return low
}
