/** Randomness as everything in the core sees it: handed in, so that a seed replays a run. */
export interface Random {
  /** Uniform in [0, 1). */
  fraction(): number
  /** Uniform integer in [0, limit). */
  below(limit: number): number
  /** `count` random octets. */
  bytes(count: number): Uint8Array
}

/**
 * A small fast generator for simulation and tests (Mulberry32: 32 bits of state, period 2^32).
 * Never for anything that must not be guessed.
 */
export class SeededRandom implements Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  #u32(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let x = this.#state
    x = Math.imul(x ^ (x >>> 15), x | 1)
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61)
    return (x ^ (x >>> 14)) >>> 0
  }

  fraction(): number {
    return this.#u32() / 4294967296
  }

  below(limit: number): number {
    return Math.floor(this.fraction() * limit)
  }

  bytes(count: number): Uint8Array {
    return Uint8Array.from({ length: count }, () => this.#u32() & 0xff)
  }

  /** A generator of its own whose future does not depend on how much this one is used. */
  fork(): SeededRandom {
    return new SeededRandom(this.#u32())
  }
}

/** A random (version 4) UUID, RFC 9562 section 5.4. */
export function uuid(random: Random): string {
  const octets = random.bytes(16)
  octets[6] = (octets[6]! & 0x0f) | 0x40
  octets[8] = (octets[8]! & 0x3f) | 0x80
  const text = Array.from(octets, (octet) => octet.toString(16).padStart(2, '0')).join('')
  return `${text.slice(0, 8)}-${text.slice(8, 12)}-${text.slice(12, 16)}-${text.slice(16, 20)}-${text.slice(20)}`
}
