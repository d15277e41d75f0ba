import type * as z from 'zod'
import { closest } from './closest.ts'

/** Where in a file something is: the keys and indexes from the root. */
export type FieldPath = readonly (string | number)[]

/** One mistake in a file: the field, and what was expected of it ("expected …"). */
export interface FieldProblem {
  readonly path: FieldPath
  readonly message: string
  /** Its value is not shown. */
  readonly isSecret?: boolean
  /** The field that this one disagrees with; its line is added. */
  readonly other?: FieldPath
}

/** "neighbors[1].address"; `whole` for the value itself. */
export function fieldName(path: FieldPath, whole = 'the file'): string {
  let text = ''
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`
    else if (/^[\w-]+$/.test(part)) text += text === '' ? part : `.${part}`
    else text += `[${JSON.stringify(part)}]`
  }
  return text === '' ? whole : text
}

/** What parsed data have at `path`; undefined where there is nothing. */
export function valueAt(value: unknown, path: FieldPath): unknown {
  let at = value
  for (const part of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, part)) return undefined
    at = (at as Record<string | number, unknown>)[part]
  }
  return at
}

/** ' is "…"' for a plain value, " is missing" for none, nothing for lists and maps. */
export function foundText(value: unknown, path: FieldPath, isSecret = false): string {
  const found = valueAt(value, path)
  if (isSecret && found !== undefined && found !== null) return ' (a secret, not shown)'
  if (found === undefined) return ' is missing'
  if (found === null) return ' is empty'
  if (typeof found === 'object') return ''
  const text = JSON.stringify(found)
  return ` is ${text.length > 80 ? `${text.slice(0, 77)}…` : text}`
}

/** 'family is 5: expected one of 4, 6': the first of what a schema has against `value`. */
export function firstProblem(error: z.ZodError, value: unknown, schema: z.ZodType): string {
  const [problem] = error.issues.flatMap((issue) => issueProblems(issue, schema))
  const { path, message, isSecret }: FieldProblem = problem ?? { path: [], message: error.message }
  return `${fieldName(path, 'the whole')}${foundText(value, path, isSecret)}: ${message}`
}

const PLAIN_TYPES: Readonly<Record<string, string>> = {
  string: 'text',
  array: 'a list',
  object: 'a map of fields',
  record: 'a map of fields',
  boolean: 'true or false',
  number: 'a number',
}

export function issueProblems(issue: z.core.$ZodIssue, schema: z.ZodType): FieldProblem[] {
  const path = issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part))
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      path: [...path, key],
      message: `not a field here${suggestion(key, fieldsAt(schema, path))}`,
    }))
  }
  if (issue.code === 'invalid_type' && !issue.message.startsWith('expected')) {
    return [{ path, message: `expected ${PLAIN_TYPES[issue.expected] ?? issue.expected}` }]
  }
  if (issue.code === 'invalid_value') {
    return [{ path, message: `expected one of ${issue.values.map(String).join(', ')}` }]
  }
  if (issue.code === 'invalid_key') {
    return [{ path, message: issue.issues[0]?.message ?? issue.message }]
  }
  if (issue.code === 'invalid_union') return unionProblems(issue, path, schema)
  const isSecret = issue.code === 'custom' && issue.params?.['isSecret'] === true
  return [{ path, message: issue.message, ...(isSecret ? { isSecret } : {}) }]
}

/** Of a union the problems of the one form that was meant: that whose shape fits, so that only parts do not. */
function unionProblems(
  issue: z.core.$ZodIssueInvalidUnion,
  path: FieldPath,
  schema: z.ZodType,
): FieldProblem[] {
  const meant = issue.errors.find(
    (issues) =>
      issues.length > 0 &&
      issues.every((one) => one.path.length > 0 || one.code === 'unrecognized_keys'),
  )
  if (meant === undefined) return [{ path, message: issue.message }]
  return meant.flatMap((one) => issueProblems({ ...one, path: [...path, ...one.path] }, schema))
}

function suggestion(key: string, fields: readonly string[]): string {
  if (fields.length === 0) return ''
  const near = closest(key, fields)
  return near === undefined ? `; expected one of ${fields.join(', ')}` : `; did you mean ${near}?`
}

interface SchemaNode {
  readonly shape?: Readonly<Record<string, unknown>>
  readonly element?: unknown
  readonly valueType?: unknown
  readonly unwrap?: () => unknown
}

/** The fields of the map at `path`, as the schema has them. */
function fieldsAt(schema: z.ZodType, path: FieldPath): readonly string[] {
  let at: unknown = schema
  for (const part of path) {
    const node = unwrapped(at)
    at = typeof part === 'number' ? node.element : (node.shape?.[part] ?? node.valueType)
  }
  return Object.keys(unwrapped(at).shape ?? {})
}

/** Below defaults and optionals; arrays also have `unwrap`, which is their element. */
function unwrapped(schema: unknown): SchemaNode {
  let at = (schema ?? {}) as SchemaNode
  while (at.shape === undefined && at.element === undefined && at.unwrap !== undefined) {
    at = at.unwrap() as SchemaNode
  }
  return at
}
