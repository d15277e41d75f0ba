import { parse, stringify } from 'lossless-json'

/** More is no value of a datastore: etcd takes 1.5 MiB in one request. */
const LENGTH_MAX = 4 * 1024 * 1024
/** Calico's own go to 10. */
const DEPTH_MAX = 100

/**
 * The one reader and the one writer of JSON for stored values. Integers beyond 2^53 are bigint, so that
 * IPAM sequence numbers (nanoseconds since 1970) survive; everything else is what JSON.parse gives.
 *
 * Throws SyntaxError on text that is not JSON, that was not UTF-8 (what decoding puts in its place is
 * {@link stringifyJson | never written} as such), that is nested more than 100 deep or beyond 4 Mi
 * characters long.
 */
export function parseJson(text: string): unknown {
  if (text.length > LENGTH_MAX) throw new SyntaxError(`expected ${LENGTH_MAX} characters at most`)
  if (text.includes(REPLACEMENT)) throw new SyntaxError('expected UTF-8')
  if (isDeep(text)) throw new SyntaxError(`expected JSON nested ${DEPTH_MAX} deep at most`)
  // Only a run of 16 digits can be a number that a double cannot hold; the built-in parser is ten times faster.
  return /\d{16}/.test(text) ? parseLossless(text) : JSON.parse(text)
}

/** {@link parseJson} of a map. Throws SyntaxError on any other value. */
export function parseMap(text: string): object {
  const value = parseJson(text)
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
  throw new SyntaxError('expected a map')
}

const REPLACEMENT = '\ufffd'
const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPENING: ReadonlySet<number> = new Set([0x5b, 0x7b])
const CLOSING: ReadonlySet<number> = new Set([0x5d, 0x7d])

/** Counts every opening bracket first, which is quick and enough for nearly all. */
function isDeep(text: string): boolean {
  if ((text.match(/[[{]/g)?.length ?? 0) <= DEPTH_MAX) return false
  let [depth, quoted] = [0, false]
  for (let at = 0; at < text.length && depth <= DEPTH_MAX; at++) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) quoted = !quoted
    else if (quoted && code === BACKSLASH) at++
    else if (!quoted && OPENING.has(code)) depth++
    else if (!quoted && CLOSING.has(code)) depth--
  }
  return depth > DEPTH_MAX
}

function parseLossless(text: string): unknown {
  try {
    return parse(text, undefined, number)
  } catch (thrown) {
    if (thrown instanceof RangeError) throw new SyntaxError('JSON nested too deeply')
    throw thrown
  }
}

function number(text: string): number | bigint {
  const value = Number(text)
  return Number.isInteger(value) && !Number.isSafeInteger(value) && /^-?\d+$/.test(text)
    ? BigInt(text)
    : value
}

/**
 * One line of JSON, keys in the order of the object, bigint as digits, and with the escapes that Go's
 * encoding/json adds, so that a value written here equals what Calico would write. U+FFFD is escaped
 * too, so that in what is read it tells of octets that were not UTF-8.
 */
export function stringifyJson(value: unknown): string {
  return (writeJson(value) ?? 'null').replaceAll(
    /[<>&\u2028\u2029\ufffd]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** As with reading, the built-in writer is ten times faster; it refuses only bigint. */
function writeJson(value: unknown): string | undefined {
  try {
    return JSON.stringify(value)
  } catch (thrown) {
    if (!(thrown instanceof TypeError)) throw thrown
    return stringify(value)
  }
}

/** The same map with its keys in order of code points, as Go writes maps. */
export function sortedKeys<Value>(map: Readonly<Record<string, Value>>): Record<string, Value> {
  const keys = Object.keys(map)
  if (keys.every((key, at) => at === 0 || keys[at - 1]! < key)) return map
  return Object.fromEntries(
    Object.entries(map).toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)),
  )
}

/** Whether two values that JSON can hold are the same, in whatever order their maps have their keys. */
export function isSameJson(a: unknown, b: unknown): boolean {
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return a === b
  if (Array.isArray(a) !== Array.isArray(b)) return false
  const [one, other] = [new Map(Object.entries(a)), new Map(Object.entries(b))]
  if (one.size !== other.size) return false
  return [...one].every(([key, value]) => other.has(key) && isSameJson(value, other.get(key)))
}
