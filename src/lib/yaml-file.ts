import { type Document, isAlias, isMap, isSeq, LineCounter, parseDocument } from 'yaml'
import type * as z from 'zod'
import { messageOf, UserError } from './errors.ts'
import {
  fieldName,
  type FieldPath,
  type FieldProblem,
  foundText,
  issueProblems,
} from './schema-problems.ts'

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
    throw new UserError(`${file} is larger than ${octetsMax} octets: is it the right file?`)
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
  const described = inOrder.map(({ problem: { path, message, other, isSecret }, offset }) => {
    const added = other === undefined ? '' : otherText(other)
    return `${place(offset)}: ${fieldName(path)}${foundText(value, path, isSecret)}: ${message}${added}`
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

/** Offset of the node at `path`, or of the deepest one on the way to it. */
export function offsetOf(document: Document, path: FieldPath): number {
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
