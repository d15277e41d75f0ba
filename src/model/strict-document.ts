import { closest } from '../lib/closest.ts'
import type { FieldPath } from '../lib/schema-problems.ts'
import { KEPT_METADATA } from './kept-fields.ts'
import { KINDS } from './kinds.ts'
import type { Kind } from './resource.ts'
import { schemaOf } from './parse-resource.ts'
import { fieldsOfObject, inputOf } from './schema-shape.ts'

/** A field that the kind does not have. */
export interface UnknownField {
  readonly path: FieldPath
  /** "not a field of IPPool; did you mean ipipMode?" */
  readonly message: string
}

export interface StrictDocument {
  /** As it was, but that numbers and booleans are text where text is wanted. */
  readonly value: unknown
  readonly unknown: readonly UnknownField[]
}

/**
 * What a person wrote, more strictly than what another program stored: a misspelled field is a mistake
 * here, while there it may be one of a later version. `rack: 7` and `routeReflector: true` are text where
 * text is wanted, as where calicoctl reads YAML.
 */
export function strictDocument(kind: Kind, document: unknown): StrictDocument {
  const unknown: UnknownField[] = []
  const stored = [...KEPT_METADATA, ...(KINDS[kind].kept ?? [])]
  const read = (schema: unknown, value: unknown, path: FieldPath): unknown => {
    const input = inputOf(schema)
    if (Array.isArray(value)) {
      return value.map((entry, at) => read(input.element, entry, [...path, at]))
    }
    if (typeof value === 'object' && value !== null) {
      const names = fieldsOfObject(input)
      const entries = Object.entries(value).map(([key, inner]) => {
        const isKnown = names === undefined || names.includes(key)
        if (!isKnown && !isStored(stored, [...path, key])) {
          unknown.push({
            path: [...path, key],
            message: messageFor(kind, key, path, names, stored),
          })
        }
        return [key, read(input.shape?.[key] ?? input.valueType, inner, [...path, key])]
      })
      return Object.fromEntries(entries) as unknown
    }
    const isText = input.def?.type === 'string'
    return isText && ['boolean', 'number', 'bigint'].includes(typeof value) ? String(value) : value
  }
  return { value: read(schemaOf(kind), document, []), unknown }
}

/** Whether the field, or one that it is in, is one of Calico's that is only kept. */
function isStored(stored: readonly string[], path: FieldPath): boolean {
  const names = path.filter((part) => typeof part === 'string')
  return names.some((_, at) => stored.includes(names.slice(0, at + 1).join('.')))
}

function messageFor(
  kind: Kind,
  key: string,
  path: FieldPath,
  names: readonly string[],
  stored: readonly string[],
): string {
  const prefix = path.map((part) => `${part}.`).join('')
  const beside = stored
    .filter((name) => name.startsWith(prefix) && !name.slice(prefix.length).includes('.'))
    .map((name) => name.slice(prefix.length))
  const near = closest(key, [...names, ...beside])
  const hint = near === undefined ? '' : `; did you mean ${near}?`
  return `not a field of ${kind}${hint}`
}
