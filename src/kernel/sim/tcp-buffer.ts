/** Octets waiting to be acknowledged or sent, addressed by sequence number from the oldest. */
export class SendBuffer {
  readonly #chunks: Uint8Array[] = []
  #length = 0

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
      const first = this.#chunks[0]!
      if (first.length > left) {
        this.#chunks[0] = first.subarray(left)
        return
      }
      left -= first.length
      this.#chunks.shift()
    }
  }

  /** A copy of `count` octets from `from` on. */
  read(from: number, count: number): Uint8Array {
    const octets = new Uint8Array(count)
    let skipped = 0
    let filled = 0
    for (const chunk of this.#chunks) {
      if (filled === count) break
      const start = Math.max(0, from - skipped)
      if (start < chunk.length) {
        const part = chunk.subarray(start, start + count - filled)
        octets.set(part, filled)
        filled += part.length
      }
      skipped += chunk.length
    }
    return octets
  }
}

/** Difference of two sequence numbers as RFC 9293 section 3.4 compares them: negative if `a` is earlier. */
export function sequenceDifference(a: number, b: number): number {
  return (a - b) | 0
}
