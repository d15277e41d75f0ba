import { RE2JS } from 're2js'

/** A regular expression as Go reads it (RE2): other syntax than JavaScript's, and never more than linear time. */
export interface GoPattern {
  /** Whether it is found anywhere in the text. */
  isIn(text: string): boolean
}

/** Longer ones are no names of links. */
const LENGTH_MAX = 1_000
const KNOWN_MAX = 100
const known = new Map<string, GoPattern>()

/** Undefined for text that is no such expression, or too long. */
export function parseGoPattern(text: string): GoPattern | undefined {
  const before = known.get(text)
  if (before !== undefined || text.length > LENGTH_MAX) return before
  try {
    const compiled = RE2JS.compile(text)
    const pattern = { isIn: (name: string) => compiled.matcher(name).find() }
    if (known.size >= KNOWN_MAX) known.clear()
    known.set(text, pattern)
    return pattern
  } catch {
    return undefined
  }
}
