import type * as z from 'zod'
import type { Problem } from './problem.ts'

/** The keys and indexes from the root of a document. */
type Path = readonly PropertyKey[]

/** What a document says by a schema, and the parts of it that do not count. */
export interface ParsedParts {
  /** Undefined if something is wrong that more than a part depends on. */
  readonly value: unknown
  /** Of the parts that were left out, or of the whole. Empty entries of lists are left out silently. */
  readonly problems: readonly Problem[]
}

/** Parses for a person's mistakes are few; a document that needs more is no document. */
const PASSES_MAX = 8

/**
 * Parses a document of which some parts stand alone: one that is not as it must be is left out, and the
 * rest counts. Parts are paths such as "spec.communities.*", "*" standing for every key or index; the
 * longest that fits an issue is left out. Null and empty text count as absent where they
 * are no values, as where Go reads them.
 *
 * The document stays as it is: what is left out here is still there when it is written again.
 */
export function parseParts(
  schema: z.ZodType,
  document: unknown,
  parts: readonly string[] = [],
): ParsedParts {
  const patterns = parts.map((part) => part.split('.'))
  const problems: Problem[] = []
  const entries = new Entries()
  let rest = document
  for (let pass = 0; pass < PASSES_MAX; pass++) {
    const result = schema.safeParse(rest)
    if (result.success) return { value: result.data, problems }
    const removed: Path[] = []
    const fatal: Problem[] = []
    for (const issue of result.error.issues) {
      const part = isAbsent(rest, issue.path) ? issue.path : partOf(issue.path, patterns)
      if (part === undefined) fatal.push(entries.problem(issue, rest))
      else {
        removed.push(part)
        if (!isEmpty(valueAt(rest, part))) problems.push(entries.problem(issue, rest))
      }
    }
    if (fatal.length > 0) return { value: undefined, problems: [...fatal, ...problems] }
    rest = entries.without(rest, removed)
  }
  const field = problems[0]?.field ?? ''
  return { value: undefined, problems: [{ field, value: document, reason: 'expected less' }] }
}

/** The longest part that the issue lies in. */
function partOf(path: Path, patterns: readonly (readonly string[])[]): Path | undefined {
  const fitting = patterns.filter(
    (pattern) =>
      pattern.length <= path.length &&
      pattern.every((key, at) => key === '*' || key === String(path[at])),
  )
  if (fitting.length === 0) return undefined
  return path.slice(0, Math.max(...fitting.map(({ length }) => length)))
}

function isAbsent(document: unknown, path: Path): boolean {
  const value = valueAt(document, path)
  return path.length > 0 && (value === null || value === '')
}

function valueAt(document: unknown, path: Path): unknown {
  let value = document
  for (const key of path) value = (value as Record<PropertyKey, unknown> | undefined | null)?.[key]
  return value
}

/** "", null, and a map in which nothing is anything else. */
function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null || value === '') return true
  return typeof value === 'object' && Object.values(value).every(isEmpty)
}

/** Copies of documents with less in them, which remember where the entries of lists stood at first. */
class Entries {
  readonly #origins = new WeakMap<object, readonly number[]>()

  problem(issue: z.core.$ZodIssue, document: unknown): Problem {
    let field = ''
    let value = document
    for (const key of issue.path) {
      field += Array.isArray(value)
        ? `[${this.#origin(value, Number(key))}]`
        : `${field === '' ? '' : '.'}${String(key)}`
      value = (value as Record<PropertyKey, unknown> | undefined | null)?.[key]
    }
    return { field, value, reason: reasonOf(issue) }
  }

  #origin(list: object, index: number): number {
    return this.#origins.get(list)?.[index] ?? index
  }

  without(value: unknown, paths: readonly Path[]): unknown {
    if (paths.length === 0 || typeof value !== 'object' || value === null) return value
    const below = (key: PropertyKey): Path[] =>
      paths.filter(([first]) => String(first) === String(key)).map((path) => path.slice(1))
    const kept = Object.entries(value)
      .map(([key, inner]) => ({ key, inner: inner as unknown, paths: below(key) }))
      .filter((entry) => entry.paths.every((path) => path.length > 0))
      .map((entry) => ({ key: entry.key, inner: this.without(entry.inner, entry.paths) }))
    if (!Array.isArray(value)) {
      return Object.fromEntries(kept.map(({ key, inner }) => [key, inner]))
    }
    const list = kept.map(({ inner }) => inner)
    this.#origins.set(
      list,
      kept.map(({ key }) => this.#origin(value, Number(key))),
    )
    return list
  }
}

/** What was expected, in this project's words where zod has its own. */
function reasonOf(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_value') return `expected one of ${issue.values.join(', ')}`
  return issue.message.replace(/^Invalid input: /, '')
}
