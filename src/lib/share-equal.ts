/**
 * The value `next`, with everything in it that equals its counterpart in `before` replaced by that
 * counterpart: `before` itself where nothing differs. So who compares by identity sees no change where
 * there is none. Arrays, maps and plain objects are looked into; all else (functions, instances of
 * classes) is compared by identity.
 */
export function shareEqual<Value>(before: unknown, next: Value): Value {
  if (Object.is(before, next)) return next
  if (Array.isArray(before) && Array.isArray(next)) return sharedArray(before, next) as Value
  if (before instanceof Map && next instanceof Map) return sharedMap(before, next) as Value
  if (isPlain(before) && isPlain(next)) return sharedObject(before, next) as Value
  return next
}

function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

function sharedArray(before: readonly unknown[], next: readonly unknown[]): readonly unknown[] {
  let shared: unknown[] | undefined
  let isSame = before.length === next.length
  for (let at = 0; at < next.length; at++) {
    const value = next[at]
    const kept = shareEqual(before[at], value)
    if (!Object.is(kept, before[at])) isSame = false
    if (!Object.is(kept, value)) (shared ??= next.slice())[at] = kept
  }
  return isSame ? before : (shared ?? next)
}

function sharedMap(before: Map<unknown, unknown>, next: Map<unknown, unknown>): typeof next {
  let isSame = before.size === next.size
  const shared = new Map<unknown, unknown>()
  for (const [key, value] of next) {
    const kept = shareEqual(before.get(key), value)
    if (!Object.is(kept, before.get(key)) || !before.has(key)) isSame = false
    shared.set(key, kept)
  }
  return isSame ? before : shared
}

function sharedObject(
  before: Readonly<Record<string, unknown>>,
  next: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  const keys = Object.keys(next)
  let isSame = keys.length === Object.keys(before).length
  let isMixed = false
  const values = keys.map((key) => {
    // A label of a stored object may be called "__proto__".
    const isKnown = Object.hasOwn(before, key)
    const kept = shareEqual(isKnown ? before[key] : undefined, next[key])
    if (!isKnown || !Object.is(kept, before[key])) isSame = false
    if (!Object.is(kept, next[key])) isMixed = true
    return kept
  })
  if (isSame) return before
  return isMixed ? Object.fromEntries(keys.map((key, at) => [key, values[at]])) : next
}
