import { type Document, isAlias, isMap, isSeq, LineCounter, parseDocument } from 'yaml'
import type { z } from 'zod'
import { closest } from './closest.ts'
import { messageOf, UserError } from './errors.ts'

/** Where in a file something is: the keys and indexes from the root. */
export type FieldPath = readonly (string | number)[]

/** One mistake in a file: the field, and what was expected of it ("expected …"). */
export interface FieldProblem {
  readonly path: FieldPath
  readonly message: string
  /** The field that this one disagrees with; its line is added. */
  readonly other?: FieldPath
}

export interface YamlFileOptions<Schema extends z.ZodType> {
  readonly text: string
  /** What messages call the file. */
  readonly file: string
  readonly schema: Schema
  /** What one field cannot know by itself; asked once all fields are well formed. */
  check?(value: z.output<Schema>): readonly FieldProblem[]
  /** The same where some fields are not: of those that are. */
  checkPart?(raw: unknown): readonly FieldProblem[]
  /** What follows from a mistake: "the running configuration stays". */
  readonly consequence: string
  readonly octetsMax?: number
}

const OCTETS_MAX = 1 << 22
/** Mistakes that are printed; one can cause many. */
const PROBLEMS_SHOWN_MAX = 25

/**
 * Reads a YAML file against a schema. Errors: one UserError that lists every mistake in the order of the
 * file, each with line and column, field, value and what was expected.
 */
export function readYamlFile<Schema extends z.ZodType>(
  options: YamlFileOptions<Schema>,
): z.output<Schema> {
  const { text, file, schema, octetsMax = OCTETS_MAX } = options
  if (text.length > octetsMax)
    throw new UserError(`${file} has more than ${octetsMax} octets: is it the right file?`)
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const place = (offset: number): string => {
    const { line, col } = lines.linePos(offset)
    return `${file}:${line}:${col}`
  }
  if (document.errors.length > 0) {
    const found = document.errors.map(({ code, message, pos }) =>
      code === 'MULTIPLE_DOCS'
        ? `${place(pos[0])}: expected one document, found a second after "---"`
        : `${place(pos[0])}: not YAML: ${message}`,
    )
    throw mistakes(options, found)
  }
  const value = plainValue(document, file)
  const parsed = schema.safeParse(value)
  const problems = parsed.success
    ? (options.check?.(parsed.data) ?? [])
    : [
        ...parsed.error.issues.flatMap((issue) => issueProblems(issue, schema)),
        ...(options.checkPart?.(value) ?? []),
      ]
  if (parsed.success && problems.length === 0) return parsed.data
  const located = problems.map((problem) => ({
    problem,
    offset: offsetOf(document, problem.path),
  }))
  const inOrder = located.toSorted((a, b) => a.offset - b.offset)
  const otherText = (path: FieldPath): string =>
    ` (${fieldName(path)}, line ${lines.linePos(offsetOf(document, path)).line})`
  const described = inOrder.map(({ problem: { path, message, other }, offset }) => {
    const added = other === undefined ? '' : otherText(other)
    return `${place(offset)}: ${fieldName(path)}${foundText(value, path)}: ${message}${added}`
  })
  throw mistakes(options, described)
}

function mistakes(
  { file, consequence }: Pick<YamlFileOptions<z.ZodType>, 'file' | 'consequence'>,
  found: readonly string[],
): UserError {
  const count = found.length === 1 ? 'one mistake' : `${found.length} mistakes`
  const shown = found.slice(0, PROBLEMS_SHOWN_MAX)
  const more = found.length - shown.length
  const lines = [`${file} has ${count}; ${consequence}`, ...shown]
  return new UserError((more > 0 ? [...lines, `and ${more} more`] : lines).join('\n'))
}

function plainValue(document: Document, file: string): unknown {
  try {
    return document.toJS()
  } catch (thrown) {
    throw new UserError(`${file} cannot be read: ${messageOf(thrown)}`) // too many aliases
  }
}

/** "neighbors[1].address" */
export function fieldName(path: FieldPath): string {
  let text = ''
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`
    else if (/^[\w-]+$/.test(part)) text += text === '' ? part : `.${part}`
    else text += `[${JSON.stringify(part)}]`
  }
  return text === '' ? 'the file' : text
}

/** Offset of the node at `path`, or of the deepest one on the way to it. */
function offsetOf(document: Document, path: FieldPath): number {
  let node: unknown = document.contents
  let offset = rangeStart(node) ?? 0
  for (const part of path) {
    if (isAlias(node)) node = node.resolve(document)
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => String(key) === String(part))
      if (pair === undefined) break
      offset = rangeStart(pair.value) ?? rangeStart(pair.key) ?? offset
      node = pair.value
    } else if (isSeq(node)) {
      node = node.items[Number(part)]
      offset = rangeStart(node) ?? offset
    } else break
  }
  return offset
}

function rangeStart(node: unknown): number | undefined {
  return (node as { range?: readonly number[] | null } | null | undefined)?.range?.[0]
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
function foundText(value: unknown, path: FieldPath): string {
  const found = valueAt(value, path)
  if (found === undefined) return ' is missing'
  if (found === null) return ' is empty'
  if (typeof found === 'object') return ''
  const text = JSON.stringify(found)
  return ` is ${text.length > 80 ? `${text.slice(0, 77)}…` : text}`
}

const PLAIN_TYPES: Readonly<Record<string, string>> = {
  string: 'text',
  array: 'a list',
  object: 'a map of fields',
  record: 'a map of fields',
  boolean: 'true or false',
  number: 'a number',
}

function issueProblems(issue: z.core.$ZodIssue, schema: z.ZodType): FieldProblem[] {
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
  return [{ path, message: issue.message }]
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
