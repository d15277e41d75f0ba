import { type SeededRandom } from '../../../lib/random.ts'
import { type CodecContext } from '../codec-context.ts'
import { GOLDENS, SESSION } from './goldens.ts'

/** Contexts in all combinations that change how an UPDATE is read. */
export function randomContext(random: SeededRandom): CodecContext {
  const coin = (): boolean => random.below(2) === 0
  const addPath = random.below(4) === 0
  const family = { addPathReceive: addPath, addPathSend: addPath }
  return {
    ...SESSION,
    fourOctetAs: random.below(4) !== 0,
    internal: coin(),
    ipv4: { negotiated: random.below(8) !== 0, extendedNextHop: coin(), ...family },
    ipv6: { negotiated: random.below(4) !== 0, extendedNextHop: false, ...family },
  }
}

const FLAGS: Readonly<Record<number, number>> = {
  1: 0x40,
  2: 0x40,
  3: 0x40,
  4: 0x80,
  5: 0x40,
  6: 0x40,
  7: 0xc0,
  8: 0xc0,
  9: 0x80,
  10: 0x80,
  14: 0x80,
  15: 0x80,
  16: 0xc0,
  17: 0xc0,
  18: 0xc0,
  32: 0xc0,
}
const KNOWN = Object.keys(FLAGS).map(Number)

const bytes = (random: SeededRandom, count: number): number[] => [...random.bytes(count)]

/** Prefixes, now and then one that is wrong. */
function prefixes(
  random: SeededRandom,
  bits: number,
  pathIds: boolean,
  mayFail: boolean,
): number[] {
  const octets: number[] = []
  for (let count = random.below(4); count > 0; count--) {
    if (pathIds) octets.push(...bytes(random, 4))
    const isBad = mayFail && random.below(30) === 0
    const length = isBad ? random.below(256) : random.below(bits + 1)
    octets.push(length, ...bytes(random, Math.ceil(length / 8) - (isBad ? random.below(3) : 0)))
  }
  return octets
}

function path(random: SeededRandom, size: number): number[] {
  const octets: number[] = []
  for (let segments = random.below(3); segments > 0; segments--) {
    const count = random.below(12) === 0 ? 0 : 1 + random.below(3)
    octets.push(random.below(15) === 0 ? random.below(6) : 1 + random.below(2), count)
    for (let n = 0; n < count * size; n++) octets.push(1 + random.below(255))
  }
  return octets
}

function multiprotocol(random: SeededRandom, isReach: boolean, context: CodecContext): number[] {
  const afi = random.below(20) === 0 ? random.below(256) : 1 + random.below(2)
  const safi = random.below(20) === 0 ? random.below(256) : 1
  const lengths = afi === 2 ? [16, 32] : [4, 4, 16]
  const length = random.below(20) === 0 ? random.below(40) : lengths[random.below(lengths.length)]!
  const nextHop = isReach ? [length, ...bytes(random, length), 0] : []
  const { addPathReceive } = context.ipv4
  return [0, afi, safi, ...nextHop, ...prefixes(random, afi === 1 ? 32 : 128, addPathReceive, true)]
}

/** A value that is right more often than not. */
function value(random: SeededRandom, code: number, context: CodecContext): number[] {
  const size = context.fourOctetAs ? 4 : 2
  if (random.below(25) === 0) return bytes(random, random.below(20))
  switch (code) {
    case 1:
      return [random.below(10) === 0 ? random.below(256) : random.below(3)]
    case 2:
      return path(random, size)
    case 6:
      return []
    case 7:
      return bytes(random, size + 4)
    case 8:
      return bytes(random, 4 * random.below(5))
    case 10:
      return bytes(random, 4 * random.below(3))
    case 14:
    case 15:
      return multiprotocol(random, code === 14, context)
    case 16:
      return bytes(random, 8 * random.below(3))
    case 17:
      return path(random, 4)
    case 18:
      return bytes(random, 8)
    case 32:
      return bytes(random, 12 * random.below(3))
    default:
      return bytes(random, 4)
  }
}

function attribute(random: SeededRandom, code: number, context: CodecContext): number[] {
  const octets = value(random, code, context)
  const usual = FLAGS[code] ?? (random.below(30) === 0 ? 0x40 : 0x80 | (random.below(2) << 6))
  const flags = random.below(60) === 0 ? random.below(256) & 0xef : usual
  return random.below(5) === 0
    ? [flags | 0x10, code, octets.length >>> 8, octets.length & 255, ...octets]
    : [flags, code, octets.length, ...octets]
}

function message(type: number, body: readonly number[]): Uint8Array {
  const octets = new Uint8Array(19 + body.length).fill(0xff, 0, 16)
  octets[16] = octets.length >>> 8
  octets[17] = octets.length
  octets[18] = type
  octets.set(body, 19)
  return octets
}

/** An UPDATE that is well-formed or wrong in one or several of all the ways that RFC 7606 speaks of. */
export function randomUpdate(random: SeededRandom, context: CodecContext): Uint8Array {
  const codes = random.below(10) === 0 ? [] : [1, 2, 3]
  for (let extra = random.below(4); extra > 0; extra--) {
    codes.push(random.below(8) === 0 ? random.below(256) : KNOWN[random.below(KNOWN.length)]!)
  }
  if (random.below(12) === 0) codes.splice(random.below(codes.length + 1), 1)
  const attributes = codes.flatMap((code) => attribute(random, code, context))
  if (random.below(25) === 0) attributes.length = random.below(attributes.length + 1)
  const { addPathReceive } = context.ipv4
  const withdrawn = random.below(4) === 0 ? prefixes(random, 32, addPathReceive, true) : []
  const announced = random.below(5) === 0 ? [] : prefixes(random, 32, addPathReceive, true)
  const counted = (octets: readonly number[]): number[] => {
    const length = octets.length + (random.below(200) === 0 ? random.below(5) - 2 : 0)
    return [(length >>> 8) & 255, length & 255, ...octets]
  }
  return message(2, [...counted(withdrawn), ...counted(attributes), ...announced])
}

/** Any message with a few octets changed, cut or added, its length set to what there is. */
export function randomMutation(random: SeededRandom): Uint8Array {
  const octets = [...GOLDENS[random.below(GOLDENS.length)]!.octets]
  for (let changes = 1 + random.below(4); changes > 0; changes--) {
    const at = 18 + random.below(octets.length - 18)
    const kind = random.below(4)
    if (kind === 0) octets.splice(at, random.below(4))
    else if (kind === 1) octets.splice(at, 0, ...bytes(random, random.below(6)))
    else
      octets[at] = random.below(2) === 0 ? random.below(256) : octets[at]! ^ (1 << random.below(8))
    while (octets.length < 19) octets.push(random.below(256))
  }
  const mutated = Uint8Array.from(octets)
  mutated[16] = mutated.length >>> 8
  mutated[17] = mutated.length
  return mutated
}
