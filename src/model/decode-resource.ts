import { messageOf } from '../lib/errors.ts'
import { parseJson } from './json.ts'
import { documentOf, type Document, readDocument } from './parse-resource.ts'
import { type Problem, shown } from './problem.ts'
import { API_VERSION, type Kind, type ResourceOf } from './resource.ts'

/** Why a stored row does not count, or a part of it. Fit for a log line and a terminal as it is. */
export interface StoredProblem {
  readonly kind: Kind
  /** Of the row in the store. */
  readonly key: string
  /** Path as in YAML, "spec.cidr"; "" is the whole value. */
  readonly field: string
  /** Shortened, control characters escaped; "" where there is none. */
  readonly value: string
  readonly expected: string
}

/** What a stored row says. */
export type Decoded<K extends Kind = Kind> =
  | {
      readonly resource: ResourceOf<K>
      /** As it is stored, parts that do not count included: what a change is made to. */
      readonly document: Document
      /** Of the parts that were left out. */
      readonly problems: readonly StoredProblem[]
    }
  | {
      readonly problem: StoredProblem
      /** As it is stored, if at least kind and name can be read. */
      readonly document?: Document
    }

/** What of a row matters here. */
export interface StoredValue {
  readonly key: string
  readonly value: string
  readonly modRevision: number
}

/** One line: where, what was found, and what was expected. */
export function storedProblemText({ field, value, expected }: StoredProblem): string {
  return `${field === '' ? 'the value' : field} is '${value}': ${expected}`
}

/**
 * A resource from its stored row, whatever another program wrote there. Never throws.
 *
 * @param input gives the document in a row; what it throws is a problem of the whole value
 */
export function decodeResource<K extends Kind>(
  kind: K,
  row: StoredValue,
  input: (row: StoredValue) => unknown = ({ value }) => parseJson(value),
): Decoded<K> {
  const { key, value, modRevision } = row
  const problemOf = ({ field, value: found, reason }: Problem): StoredProblem => ({
    kind,
    key: shown(key),
    field,
    value: shown(found),
    expected: reason,
  })
  const refused = (field: string, found: unknown, reason: string): Decoded<K> => ({
    problem: problemOf({ field, value: found, reason }),
  })
  let found: unknown
  try {
    found = input(row)
  } catch (thrown) {
    return refused('', value, notJson(messageOf(thrown)))
  }
  if (typeof found !== 'object' || found === null || Array.isArray(found)) {
    return refused('', value, 'expected a map with kind, apiVersion, metadata and spec')
  }
  const head = found as { readonly kind?: unknown; readonly apiVersion?: unknown }
  if (head.kind !== kind) return refused('kind', head.kind, `expected ${kind}`)
  if (head.apiVersion !== undefined && head.apiVersion !== API_VERSION) {
    return refused('apiVersion', head.apiVersion, `expected ${API_VERSION}`)
  }
  const document = documentOf(found)
  const { value: resource, problems } = readDocument(document)
  if (resource === undefined) {
    const problem = problemOf(problems[0]!)
    return isNamed(document) ? { problem, document } : { problem }
  }
  const parsed = resource as ResourceOf<K>
  parsed.metadata.resourceVersion = String(modRevision)
  return { resource: parsed, document, problems: problems.map(problemOf) }
}

function isNamed({ metadata, spec }: Document): boolean {
  const { name } = (metadata ?? {}) as { readonly name?: unknown }
  return typeof name === 'string' && name !== '' && typeof spec === 'object'
}

function notJson(message: string): string {
  return message.startsWith('expected') ? message : `expected JSON: ${message}`
}
