import { type CodecContext } from '../codec-context.ts'

/**
 * What RFC 4271, 4760, 6793, 7606 and 7607 do with an UPDATE, written a second time: slowly, from the
 * text, without a table and without a line of the decoder, so that the two can be compared.
 */
export type Verdict = 'none' | 'discard' | 'withdraw' | 'reset'

class Reset extends Error {}

const STRENGTH: readonly Verdict[] = ['none', 'discard', 'withdraw', 'reset']

export function expectedVerdict(octets: Uint8Array, context: CodecContext): Verdict {
  try {
    return verdict([...octets.subarray(19)], context)
  } catch (error) {
    if (error instanceof Reset) return 'reset'
    throw error
  }
}

const number = (octets: readonly number[]): number => octets.reduce((sum, o) => sum * 256 + o, 0)

function verdict(body: readonly number[], context: CodecContext): Verdict {
  const withdrawnLength = number(body.slice(0, 2))
  const attributeLengthAt = 2 + withdrawnLength
  if (attributeLengthAt + 2 > body.length) throw new Reset()
  const attributesAt = attributeLengthAt + 2
  const attributesEnd = attributesAt + number(body.slice(attributeLengthAt, attributesAt))
  if (attributesEnd > body.length) throw new Reset()
  parsePrefixes(body.slice(2, attributeLengthAt), 32, context.ipv4.addPathReceive)
  const routes = parsePrefixes(body.slice(attributesEnd), 32, context.ipv4.addPathReceive)

  const found: Verdict[] = []
  const seen = new Map<number, number>()
  let mpRoutes = false
  let rest = body.slice(attributesAt, attributesEnd)
  while (rest.length > 0) {
    const isLong = (rest[0]! & 0x10) !== 0
    const header = isLong ? 4 : 3
    const length = rest.length < header ? Infinity : number(rest.slice(2, header))
    if (header + length > rest.length) {
      if (rest[1] === 14 || rest[1] === 15) throw new Reset()
      found.push('withdraw')
      break
    }
    const [flags, code] = rest as [number, number]
    const value = rest.slice(header, header + length)
    rest = rest.slice(header + length)
    const times = (seen.get(code) ?? 0) + 1
    seen.set(code, times)
    if (times > 1) {
      if (code === 14 || code === 15) throw new Reset()
      found.push('discard')
      continue
    }
    found.push(attributeVerdict(flags, code, value, context))
    if (code === 14) mpRoutes = value.length > 5 + value[3]!
  }
  const reachable = routes > 0 || mpRoutes
  if (reachable && !(seen.has(1) && seen.has(2))) found.push('withdraw')
  if (routes > 0 && !seen.has(3)) found.push('withdraw')
  const strongest = STRENGTH[Math.max(0, ...found.map((each) => STRENGTH.indexOf(each)))]!
  return strongest === 'withdraw' && !reachable ? 'reset' : strongest
}

/** How many prefixes there are. */
function parsePrefixes(octets: readonly number[], bits: number, pathIds: boolean): number {
  let rest = octets
  let count = 0
  while (rest.length > 0) {
    if (pathIds && rest.length < 5) throw new Reset()
    if (pathIds) rest = rest.slice(4)
    const size = Math.ceil(rest[0]! / 8)
    if (rest[0]! > bits || rest.length < 1 + size) throw new Reset()
    rest = rest.slice(1 + size)
    count++
  }
  return count
}

/** Optional and transitive bits of the attributes that have a specification here. */
const FLAGS = new Map([
  ...[1, 2, 3, 5, 6].map((code) => [code, 0x40] as const),
  ...[4, 9, 10, 14, 15].map((code) => [code, 0x80] as const),
  ...[7, 8, 16, 17, 18, 32].map((code) => [code, 0xc0] as const),
])

function attributeVerdict(
  flags: number,
  code: number,
  value: readonly number[],
  context: CodecContext,
): Verdict {
  if ((code === 17 || code === 18) && context.fourOctetAs) return 'none'
  const expected = FLAGS.get(code)
  if (expected === undefined) {
    if (flags < 0x80) throw new Reset()
    return 'none'
  }
  if ((code === 5 || code === 9 || code === 10) && !context.internal) return 'discard'
  if ((flags & 0xc0) !== expected) {
    if (code === 14 || code === 15) throw new Reset()
    return 'withdraw'
  }
  return valueVerdict(code, value, context)
}

function valueVerdict(code: number, value: readonly number[], context: CodecContext): Verdict {
  const size = context.fourOctetAs ? 4 : 2
  const multiple = (of: number): boolean => value.length > 0 && value.length % of === 0
  switch (code) {
    case 1:
      return value.length === 1 && value[0]! <= 2 ? 'none' : 'withdraw'
    case 2:
      return isPath(value, size, [1, 2]) ? 'none' : 'withdraw'
    case 3:
      return value.length === 4 && value[0]! > 0 && value[0]! < 224 ? 'none' : 'withdraw'
    case 4:
    case 5:
    case 9:
      return value.length === 4 ? 'none' : 'withdraw'
    case 6:
      return value.length === 0 ? 'none' : 'discard'
    case 7:
      return value.length === size + 4 && number(value.slice(0, size)) > 0 ? 'none' : 'discard'
    case 8:
    case 10:
      return multiple(4) ? 'none' : 'withdraw'
    case 14:
      return reachVerdict(value, context)
    case 15:
      return unreachVerdict(value, context)
    case 16:
      return multiple(8) ? 'none' : 'withdraw'
    case 17:
      return value.length >= 6 && isPath(value, 4, [1, 2, 3, 4]) ? 'none' : 'discard'
    case 18:
      return value.length === 8 && number(value.slice(0, 4)) > 0 ? 'none' : 'discard'
    default:
      return multiple(12) ? 'none' : 'withdraw'
  }
}

function isPath(value: readonly number[], size: number, types: readonly number[]): boolean {
  let rest = value
  while (rest.length > 0) {
    if (rest.length < 2 || !types.includes(rest[0]!) || rest[1] === 0) return false
    const length = rest[1]! * size
    if (2 + length > rest.length) return false
    for (let at = 2; at < 2 + length; at += size) {
      if (number(rest.slice(at, at + size)) === 0) return false
    }
    rest = rest.slice(2 + length)
  }
  return true
}

function familyBits(value: readonly number[]): 32 | 128 | undefined {
  if (value[2] !== 1 || value[0] !== 0) return undefined
  if (value[1] === 1) return 32
  return value[1] === 2 ? 128 : undefined
}

function reachVerdict(value: readonly number[], context: CodecContext): Verdict {
  if (value.length < 5) throw new Reset()
  const bits = familyBits(value)
  const length = value[3]!
  if (value.length < 5 + length) throw new Reset()
  const lengths = bits === 128 ? [16, 32] : context.ipv4.extendedNextHop ? [4, 16, 32] : [4]
  if (bits !== undefined && !lengths.includes(length)) throw new Reset()
  const family = bits === 32 ? context.ipv4 : context.ipv6
  if (bits === undefined || !family.negotiated) return 'none'
  parsePrefixes(value.slice(5 + length), bits, family.addPathReceive)
  const first = value[4]!
  if (length === 4) return first > 0 && first < 224 ? 'none' : 'withdraw'
  return first !== 255 && value.slice(4, 20).some((octet) => octet !== 0) ? 'none' : 'withdraw'
}

function unreachVerdict(value: readonly number[], context: CodecContext): Verdict {
  if (value.length < 3) throw new Reset()
  const bits = familyBits(value)
  const family = bits === 32 ? context.ipv4 : context.ipv6
  if (bits === undefined || !family.negotiated) return 'none'
  parsePrefixes(value.slice(3), bits, family.addPathReceive)
  return 'none'
}
