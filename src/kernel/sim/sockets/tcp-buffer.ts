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

  /** `count` octets from `from` on: where they are if they are in one piece, else a copy. */
  read(from: number, count: number): Uint8Array {
    if (count === 0) return new Uint8Array(0)
    this.#seek(from)
    const skip = from - this.#cursorStart
    const chunk = this.#chunks[this.#cursor]!
    if (skip + count <= chunk.length) return chunk.subarray(skip, skip + count)
    const octets = new Uint8Array(count)
    let filled = 0
    for (let at = this.#cursor; filled < count; at++) {
      const rest = at === this.#cursor ? chunk.subarray(skip) : this.#chunks[at]!
      const part = rest.subarray(0, count - filled)
      octets.set(part, filled)
      filled += part.length
    }
    return octets
  }

  /** Moves the cursor to the chunk in which `from` is. */
  #seek(from: number): void {
    if (from < this.#cursorStart) {
      this.#cursor = this.#first
      this.#cursorStart = 0
    }
    let chunk = this.#cursor
    let start = this.#cursorStart
    while (start + this.#chunks[chunk]!.length <= from) start += this.#chunks[chunk++]!.length
    this.#cursor = chunk
    this.#cursorStart = start
  }
}

/** Puts what came in pieces together, in memory that is used again and again. */
export class Joiner {
  #octets = new Uint8Array(0)

  /** All octets in a row; valid until the next call. */
  join(pieces: readonly Uint8Array[]): Uint8Array {
    if (pieces.length === 1) return pieces[0]!
    const total = pieces.reduce((sum, piece) => sum + piece.length, 0)
    if (total > this.#octets.length) this.#octets = new Uint8Array(total)
    let at = 0
    for (const piece of pieces) {
      this.#octets.set(piece, at)
      at += piece.length
    }
    return this.#octets.subarray(0, total)
  }
}

/** Difference of two sequence numbers as RFC 9293 section 3.4 compares them: negative if `a` is earlier. */
export function sequenceDifference(a: number, b: number): number {
  return (a - b) | 0
}
