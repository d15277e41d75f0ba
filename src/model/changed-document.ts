import type { StoredProblem } from './decode-resource.ts'
import { type Document, validResource } from './parse-resource.ts'
import { type Problem, shown } from './problem.ts'
import type { Kind, ResourceOf } from './resource.ts'

/**
 * What a document that was changed says. Parts that did not count before may stay as they are: who changes
 * one thing need not mend another.
 *
 * Throws InvalidResource with what else is wrong, or against the rules.
 */
export function readChanged<K extends Kind>(
  document: Document,
  known: readonly StoredProblem[],
): ResourceOf<K> {
  const isKnown = ({ field, value }: Problem): boolean =>
    known.some((problem) => {
      return placeOf(problem.field) === placeOf(field) && problem.value === shown(value)
    })
  return validResource(document, isKnown) as ResourceOf<K>
}

/** The field, wherever in its list an entry stands: another may have come before it. */
function placeOf(field: string): string {
  return field.replaceAll(/\[\d+\]/g, '[]')
}

/**
 * The document as it is to be written: fields in canonical order, defaults filled in, values in canonical
 * form. Parts that do not count, nulls and unknown fields are as they were, wherefore the type promises
 * more than is true: it is for an encoder alone.
 */
export function writtenForm<K extends Kind>(
  document: Document,
  resource: ResourceOf<K>,
): ResourceOf<K> {
  return merge(document, resource) as ResourceOf<K>
}

function merge(document: unknown, parsed: unknown): unknown {
  if (Array.isArray(document) && Array.isArray(parsed)) {
    // Entries were left out: which is which is not known, and none of them may be lost.
    if (document.length !== parsed.length) return document
    return document.map((entry, at) => merge(entry, parsed[at]))
  }
  if (!isMap(document) || !isMap(parsed)) return parsed === undefined ? document : parsed
  const fields = new Map<string, unknown>()
  for (const [key, value] of Object.entries(parsed)) fields.set(key, merge(document[key], value))
  for (const [key, value] of Object.entries(document)) {
    if (!fields.has(key)) fields.set(key, value)
  }
  return Object.fromEntries(fields)
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
