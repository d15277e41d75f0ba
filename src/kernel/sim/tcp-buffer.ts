/** Octets waiting to be acknowledged or sent, addressed by sequence number from the oldest. */
export class SendBuffer {
  #chunks: Uint8Array[] = []
  /** Chunks before this one are acknowledged and gone. */
  #first = 0
  #length = 0
  /** Where the last read ended: chunk, and octets from the oldest to its beginning. */
  #cursor = 0
  #cursorStart = 0

  get length(): number {
    return this.#length
  }

  push(octets: Uint8Array): void {
    if (octets.length === 0) return
    this.#chunks.push(octets.slice())
    this.#length += octets.length
  }

  /** Forgets the oldest `count` octets. */
  drop(count: number): void {
    this.#length -= count
    let left = count
    while (left > 0) {
      const first = this.#chunks[this.#first]!
      if (first.length > left) {
        this.#chunks[this.#first] = first.subarray(left)
        break
      }
      left -= first.length
      this.#first++
    }
    if (this.#first > 64 && this.#first * 2 > this.#chunks.length) {
      this.#chunks = this.#chunks.slice(this.#first)
      this.#cursor -= this.#first
      this.#first = 0
    }
    this.#cursorStart -= count
    if (this.#cursor <= this.#first || this.#cursorStart < 0) {
      this.#cursor = this.#first
      this.#cursorStart = 0
    }
  }

  /** Writes `count` octets from `from` on into `target` at `at`. */
  copy(from: number, count: number, target: Uint8Array, at: number): void {
    if (from < this.#cursorStart) {
      this.#cursor = this.#first
      this.#cursorStart = 0
    }
    let chunk = this.#cursor
    let start = this.#cursorStart
    while (start + this.#chunks[chunk]!.length <= from) start += this.#chunks[chunk++]!.length
    this.#cursor = chunk
    this.#cursorStart = start
    for (let filled = 0; filled < count; chunk++) {
      const octets = this.#chunks[chunk]!
      const skip = Math.max(0, from - start)
      const part = octets.subarray(skip, skip + count - filled)
      target.set(part, at + filled)
      filled += part.length
      start += octets.length
    }
  }

  /** A copy of `count` octets from `from` on. */
  read(from: number, count: number): Uint8Array {
    const octets = new Uint8Array(count)
    if (count > 0) this.copy(from, count, octets, 0)
    return octets
  }
}

/** Difference of two sequence numbers as RFC 9293 section 3.4 compares them: negative if `a` is earlier. */
export function sequenceDifference(a: number, b: number): number {
  return (a - b) | 0
}
