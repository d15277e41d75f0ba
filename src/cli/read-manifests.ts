import { type Document, LineCounter, parseAllDocuments } from 'yaml'
import { messageOf, UserError } from '../lib/errors.ts'
import { type FieldPath, fieldName } from '../lib/schema-problems.ts'
import { offsetOf } from '../lib/yaml-file.ts'
import { findKind } from '../model/kinds.ts'
import {
  type Document as ResourceDocument,
  documentOf,
  parseResource,
  readDocument,
} from '../model/parse-resource.ts'
import { InvalidResource } from '../model/problem.ts'
import { strictDocument, type UnknownField } from '../model/strict-document.ts'

/** Enough for any cluster's settings; more is a mistake. */
const TEXT_MAX = 16 * 1024 * 1024
const ALIASES_MAX = 100

/** A resource as it is written in a file. */
export interface Manifest {
  /** As a person means it: numbers and booleans are text where text is wanted. */
  readonly document: ResourceDocument
  /** As it is written, to the letter. */
  readonly literal: ResourceDocument
  /** What is wrong with it, with file and document; where the datastore has it already, it may stay. */
  readonly invalid: string | undefined
  /** Fields that its kind does not have; where the datastore has them already, they are no mistakes. */
  readonly unknown: readonly Unknown[]
}

export interface Unknown {
  readonly path: FieldPath
  /** With file, line, column, and the nearest name. */
  readonly message: string
}

/**
 * The resources of a file, YAML or JSON: one or many documents, and lists ("kind: List"). All that is
 * wrong is told at once, with file and document; of values alone it is left to who reads the datastore.
 * Throws UserError.
 */
export function readManifests(text: string, file: string): readonly Manifest[] {
  if (text.length > TEXT_MAX) {
    throw new UserError(`${file}: expected ${TEXT_MAX} octets at most, found ${text.length}`)
  }
  const problems: string[] = []
  let isRefused = false
  const manifests: Manifest[] = []
  const lines = new LineCounter()
  for (const [index, source] of documentsIn(text, file, lines).entries()) {
    for (const { value, path } of itemsOf(source.value)) {
      const place = (field: UnknownField): Unknown => {
        const offset = offsetOf(source.document, [...path, ...field.path])
        const { line, col } = lines.linePos(offset)
        const message = `${file}:${line}:${col}: ${fieldName(field.path)}: ${field.message}`
        return { path: field.path, message }
      }
      const tell = (message: string): string => {
        problems.push(`${file}, document ${index + 1}: ${message}`)
        return problems.at(-1)!
      }
      try {
        manifests.push(manifestOf(value, place, tell))
      } catch (thrown) {
        if (!(thrown instanceof UserError)) throw thrown
        isRefused = true
        tell(thrown.message)
      }
    }
  }
  if (isRefused) throw new UserError(problems.join('\n'))
  if (manifests.length === 0) throw new UserError(`${file}: no resources in it`)
  return manifests
}

function manifestOf(
  written: unknown,
  place: (field: UnknownField) => Unknown,
  tell: (message: string) => string,
): Manifest {
  const { kind } = (written ?? {}) as { kind?: unknown }
  const found = typeof kind === 'string' ? findKind(kind) : undefined
  if (found === undefined) {
    parseResource(written) // says what was expected
    throw new UserError('expected a resource')
  }
  const { value, unknown } = strictDocument(found, written)
  const document = documentOf(value)
  const { problems } = readDocument(document)
  return {
    document,
    literal: documentOf(written),
    invalid: problems.length === 0 ? undefined : tell(new InvalidResource(problems).message),
    unknown: unknown.map(place),
  }
}

interface Source {
  readonly document: Document
  readonly value: unknown
}

/**
 * YAML 1.1, as calicoctl reads it: "yes" is true, and 1:30 is text. Empty documents, as an extra `---`
 * makes them, are left out.
 */
function documentsIn(text: string, file: string, lineCounter: LineCounter): readonly Source[] {
  const documents = parseAllDocuments(text, {
    lineCounter,
    version: '1.1',
    intAsBigInt: true,
    customTags: (tags) => tags.filter((tag) => !isOfTime(tag)),
  })
  return [...documents].flatMap((document) => {
    const [problem] = document.errors
    if (problem !== undefined) throw new UserError(`${file}: ${problem.message}`)
    try {
      const value = exactNumbers(document.toJS({ maxAliasCount: ALIASES_MAX }))
      return value === null || value === undefined ? [] : [{ document, value }]
    } catch (thrown) {
      throw new UserError(`${file}: ${messageOf(thrown)}`, { cause: thrown })
    }
  })
}

/** Integers are numbers but where only a bigint holds every digit, as in what is read from the datastore. */
function exactNumbers(value: unknown): unknown {
  if (typeof value === 'bigint') {
    const number = Number(value)
    return Number.isSafeInteger(number) ? number : value
  }
  if (Array.isArray(value)) return value.map(exactNumbers)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, exactNumbers(inner)]))
}

/** Timestamps, and numbers to the base of 60, which Go's library does not know. */
function isOfTime(tag: unknown): boolean {
  const { tag: name, format } = tag as { readonly tag?: string; readonly format?: string }
  return name === 'tag:yaml.org,2002:timestamp' || format === 'TIME'
}

function itemsOf(
  document: unknown,
): readonly { readonly value: unknown; readonly path: FieldPath }[] {
  const { kind, items } = document as { kind?: unknown; items?: unknown }
  const isList = typeof kind === 'string' && kind.endsWith('List') && Array.isArray(items)
  if (!isList) return [{ value: document, path: [] }]
  return (items as unknown[]).map((value, at) => ({ value, path: ['items', at] }))
}
