import { parse, stringify } from 'lossless-json'

/**
 * The one reader and the one writer of JSON for stored values. Integers beyond 2^53 are bigint, so that
 * IPAM sequence numbers (nanoseconds since 1970) survive; everything else is what JSON.parse gives.
 *
 * Throws SyntaxError on text that is not JSON.
 */
export function parseJson(text: string): unknown {
  // Only a run of 16 digits can be a number that a double cannot hold; the built-in parser is ten times faster.
  return /\d{16}/.test(text) ? parseLossless(text) : JSON.parse(text)
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
 * encoding/json adds, so that a value written here equals what Calico would write.
 */
export function stringifyJson(value: unknown): string {
  return (writeJson(value) ?? 'null').replaceAll(
    /[<>&\u2028\u2029]/g,
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
