import { type Document, isAlias, isMap, isSeq, LineCounter, parseDocument } from 'yaml'
import type { z } from 'zod'
import { closest } from '../lib/closest.ts'
import { messageOf, UserError } from '../lib/errors.ts'
import { checkTopology, type TopologyDraft } from './check-topology.ts'
import { type FieldPath, fieldName, type TopologyProblem } from './topology-problem.ts'
import { type Topology, TOPOLOGY_LISTS, topologySchema } from './topology-schema.ts'

/** Octets of a topology file. */
export const TOPOLOGY_OCTETS_MAX = 1 << 20
/** Problems that are printed; one mistake can cause many. */
const PROBLEMS_SHOWN_MAX = 25

/**
 * The topology that a YAML text describes. Errors: one UserError that lists every mistake with file, line
 * and column, field, value and what was expected.
 */
export function parseTopology(text: string, file: string): Topology {
  if (text.length > TOPOLOGY_OCTETS_MAX) {
    throw new UserError(`${file} has more than ${TOPOLOGY_OCTETS_MAX} octets: is it a topology?`)
  }
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  if (document.errors.length > 0) {
    const at = (offset: number): string => place(file, lines, offset)
    throw mistakes(
      file,
      document.errors.map(({ code, message, pos }) =>
        code === 'MULTIPLE_DOCS'
          ? `${at(pos[0])}: expected one document, found a second after "---"`
          : `${at(pos[0])}: not YAML: ${message}`,
      ),
    )
  }
  const value = plainValue(document, file)
  const parsed = topologySchema.safeParse(value)
  const problems = [
    ...(parsed.success ? [] : parsed.error.issues.flatMap((issue) => shapeProblems(issue))),
    ...checkTopology(parsed.success ? wholeDraft(parsed.data) : draftOf(value)),
  ]
  if (parsed.success && problems.length === 0) return parsed.data
  const inOrder = problems
    .map((problem) => ({ problem, offset: offsetOf(document, problem.path) }))
    .sort((a, b) => a.offset - b.offset)
  const describe = (problem: TopologyProblem, offset: number): string => {
    const found = foundText(value, problem.path)
    const other = problem.other === undefined ? '' : otherText(problem.other)
    return `${place(file, lines, offset)}: ${fieldName(problem.path)}${found}: ${problem.message}${other}`
  }
  const otherText = (path: FieldPath): string =>
    ` (${fieldName(path)}, line ${lines.linePos(offsetOf(document, path)).line})`
  throw mistakes(
    file,
    inOrder.map(({ problem, offset }) => describe(problem, offset)),
  )
}

function mistakes(file: string, found: readonly string[]): UserError {
  const count = found.length === 1 ? 'one mistake' : `${found.length} mistakes`
  const shown = found.slice(0, PROBLEMS_SHOWN_MAX)
  const more = found.length - shown.length
  return new UserError(
    [
      `${file} has ${count}; nothing was made`,
      ...shown,
      ...(more > 0 ? [`and ${more} more`] : []),
    ].join('\n'),
  )
}

function plainValue(document: Document, file: string): unknown {
  try {
    return document.toJS()
  } catch (thrown) {
    throw new UserError(`${file} cannot be read: ${messageOf(thrown)}`) // too many aliases
  }
}

function place(file: string, lines: LineCounter, offset: number): string {
  const { line, col } = lines.linePos(offset)
  return `${file}:${line}:${col}`
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

function valueAt(value: unknown, path: FieldPath): unknown {
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
}

function shapeProblems(issue: z.core.$ZodIssue): TopologyProblem[] {
  const path = issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part))
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      path: [...path, key],
      message: `not a field here${suggestion(key, path)}`,
    }))
  }
  return [{ path, message: shapeMessage(issue) }]
}

function shapeMessage(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_type') return typeMessage(issue)
  if (issue.code === 'invalid_value') {
    return `expected one of ${issue.values.map(String).join(', ')}`
  }
  if (issue.code === 'invalid_key') return issue.issues[0]?.message ?? issue.message
  return issue.message
}

function typeMessage(issue: z.core.$ZodIssueInvalidType): string {
  if (issue.message.startsWith('expected')) return issue.message
  return `expected ${PLAIN_TYPES[issue.expected] ?? issue.expected}`
}

function suggestion(key: string, path: FieldPath): string {
  const fields = fieldsAt(path)
  const near = closest(key, fields)
  return near === undefined ? `; expected one of ${fields.join(', ')}` : `; did you mean ${near}?`
}

/** The fields of the map at `path`, as the schema has them. */
function fieldsAt(path: FieldPath): readonly string[] {
  let schema: unknown = topologySchema
  for (const part of path) {
    const at = unwrapped(schema)
    schema = typeof part === 'number' ? at.element : at.shape?.[part]
  }
  return Object.keys(unwrapped(schema).shape ?? {})
}

interface SchemaNode {
  readonly shape?: Readonly<Record<string, unknown>>
  readonly element?: unknown
  readonly unwrap?: () => unknown
}

/** Below defaults and optionals; arrays also have `unwrap`, which is their element. */
function unwrapped(schema: unknown): SchemaNode {
  let at = schema as SchemaNode
  while (at.shape === undefined && at.element === undefined && at.unwrap !== undefined) {
    at = at.unwrap() as SchemaNode
  }
  return at
}

function wholeDraft(topology: Topology): TopologyDraft {
  const { networks, nodes, routers, pools, pods } = topology
  const names = (list: readonly { name: string }[]): string[] => list.map(({ name }) => name)
  return {
    networks,
    nodes,
    routers,
    pools,
    pods,
    names: { networks: names(networks), nodes: names(nodes) },
  }
}

/** The entries that are well formed, each at its own index, so that these can be checked further. */
function draftOf(value: unknown): TopologyDraft {
  const raw = (key: keyof typeof TOPOLOGY_LISTS): unknown[] => {
    const list = valueAt(value, [key])
    return Array.isArray(list) ? list : []
  }
  const entries = <Key extends keyof typeof TOPOLOGY_LISTS>(
    key: Key,
  ): (z.output<(typeof TOPOLOGY_LISTS)[Key]> | undefined)[] =>
    raw(key).map(
      (item) =>
        TOPOLOGY_LISTS[key].safeParse(item).data as
          | z.output<(typeof TOPOLOGY_LISTS)[Key]>
          | undefined,
    )
  const names = (key: keyof typeof TOPOLOGY_LISTS): string[] =>
    raw(key).map((item) => String(valueAt(item, ['name'])))
  return {
    networks: entries('networks'),
    nodes: entries('nodes'),
    routers: entries('routers'),
    pools: entries('pools'),
    pods: entries('pods'),
    names: { networks: names('networks'), nodes: names('nodes') },
  }
}
