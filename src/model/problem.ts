import { UserError } from '../lib/errors.ts'

/** One field that is not as it must be. */
export interface Problem {
  /** Path as in YAML: "spec.ipNetworks[0]". */
  readonly field: string
  readonly value: unknown
  /** What was expected. */
  readonly reason: string
}

/** A resource that may not be stored; the message lists every problem, in Calico's form. */
export class InvalidResource extends UserError {
  readonly problems: readonly Problem[]
  constructor(problems: readonly Problem[]) {
    super(describe(problems))
    this.problems = problems
  }
}

function describe(problems: readonly Problem[]): string {
  const lines = problems.map(
    ({ field, value, reason }) => `${field} = '${shown(value)}' (${reason})`,
  )
  return lines.length === 1
    ? `error with field ${lines[0]}`
    : ['error with the following fields:', ...lines.map((line) => `-  ${line}`)].join('\n')
}

const SHOWN_MAX = 120

/** A value as one short line of a message, fit for a terminal. */
export function shown(value: unknown): string {
  if (value === undefined) return ''
  const text = typeof value === 'string' ? value : jsonOf(value)
  const short = text.length > SHOWN_MAX ? `${text.slice(0, SHOWN_MAX - 3)}...` : text
  return withoutControls(short)
}

function jsonOf(value: unknown): string {
  try {
    return JSON.stringify(value, bigintAsText) ?? ''
  } catch {
    return Array.isArray(value) ? '[...]' : '{...}' // nested too deeply
  }
}

/**
 * Control characters, those that change the direction of text, and halves of surrogate pairs as escapes:
 * a terminal obeys the first, and a person is misled by the second.
 */
function withoutControls(text: string): string {
  return text.replaceAll(
    /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

function bigintAsText(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value
}
