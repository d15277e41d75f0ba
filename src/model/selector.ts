import { UserError } from '../lib/errors.ts'

/**
 * Calico's selector language: `has(route-reflector) && zone in {"a", "b"}`.
 *
 *     expression := and ("||" and)*        and := term ("&&" term)*
 *     term       := "!"* ( "(" expression ")" | "all()" | "global()" | "has(" label ")"
 *                 | label ("==" | "!=" | "contains" | "starts with" | "ends with") string
 *                 | label ("in" | "not in") "{" [string ("," string)* [","]] "}" )
 *
 * Strings are in single or double quotes without escapes; white space is space and tab. The empty
 * selector selects all (Calico: libcalico-go/lib/selector).
 */
export interface Selector {
  /** Whether labels satisfy it. "!=" and "not in" hold where the label is absent. */
  matches(labels: Readonly<Record<string, string>>): boolean
}

type Labels = Readonly<Record<string, string>>
type Test = (labels: Labels) => boolean

/** Errors: UserError that shows the selector and where it is wrong. */
export function parseSelector(text: string): Selector {
  if (text.trim() === '') return { matches: () => true }
  const scanner = new Scanner(text)
  const test = parseOr(scanner)
  if (!scanner.atEnd) scanner.fail('unexpected content at end of selector')
  return { matches: test }
}

const own = (labels: Labels, name: string): string | undefined =>
  Object.hasOwn(labels, name) ? labels[name] : undefined

/** Operators on a label and one string. */
const ON_STRING: readonly (readonly [
  RegExp,
  (value: string | undefined, to: string) => boolean,
])[] = [
  [/^==/, (value, to) => value === to],
  [/^!=/, (value, to) => value !== to],
  [/^contains\b/, (value, to) => value?.includes(to) === true],
  [/^starts[ \t]*with\b/, (value, to) => value?.startsWith(to) === true],
  [/^ends[ \t]*with\b/, (value, to) => value?.endsWith(to) === true],
]

/** Operators on a label and a set of strings. */
const ON_SET: readonly (readonly [
  RegExp,
  (value: string | undefined, set: ReadonlySet<string>) => boolean,
])[] = [
  [/^in\b/, (value, set) => value !== undefined && set.has(value)],
  [/^not[ \t]*in\b/, (value, set) => value === undefined || !set.has(value)],
]

function parseOr(scanner: Scanner): Test {
  const tests = [parseAnd(scanner)]
  while (scanner.take(/^\|\|/) !== undefined) tests.push(parseAnd(scanner))
  return tests.length === 1 ? tests[0]! : (labels) => tests.some((test) => test(labels))
}

function parseAnd(scanner: Scanner): Test {
  const tests = [parseTerm(scanner)]
  while (scanner.take(/^&&/) !== undefined) tests.push(parseTerm(scanner))
  return tests.length === 1 ? tests[0]! : (labels) => tests.every((test) => test(labels))
}

function parseTerm(scanner: Scanner): Test {
  if (scanner.take(/^!/) !== undefined) {
    const inner = parseTerm(scanner)
    return (labels) => !inner(labels)
  }
  if (scanner.take(/^\(/) !== undefined) {
    const inner = parseOr(scanner)
    scanner.expect(/^\)/, 'expected )')
    return inner
  }
  if (scanner.take(/^all\(\)/) !== undefined) return () => true
  // Of no label: only the namespace selectors of policies give it a meaning, and they look for it.
  if (scanner.take(/^global\(\)/) !== undefined) return () => false
  if (scanner.take(/^has\(/) !== undefined) {
    const name = scanner.label()
    scanner.expect(/^\)/, "no closing ')' after has(")
    return (labels) => own(labels, name) !== undefined
  }
  return parseComparison(scanner, scanner.label())
}

function parseComparison(scanner: Scanner, name: string): Test {
  for (const [operator, holds] of ON_STRING) {
    if (scanner.take(operator) === undefined) continue
    const to = scanner.string()
    return (labels) => holds(own(labels, name), to)
  }
  for (const [operator, holds] of ON_SET) {
    if (scanner.take(operator) === undefined) continue
    const set = parseSet(scanner)
    return (labels) => holds(own(labels, name), set)
  }
  return scanner.fail('expected operator after label')
}

function parseSet(scanner: Scanner): ReadonlySet<string> {
  scanner.expect(/^\{/, 'expected set literal')
  const set = new Set<string>()
  while (scanner.take(/^\}/) === undefined) {
    if (set.size > 0) {
      scanner.expect(/^,/, 'expected }')
      if (scanner.take(/^\}/) !== undefined) break
    }
    set.add(scanner.string())
  }
  return set
}

class Scanner {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
    this.#skip()
  }

  get atEnd(): boolean {
    return this.#at === this.#text.length
  }

  #skip(): void {
    while (this.#text[this.#at] === ' ' || this.#text[this.#at] === '\t') this.#at++
  }

  take(pattern: RegExp): string | undefined {
    const match = pattern.exec(this.#text.slice(this.#at))
    if (match === null) return undefined
    this.#at += match[0].length
    this.#skip()
    return match[1] ?? match[0]
  }

  expect(pattern: RegExp, message: string): string {
    return this.take(pattern) ?? this.fail(message)
  }

  label(): string {
    return this.expect(/^([A-Za-z0-9_./-]{1,512})/, 'expected identifier')
  }

  string(): string {
    const taken = this.take(/^"([^"]*)"/) ?? this.take(/^'([^']*)'/)
    if (taken !== undefined) return taken
    return this.fail(
      /^["']/.test(this.#text.slice(this.#at)) ? 'unterminated string' : 'expected string',
    )
  }

  fail(message: string): never {
    const here = `${this.#text.slice(0, this.#at)}⟨here⟩${this.#text.slice(this.#at)}`
    throw new UserError(`Invalid selector: ${message}: ${here}`)
  }
}
