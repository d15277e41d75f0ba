import { parseAllDocuments } from 'yaml'
import { messageOf, UserError } from '../lib/errors.ts'
import { documentOf, parseResource } from '../model/parse-resource.ts'
import type { Draft } from '../model/resource.ts'

/** Enough for any cluster's settings; more is a mistake. */
const TEXT_MAX = 16 * 1024 * 1024

/**
 * The resources of a file as they are written in it, YAML or JSON: one or many documents, and lists ("kind: List"). All that is
 * wrong is told at once, with file and document. Throws UserError.
 */
export function readManifests(text: string, file: string): readonly Draft[] {
  if (text.length > TEXT_MAX) {
    throw new UserError(`${file}: expected ${TEXT_MAX} octets at most, found ${text.length}`)
  }
  const problems: string[] = []
  const resources: Draft[] = []
  for (const [index, document] of documentsOf(text, file).entries()) {
    for (const item of itemsOf(document)) {
      try {
        parseResource(item)
        resources.push(documentOf(item) as Draft)
      } catch (thrown) {
        if (!(thrown instanceof UserError)) throw thrown
        problems.push(`${file}, document ${index + 1}: ${thrown.message}`)
      }
    }
  }
  if (problems.length > 0) throw new UserError(problems.join('\n'))
  if (resources.length === 0) throw new UserError(`${file}: no resources in it`)
  return resources
}

/** Empty documents, as an extra `---` makes them, are left out. */
function documentsOf(text: string, file: string): readonly unknown[] {
  const documents = parseAllDocuments(text, { maxAliasCount: 100 } as object)
  return [...documents].flatMap((document) => {
    const [problem] = document.errors
    if (problem !== undefined) throw new UserError(`${file}: ${problem.message}`)
    try {
      const value: unknown = document.toJS({ maxAliasCount: 100 })
      return value === null || value === undefined ? [] : [value]
    } catch (thrown) {
      throw new UserError(`${file}: ${messageOf(thrown)}`, { cause: thrown })
    }
  })
}

function itemsOf(document: unknown): readonly unknown[] {
  const { kind, items } = document as { kind?: unknown; items?: unknown }
  const isList = typeof kind === 'string' && kind.endsWith('List') && Array.isArray(items)
  return isList ? (items as unknown[]) : [document]
}
