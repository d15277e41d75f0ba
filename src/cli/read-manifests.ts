import { type Document, LineCounter, parseAllDocuments } from 'yaml'
import { messageOf, UserError } from '../lib/errors.ts'
import { type FieldPath, fieldName } from '../lib/schema-problems.ts'
import { offsetOf } from '../lib/yaml-file.ts'
import { findKind } from '../model/kinds.ts'
import {
  type Document as ResourceDocument,
  documentOf,
  parseResource,
} from '../model/parse-resource.ts'
import { strictDocument, type UnknownField } from '../model/strict-document.ts'

/** Enough for any cluster's settings; more is a mistake. */
const TEXT_MAX = 16 * 1024 * 1024
const ALIASES_MAX = 100

/** A resource as it is written in a file. */
export interface Manifest {
  readonly document: ResourceDocument
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
 * wrong is told at once, with file and document. Throws UserError.
 */
export function readManifests(text: string, file: string): readonly Manifest[] {
  if (text.length > TEXT_MAX) {
    throw new UserError(`${file}: expected ${TEXT_MAX} octets at most, found ${text.length}`)
  }
  const problems: string[] = []
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
      try {
        manifests.push(manifestOf(value, place))
      } catch (thrown) {
        if (!(thrown instanceof UserError)) throw thrown
        problems.push(`${file}, document ${index + 1}: ${thrown.message}`)
      }
    }
  }
  if (problems.length > 0) throw new UserError(problems.join('\n'))
  if (manifests.length === 0) throw new UserError(`${file}: no resources in it`)
  return manifests
}

function manifestOf(written: unknown, place: (field: UnknownField) => Unknown): Manifest {
  const { kind } = (written ?? {}) as { kind?: unknown }
  const found = typeof kind === 'string' ? findKind(kind) : undefined
  if (found === undefined) {
    parseResource(written) // says what was expected
    throw new UserError('expected a resource')
  }
  const { value, unknown } = strictDocument(found, written)
  parseResource(value)
  return { document: documentOf(value), unknown: unknown.map(place) }
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
    customTags: (tags) => tags.filter((tag) => !isOfTime(tag)),
  })
  return [...documents].flatMap((document) => {
    const [problem] = document.errors
    if (problem !== undefined) throw new UserError(`${file}: ${problem.message}`)
    try {
      const value: unknown = document.toJS({ maxAliasCount: ALIASES_MAX })
      return value === null || value === undefined ? [] : [{ document, value }]
    } catch (thrown) {
      throw new UserError(`${file}: ${messageOf(thrown)}`, { cause: thrown })
    }
  })
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
