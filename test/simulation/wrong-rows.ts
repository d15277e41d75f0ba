import { CALICO_KINDS, COMMON_FIELDS } from './calico-fields.ts'

/** A field of a kind, by its path: "spec.ipNetworks[]". */
export interface Field {
  readonly path: string
  readonly type: string
}

/** All fields of a kind. */
export function fieldsOf(kind: string): readonly Field[] {
  const { fields } = CALICO_KINDS[kind]!
  return `${COMMON_FIELDS} ${fields}`
    .trim()
    .split(/\s+/)
    .map((word) => {
      const colon = word.indexOf(':')
      return { path: word.slice(0, colon), type: word.slice(colon + 1) }
    })
}

const ESCAPE = String.fromCharCode(27)
const HUGE_CHARACTERS = 100_000
const DEPTH = 5_000

/** What another program may write where a value of a type belongs, as JSON; "half" cuts the document there. */
const WRONG_VALUES = {
  'wrong type': (type: string) => WRONG_TYPES[type] ?? '7',
  'wrong text': () => JSON.stringify(`garbage (${ESCAPE}[31m`),
  'host bits': () => '"10.211.0.9/24"',
  'no length': () => '"10.99.0.0"',
  'empty entries': (type: string) => EMPTY[type] ?? '""',
  huge: (type: string) =>
    type === 'integer' ? '1e308' : JSON.stringify('x'.repeat(HUGE_CHARACTERS)),
  'unknown enum': () => '"Sometimes"',
  half: () => undefined,
  'invalid UTF-8': () => '"\ud800\ufffd\ufffd"',
  nesting: () => '['.repeat(DEPTH) + ']'.repeat(DEPTH),
} as const satisfies Record<string, (type: string) => string | undefined>

export type Mistake = keyof typeof WRONG_VALUES
export const MISTAKES = Object.keys(WRONG_VALUES) as readonly Mistake[]

const WRONG_TYPES: Readonly<Record<string, string>> = {
  map: '[7]',
  list: '{"a":7}',
  integer: '"seven"',
  boolean: '"yes"',
  'int-or-string': '[{}]',
}

const EMPTY: Readonly<Record<string, string>> = { map: '{}', list: '[{},"",null,[]]' }

const PLACE = '@place of the mistake@'

/** A stored value as it should be, with one mistake at one field. */
export function wrongRow(good: string, { path, type }: Field, mistake: Mistake): string {
  const document = JSON.parse(good) as Record<string, unknown>
  setAt(document, path.replaceAll('[]', '.0').split('.'), PLACE)
  const text = JSON.stringify(document)
  const wrong = WRONG_VALUES[mistake](type)
  const at = text.indexOf(JSON.stringify(PLACE))
  const before = text.slice(0, at)
  return wrong === undefined ? before : before + wrong + text.slice(at + PLACE.length + 2)
}

/** Makes what is not there on the way: lists before numbers, maps before names. */
function setAt(document: Record<string, unknown>, path: readonly string[], value: unknown): void {
  const [key, ...rest] = path as [string, ...string[]]
  if (rest.length === 0) {
    document[key] = value
    return
  }
  const inner = document[key]
  const isThere = typeof inner === 'object' && inner !== null
  const next = isThere ? inner : rest[0] === '0' ? [] : {}
  document[key] = next
  setAt(next as Record<string, unknown>, rest, value)
}
