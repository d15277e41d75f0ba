import { randomBytes, randomInt } from 'node:crypto'
import type { Random } from '../../lib/random.ts'

/** The operating system's randomness. */
export const systemRandom: Random = {
  fraction: () => randomBytes(4).readUInt32BE() / 4294967296,
  below: (limit) => randomInt(limit),
  bytes: (count) => new Uint8Array(randomBytes(count)),
}
